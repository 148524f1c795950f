"""Probe devices with arithmetic that no switch has, NumPy, and stock TensorFlow; print what is said of them.

    python tools/probe_page.py                                  # the odd devices; a minute or two
    python tools/probe_page.py --docs                           # also into docs/probe.md
    python tools/probe_page.py --docs --stock-python=PATH       # NumPy, TensorFlow 2 and 1.15, too

Exit code 1 if a device is not described as it should be.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import opened_device
from conformance.files import write_text_atomically
from conformance.probing.probing import probed
from conformance.probing.text import where

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.devices.base import Device
    from conformance.probing.result import Probe

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENT = PROJECT / "docs/probe.md"
ODD = "<!-- table: python tools/probe_page.py --docs -->"
STOCK = "<!-- table: python tools/probe_page.py --docs --stock-python=PATH -->"
END = "<!-- end of table -->"
SUBJECTS = (
    "Sum",
    "Mean",
    "AvgPool",
    "MatMul",
    "Conv2D",
    "results of Add",
    "a product in one program with a sum",
    "Tanh",
    "Exp",
    "Rsqrt",
    "Sqrt",
)

sys.path[:0] = [str(PROJECT / "tests"), str(PROJECT / "docs")]  # where the devices are


def _probe(device: Device) -> Probe:
    today = dt.datetime.now(dt.timezone.utc).date()
    return probed(device, base="mlu270", today=today)


def odd_rows() -> Iterator[tuple[bool, str]]:
    """Yield whether each odd device is described as it should be, and its row."""
    from probing.odd_devices import ODD as DEVICES

    for device, subject, words in DEVICES:
        said = [item for item in _probe(device()).properties if item.subject == subject]
        right = [item for item in said if words in item.words]
        shown = (right or said)[0]
        place = where(shown.precisions)
        cells = (
            (device.__doc__ or "").strip().rstrip("."),
            f"{subject}{f' at {place}' if place else ''}: {shown.words}",
            shown.confirmed or "-",
            "yes" if right else "NO",
        )
        print(f"{device.__name__}: {cells[-1]}", file=sys.stderr)
        yield bool(right), f"| {' | '.join(cells)} |"


def odd_table() -> tuple[bool, list[str]]:
    """Return whether all are described as they should be, and the table."""
    rows = list(odd_rows())
    right = sum(well for well, _ in rows)
    head = ["| the device | what a probe says | confirmed | right |", "| --- | --- | --- | --- |"]
    counted = f"{right} of {len(rows)} described rightly."
    return right == len(rows), [counted, "", *head, *(row for _, row in rows)]


def _said(probe: Probe, subject: str) -> str:
    """Return what a probe says of a subject at float32."""
    found = [item for item in probe.properties if item.subject == subject]
    at_fp32 = [item for item in found if "int16-fp32" in item.precisions]
    if not at_fp32:
        return "-"
    item = at_fp32[0]
    return f"{item.words}{f' [{item.confirmed}]' if item.confirmed else ''}"


def stock_table(python: str) -> list[str]:
    """Return what is said of NumPy, TensorFlow 2, and TensorFlow 1.15 through the driver, at int16-fp32."""
    from examples.numpy_device import NumpyDevice

    options = {"allow-stock": "1", "python": python, "lock-dir": tempfile.mkdtemp()}  # no card is used
    found = [_probe(NumpyDevice())]
    for request in (DeviceRequest("cpu"), DeviceRequest("cambricon", options=options)):
        with opened_device(request) as device:
            found.append(_probe(device))
    heads = [str(probe.device["framework"]) for probe in found]
    rows = [f"| {subject} | {' | '.join(_said(probe, subject) for probe in found)} |" for subject in SUBJECTS]
    return [f"| | {' | '.join(heads)} |", f"| --- |{' --- |' * len(heads)}", *rows]


def _put(begin: str, lines: Sequence[str]) -> None:
    """Put a table into the document, in place of the old one."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(END)
    write_text_atomically(DOCUMENT, "\n".join([before + begin, "", *lines, "", END]) + after)


def main() -> int:
    """Probe, print, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/probe.md")
    parser.add_argument("--stock-python", metavar="PATH", help="a Python with TensorFlow 1.15")
    asked = parser.parse_args()
    right, table = odd_table()
    tables = {ODD: table} | ({STOCK: stock_table(asked.stock_python)} if asked.stock_python else {})
    for begin, lines in tables.items():
        print("\n".join(lines))
        if asked.docs:
            _put(begin, lines)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
