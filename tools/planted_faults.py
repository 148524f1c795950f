"""Diagnose devices with one planted fault each, and print what was named first.

    python tools/planted_faults.py                  # every fault, wherever it shows; a few minutes
    python tools/planted_faults.py --only stale     # one fault
    python tools/planted_faults.py --docs           # also into docs/planted_faults.md
    python tools/planted_faults.py --sweep          # every node in turn a tenth too large, at all precisions

Exit code 1 if fewer faults are named than must be, or anything is named on a device without a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fnmatch
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.quality import described
from conformance.errors import ConformanceError, UsageError, near_names
from conformance.files import write_text_atomically
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from diagnosis.planted import Planted

    from conformance.diagnosis.model import Diagnosis

PROJECT = Path(__file__).resolve().parents[1]
DOCUMENT = PROJECT / "docs/planted_faults.md"
BEGIN, END = "<!-- table: python tools/planted_faults.py --docs -->", "<!-- end of table -->"
HEADINGS = (
    "fault",
    "device",
    "precisions",
    "expected",
    "named first",
    "effect of it",
    "forwards",
    "s",
    "named",
)
NOTHING = "nothing"
CLEAN = "none"
MISSES = 1
"""Faults that may be missed, whether of the 12 that were asked for or of all."""

sys.path.insert(0, str(PROJECT / "tests"))  # where the faults live


@dataclasses.dataclass(frozen=True)
class Case:
    """One diagnosis and what it should have named.

    Attributes:
        fault: the fault's name; empty on a device without one.
        what: the fault in words.
        profile, precision: the device.
        expected: what must be named, and as which kind.
        named: what was named first.
        effect: what its repair does.
        forwards, seconds: the cost.
    """

    fault: str
    what: str
    profile: str
    precision: str
    expected: tuple[str, str]
    named: tuple[str, str]
    effect: str
    forwards: int
    seconds: float

    @property
    def right(self) -> bool:
        """Whether it named what it must."""
        return self.named == self.expected


def cases(only: str) -> Iterator[Case]:
    """Diagnose every fault that ``only`` means wherever it shows, then the device without a fault."""
    from diagnosis.planted import ALL, FAULTS, IDEAL

    for name, fault in FAULTS.items():
        if fnmatch.fnmatch(name, only):
            for profile, precision in fault.cases:
                yield _diagnosed(name, fault, profile, precision)
    for precision in ALL if fnmatch.fnmatch(CLEAN, only) else ():
        yield _diagnosed("", None, IDEAL, precision)


def _diagnosed(name: str, fault: Planted | None, profile: str, precision: str) -> Case:
    from diagnosis.diagnosing import diagnosed

    device = fault(profile) if fault else open_device(DeviceRequest("emulator", profile))
    found = diagnosed(device, precision)
    first = found.culprits[0] if found.culprits else None
    case = Case(
        fault=name,
        what=fault.what if fault else CLEAN,
        profile=profile,
        precision=precision,
        expected=(fault.where, fault.kind) if fault else (NOTHING, ""),
        named=(first.what, first.kind) if first else (NOTHING, ""),
        effect=_effect(found),
        forwards=found.forwards,
        seconds=found.seconds,
    )
    print(f"{name or CLEAN} {profile} {precision}: {case.named[0]}", file=sys.stderr)
    return case


def _effect(diagnosis: Diagnosis) -> str:
    effect = diagnosis.culprits[0].effect if diagnosis.culprits else None
    if effect is None:
        return "-"
    return " to ".join(described(quality).rpartition(", ")[2] for quality in (effect.before, effect.after))


def swept(precision: str) -> str:
    """Return how many nodes are named when each in turn is a tenth too large, in a sentence."""
    from diagnosis.diagnosing import diagnosed
    from diagnosis.planted import enlarged
    from diagnosis.planted_network import planted_store

    nodes = [node.name for node in planted_store().manifest.nodes]
    wrong, most = [], 0
    for node in nodes:
        found = diagnosed(enlarged(node)(), precision)
        most = max(most, found.forwards)
        if [(item.what, item.kind) for item in found.culprits] != [(node, "node")]:
            wrong.append(node)
    right = len(nodes) - len(wrong)
    named = f"{precision}: {right} of {len(nodes)} nodes that are a tenth too large are named, each alone"
    return f"{named}, in at most {most} forwards{'; not ' + ', '.join(wrong) if wrong else ''}."


def rows(found: Sequence[Case]) -> list[tuple[str, ...]]:
    """Return a row per fault and device: its precisions together, the cost of the dearest."""
    together: dict[tuple[str, str], list[Case]] = {}
    for case in found:
        together.setdefault((case.fault, case.profile), []).append(case)
    return [_row(listed) for listed in together.values()]


def _row(listed: Sequence[Case]) -> tuple[str, ...]:
    shown = next((case for case in listed if not case.right), listed[0])
    kind = f" ({shown.expected[1]})" if shown.expected[1] else ""
    return (
        shown.what,
        shown.profile,
        "all" if len(listed) == 4 else ", ".join(case.precision for case in listed),
        shown.expected[0] + kind,
        shown.named[0],
        shown.effect,
        str(max(case.forwards for case in listed)),
        f"{max(case.seconds for case in listed):.1f}",
        f"{sum(case.right for case in listed)} of {len(listed)}",
    )


def missed(found: Sequence[Case]) -> list[str]:
    """Return the faults that were not named first wherever they show, in their order."""
    return list(dict.fromkeys(case.fault for case in found if case.fault and not case.right))


def exit_code(found: Sequence[Case]) -> int:
    """Return 0 if at most ``MISSES`` of the faults are missed, and none is invented; else 1."""
    invented = any(not case.fault and not case.right for case in found)
    return int(invented or len(missed(found)) > MISSES)


def summary(found: Sequence[Case], asked_for: Sequence[str]) -> str:
    """Return how many faults were named, in a sentence."""
    faults = {case.fault for case in found if case.fault}
    first, wrong = faults.intersection(asked_for), missed(found)
    clean = [case for case in found if not case.fault]
    return (
        f"{len(faults) - len(wrong)} of {len(faults)} faults named first wherever they show "
        f"({len(first - set(wrong))} of the {len(first)} that were asked for), in {len(found) - len(clean)} "
        f"diagnoses; without a fault, nothing named in {sum(case.right for case in clean)} of {len(clean)}."
    )


def write_document(path: Path, table: Sequence[Sequence[str]], sentence: str) -> None:
    """Put the table between the markers of a document.

    Raises:
        UsageError: they are missing.
    """
    head, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise UsageError(
            f"{path} lacks the lines {BEGIN!r} and {END!r} that the table goes between; add them"
        )
    lines = [HEADINGS, ["---"] * len(HEADINGS), *table]
    text = "\n".join(f"| {' | '.join(row)} |" for row in lines)
    write_text_atomically(path, f"{head}{BEGIN}\n\n{sentence}\n\n{text}\n\n{END}{tail}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Diagnose, print the table, and write it down if asked to."""
    from diagnosis.planted import ALL, ASKED_FOR, FAULTS
    from diagnosis.planted_network import planted_network

    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument(
        "--only", default="*", metavar="GLOB", help=f"names of faults; {CLEAN} is the clean device"
    )
    parser.add_argument("--docs", action="store_true", help=f"write the table into {DOCUMENT.name}")
    parser.add_argument("--sweep", action="store_true", help="make every node in turn a tenth too large")
    options = parser.parse_args(arguments)
    if not fnmatch.filter([*FAULTS, CLEAN], options.only):
        raise UsageError(
            f"--only {options.only!r} means no fault{near_names(options.only, [*FAULTS, CLEAN])}"
        )
    asked_for = list(FAULTS)[:ASKED_FOR]
    with contextlib.redirect_stdout(sys.stderr):
        planted_network()
    if options.sweep:
        for precision in ALL:
            print(swept(precision), flush=True)
        return 0
    found = list(cases(options.only))
    table, sentence = rows(found), summary(found, asked_for)
    print("\n".join([*aligned([HEADINGS, *table]), "", sentence]))
    if options.docs:
        write_document(DOCUMENT, table, sentence)
    return exit_code(found)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"planted_faults: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
