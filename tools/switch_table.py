"""Print what each of some numeric switches does to a network's outputs, at every precision.

Run ``python tools/switch_table.py``; ``docs/numerics.md`` shows what it prints for BeautyGAN. Figures are
cosine and PSNR in dB of the worst sample of the fused network on the emulator.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from conformance import locations
from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.errors import ConformanceError
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.networks import find_network
from conformance.precision import PRECISIONS
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.findings import Finding

PROFILES = (
    "mlu270",
    "mlu270,reduction_order=last-axis-first",
    "mlu270,reduction_order=one-pass",
    "mlu270,reduction_sum=fp32",
    "mlu270,half_rounding=ties-even",
    "mlu270,convolution_sums=fp16",
    "mlu270,tanh=table-64",
    "ideal",
)


def row(name: str, profile: str) -> list[str]:
    """Return a profile's row: cosine and PSNR at every precision."""
    store = GoldenStore(find_network(name, locations.NETWORKS), locations.GOLDENS)
    device = open_device(DeviceRequest("emulator", profile=profile))
    evaluation = Evaluation(device, Expectations(store, read_margins(locations.MARGINS)), ())
    return [profile, *(_shown(evaluation.fused(precision).values()) for precision in PRECISIONS)]


def _shown(findings: Sequence[Finding]) -> str:
    reached = [finding.verdict.reached for finding in findings if finding.verdict and finding.verdict.reached]
    if len(reached) != len(list(findings)):
        return "no figure"
    cosine = min(item.cosine for item in reached if item.cosine is not None)
    psnr = min(item.psnr for item in reached if item.psnr is not None)
    return f"{cosine:.7f} / {psnr:.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", nargs="?", default="beautygan", help="below fixtures/networks")
    name = parser.parse_args(arguments).network
    rows = [row(name, profile) for profile in PROFILES]
    print("\n".join(aligned([["profile (cosine / dB)", *map(str, PRECISIONS)], *rows])))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"switch_table: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
