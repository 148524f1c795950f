"""Judge many random small networks on devices that are right by another way: nothing may deviate.

    python tools/random_networks.py               # 10,000 networks of 1 to 200 elements a tensor; an hour
    python tools/random_networks.py --together    # on four devices, each right by several other ways at once
    python tools/random_networks.py --count 400   # a few, each precision in turn
    python tools/random_networks.py --seed 7      # others

Networks are drawn by ``tests/support/small_kinds.py`` and put into graphs of many, so that what is compiled
for one serves hundreds. Each is judged at one precision, on every device. Exit code 1 if one deviates.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.cpu import CpuDevice
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.evaluation.false_alarms import BY_AXES, OTHER_WAYS, STOCK, right_at
from conformance.expected.enclosing.enclosure import enclosure
from conformance.expected.right_devices import OTHER_WAY
from conformance.graph.operators import FIXED_POINT
from conformance.judging.bounds import read_margins
from conformance.judging.conformity import conformity
from conformance.precision import PRECISIONS
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from conformance.devices.base import Device
    from conformance.expected.enclosing.enclosure import Enclosure
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.conformity import Conformity
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # where networks are drawn


DEVICES = {
    **OTHER_WAYS,
    "running sums in float32, one pass": "reduction_sum=fp32",  # right where sums are short
    "kept beside the ideal device": OTHER_WAY,
    STOCK: "",
}
"""Switches of the ideal profile, by title; stock TensorFlow has none."""
TOGETHER = {
    "sums in one pass, everything stored, ties up": "half_rounding=ties-away,half_tiny=smallest,"
    "fixed_point_rounding=half-up,fixed_point_scale=position-scale,convolution_sums=fp32,"
    "arithmetic=float32,reduction_sum=fp32,softmax_steps=rounded,real_div=reciprocal,"
    "batch_norm_steps=rounded,resize_steps=rounded",
    "first axis first, folded, symmetric": "fixed_point_range=symmetric,arithmetic=float32,"
    f"{BY_AXES}=first-axis-first,batch_norm_steps=folded,fused_intermediates=fp32",
    "last axis first, steps stored": "half_rounding=ties-away,half_overflow=saturate,"
    f"fixed_point_rounding=half-up,{BY_AXES}=last-axis-first,"
    "softmax_steps=rounded,real_div=reciprocal,resize_steps=rounded",
    STOCK: "",
}
"""Devices that are right by several other ways at once: every switch of the others is in one of them."""
BATCH = 200
"""Networks of one graph."""


class Judged(NamedTuple):
    """A network on a device: where, and beside what right devices give."""

    seed: int
    device: str
    precision: Precision
    output: str
    op: str
    found: Conformity


class Batch:
    """Networks in one graph at a precision, with what right devices may give of each.

    Args:
        seed: draws them.
        count: how many.
        precision: fixed-point × float width.
        bank: draws sizes of tensors.
    """

    def __init__(self, seed: int, count: int, precision: Precision, bank: int) -> None:
        from support.small_graphs import small_graphs

        self.seed, self.precision = seed, precision
        self.graph, self.feeds = small_graphs(seed, count, bank=bank)
        bits = precision.fixed_bits
        self.scales = calibrate(largest_magnitudes(self.graph, [self.feeds]), bits)
        factor = read_margins(locations.MARGINS).sum_allowance.factor
        self.right = {name: self._enclosed(name, factor) for name in self.graph.outputs}

    def _enclosed(self, name: str, factor: float) -> Enclosure:
        part = self._part(name)
        feeds = {key: self.feeds[key] for key in part.inputs}
        return enclosure(part, feeds, self.precision, self.scales, factor)

    def judged(self, title: str, switches: str) -> Iterator[Judged]:
        """Yield what becomes of networks on a device that is right at them; stock TensorFlow is at floats."""
        graph = self._right(switches) if switches else self._floats()
        if graph is None:
            return
        results, unmodelled = _computed(_device(switches), graph, self.feeds, self.precision, self.scales)
        for name, result in results.items():
            if name in unmodelled or not np.isfinite(result).all():
                continue
            value, radius, chance = self.right[name]
            found = conformity(value, radius, result, self.precision.float_bits, chance=chance)
            yield Judged(self.seed, title, self.precision, name, self.graph.nodes[name].op, found)

    def _right(self, switches: str) -> FrozenGraph | None:
        """Return the networks that a device with these switches is right at."""
        return self._those(lambda part: right_at(part, switches))

    def _floats(self) -> FrozenGraph | None:
        """Return the networks that have nothing in fixed point; None at a precision that is not float32."""
        if self.precision.floating != "fp32":
            return None
        return self._those(lambda part: not any(node.op in FIXED_POINT for node in part.nodes.values()))

    def _those(self, holds: Callable[[FrozenGraph], bool]) -> FrozenGraph | None:
        """Return the networks of which something holds; None where it holds of none."""
        names = [name for name in self.graph.outputs if holds(self._part(name))]
        return self.graph.prune(names) if names else None

    @cached_method
    def _part(self, name: str) -> FrozenGraph:
        return self.graph.prune([name])


def _device(switches: str) -> Device:
    if not switches:
        return CpuDevice()
    return EmulatorDevice(read_profile(f"{locations.IDEAL},{switches}", locations.DEVICES))


def _computed(
    device: Device,
    graph: FrozenGraph,
    feeds: Mapping[str, Array],
    precision: Precision,
    scales: QuantizationScales,
) -> tuple[Mapping[str, Array], set[str]]:
    """Return results by output, and the outputs whose numerics are not modelled."""
    fed = {name: feeds[name] for name in graph.inputs}
    with device.open(graph, graph.outputs, precision=precision, scales=scales, fuse=True) as session:
        notes = [note.rpartition(": ")[2] for note in session.notes if "not modelled" in note]
        return session.run(fed), set(notes)


def batches(count: int, seed: int, precisions: Sequence[Precision]) -> Iterator[Batch]:
    """Yield batches of ``count`` networks in all, at each precision in turn; told on standard error."""
    sizes = [min(BATCH, count - start) for start in range(0, count, BATCH)]
    for index, size in enumerate(sizes):
        print(f"{index * BATCH} of {count}", file=sys.stderr, flush=True)
        yield Batch(seed + index, size, precisions[index % len(precisions)], bank=seed)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge them and print a table; 1 if anything deviates."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=10_000, help="how many networks (default: 10000)")
    parser.add_argument("--seed", type=int, default=0, help="draws them (default: 0)")
    parser.add_argument(
        "--together", action="store_true", help="on a few devices that are each right by several other ways"
    )
    options = parser.parse_args(arguments)
    if options.count < 1:
        parser.error(f"--count={options.count}: nothing would be judged; give 1 or more")
    devices = TOGETHER if options.together else DEVICES
    found: dict[tuple[str, str], list[Judged]] = {}
    for batch in batches(options.count, options.seed, PRECISIONS):
        for title, switches in devices.items():
            for item in batch.judged(title, switches):
                found.setdefault((title, str(batch.precision)), []).append(item)
                if not item.found.conforms:
                    print(_alarm(item), file=sys.stderr, flush=True)
    return _told(found, options.count)


def _alarm(item: Judged) -> str:
    return f"seed {item.seed}, {item.output} ({item.op}), {item.device}, {item.precision}: {item.found}"


def _told(found: Mapping[tuple[str, str], Sequence[Judged]], count: int) -> int:
    rows = [("right device", "precision", "networks", "false alarms", "largest ratio")]
    alarms = []
    for (title, precision), items in sorted(found.items()):
        false = [item for item in items if not item.found.conforms]
        alarms += false
        worst = max(item.found.ratio for item in items)
        rows.append((title, precision, str(len(items)), str(len(false)), f"{worst:.3g}"))
    for line in aligned(rows, {"networks", "false alarms", "largest ratio"}):
        print(line)
    for item in alarms:
        print(_alarm(item))
    pairs = sum(map(len, found.values()))
    print(f"{count} networks, {pairs} pairs of network and device: {len(alarms)} false alarms")
    return 1 if alarms else 0


if __name__ == "__main__":
    sys.exit(main())
