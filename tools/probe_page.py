"""Probe odd devices, NumPy and stock TensorFlow, and time a probe; print what comes out.

    python tools/probe_page.py                                      # all tables; some minutes
    python tools/probe_page.py --docs                               # also into docs/probe.md
    python tools/probe_page.py --docs --only=operators --stock-python=PATH

``--stock-python`` is a Python with TensorFlow 1.15; without it nothing is said of that, and the tables of
stock frameworks are not written. Exit code 1 if a device is not described as it should be.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import single_operators

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
TABLES = ("odd", "stock", "operators", "costs")
OF_STOCK = ("stock", "operators")
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


def stock_devices(python: Path | None) -> Iterator[DeviceRequest | None]:
    """Yield None for NumPy, and how TensorFlow 2 and, where it is there, TensorFlow 1.15 are asked for."""
    yield None
    yield DeviceRequest("cpu")
    if python is None:
        print("TensorFlow 1.15 is skipped: no --stock-python was given", file=sys.stderr)
    elif not python.is_file():
        print(f"TensorFlow 1.15 is skipped: --stock-python {python} is no file", file=sys.stderr)
    else:
        options = {
            "allow-stock": "1",
            "python": str(python),
            "lock-dir": tempfile.mkdtemp(),
        }  # no card is used
        yield DeviceRequest("cambricon", options=options)


@contextlib.contextmanager
def _opened(request: DeviceRequest | None) -> Iterator[Device]:
    from examples.numpy_device import NumpyDevice

    with contextlib.nullcontext(NumpyDevice()) if request is None else opened_device(request) as device:
        yield device


def stock_tables(asked: Sequence[str], python: Path | None) -> dict[str, list[str]]:
    """Return what is said of NumPy and stock TensorFlow at int16-fp32, and what of it is verified."""
    with tempfile.TemporaryDirectory() as directory:
        places = [Path(directory) / str(number) for number in range(len(single_operators.OPERATORS))]
        stores = [
            single_operators.made(operator, place)
            for operator, place in zip(single_operators.OPERATORS, places, strict=True)
            if "operators" in asked
        ]
        found, columns = [], []
        for request in stock_devices(python):
            with _opened(request) as device:
                found.append(_probe(device))
                columns.append(single_operators.shares(device, found[-1], stores))
    heads = [str(probe.device["framework"]) for probe in found]
    rows = [f"| {subject} | {' | '.join(_said(probe, subject) for probe in found)} |" for subject in SUBJECTS]
    tables = {"stock": [f"| | {' | '.join(heads)} |", f"| --- |{' --- |' * len(heads)}", *rows]}
    if stores:
        tables["operators"] = single_operators.operator_table(heads, columns)
    return {name: lines for name, lines in tables.items() if name in asked}


def cost_table() -> list[str]:
    """Return what a probe of the default emulator takes as a whole command, and what that says itself."""
    command = [sys.executable, "-m", "conformance.cli", "probe", "--device=emulator", "--json"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = dt.datetime.now(dt.timezone.utc)
    text = subprocess.run(command, check=True, capture_output=True, cwd=PROJECT).stdout
    wall = (dt.datetime.now(dt.timezone.utc) - started).total_seconds()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    said = json.loads(text)
    compiled = ", ".join(f"{count} at {precision}" for precision, count in said["compilations"].items())
    return [
        "| a probe of the default emulator | |",
        "| --- | --- |",
        f"| processor time of the whole command | {spent:.0f} s |",
        f"| of this, the probe, as the command says | {said['processor']:.0f} s |",
        f"| wall time of the whole command | {wall:.0f} s |",
        f"| compilations, as the command says | {compiled} |",
    ]


def _put(name: str, lines: Sequence[str]) -> None:
    """Put a table into the document, in place of the old one."""
    begin = f"<!-- table: python tools/probe_page.py --docs --only={name} -->"
    text = DOCUMENT.read_text(encoding="utf-8")
    before, found, rest = text.partition(begin)
    if not found:
        raise SystemExit(f"{DOCUMENT} has no line {begin}")
    _, _, after = rest.partition(END)
    write_text_atomically(DOCUMENT, "\n".join([before + begin, "", *lines, "", END]) + after)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n", 1)[0])
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/probe.md")
    parser.add_argument(
        "--only", action="append", choices=TABLES, help="this table alone; may be given again"
    )
    parser.add_argument("--stock-python", type=Path, metavar="PATH", help="a Python with TensorFlow 1.15")
    return parser.parse_args()


def main() -> int:
    """Probe, print, and write what is asked for."""
    asked = _arguments()
    names, right = asked.only or TABLES, True
    tables: dict[str, list[str]] = {}
    if "odd" in names:
        right, tables["odd"] = odd_table()
    if set(OF_STOCK) & set(names):
        tables |= stock_tables(names, asked.stock_python)
    if "costs" in names:
        tables["costs"] = cost_table()
    whole = asked.stock_python is not None and asked.stock_python.is_file()
    for name, lines in tables.items():
        print("\n".join([*lines, ""]))
        if asked.docs and (whole or name not in OF_STOCK):
            _put(name, lines)
        elif asked.docs:
            print(f"{name} is not written: it needs --stock-python", file=sys.stderr)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
