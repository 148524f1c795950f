"""Measure what a run catches at fixed-point nodes, and count false alarms, for ``docs/sensitivity.md``.

    python tools/sensitivity_page.py                       # all networks; 20 minutes of processor time
    python tools/sensitivity_page.py mobilenet             # one; printed
    python tools/sensitivity_page.py --only=faults --docs  # one half, put into the page

It runs ``mlu-conformance sensitivity`` and sums up what that says of each node. Exit code 1 if a right device
raised a false alarm; that of the command if it failed.
"""

from __future__ import annotations

import argparse
import collections
import statistics
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent))

from marked_sections import table, write_section

from conformance import locations
from conformance.errors import EXIT_ACCURACY, EXIT_FINE
from conformance.evaluation.false_alarms import OTHER_WAYS, Alarm
from conformance.expected.sensitivity.measuring import Sensitivity
from conformance.graph.operators import FIXED_POINT
from conformance.networks import Network

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PAGE = locations.PROJECT / "docs/sensitivity.md"
NETWORKS = ("beautygan", "mobilenet", "lstm")
SIZED = ("gain", "channel gain", "element", "input scale")
"""Faults that have a size."""
EMULATED = "emulated, right by another way"


class _Told(msgspec.Struct):
    """What the command says of a network, as JSON."""

    network: str
    sensitivity: list[Sensitivity] = []
    false_alarms: list[Alarm] = []


def asked(network: str, only: str) -> _Told:
    """Return what ``mlu-conformance sensitivity`` says of a network's fixed-point nodes, or of all key nodes.

    Args:
        network: its name.
        only: ``faults`` or ``false-alarms``.

    Raises:
        subprocess.CalledProcessError: the command failed, for the reason that it printed.
    """
    words = [sys.executable, "-m", "conformance.cli", "sensitivity", network, f"--only={only}", "--json"]
    if only == "faults":
        graph = Network(locations.NETWORKS / network).graph
        operators = sorted(FIXED_POINT.intersection(node.op for node in graph.nodes.values()))
        words.append(f"--nodes={','.join(f'op:{operator}' for operator in operators)}")
    found = subprocess.run(words, check=True, stdout=subprocess.PIPE, cwd=locations.PROJECT)
    return msgspec.json.decode(found.stdout, type=_Told)


def caught(told: Iterable[_Told]) -> list[list[str]]:
    """Return the rows of the smallest sizes that are caught: median and largest, by network and precision."""
    rows = [["network", "precision", "nodes", *SIZED]]
    for network, precision, nodes in _by_precision(told):
        rows.append([network, precision, str(len(nodes)), *(_sizes(nodes, fault) for fault in SIZED)])
    return rows


def _sizes(nodes: Sequence[Sensitivity], fault: str) -> str:
    found = [node.faults[fault] for node in nodes]
    sizes = [size for size in found if not isinstance(size, str)]
    shown = f"{statistics.median(sizes):.1e}, {max(sizes):.1e}" if sizes else ""
    missed = found.count("passes")
    return f"{shown}; passes at {missed}".removeprefix("; ") if missed else shown


def passing(told: Iterable[_Told]) -> list[list[str]]:
    """Return the rows of faults without a size that have an effect and are not caught at some node."""
    rows = [["fault", "network", "precision", "passes at"]]
    for network, precision, nodes in _by_precision(told):
        missed = collections.Counter(
            fault
            for node in nodes
            for fault, found in node.faults.items()
            if found == "passes" and fault not in SIZED
        )
        rows += [
            [fault, network, precision, f"{count} of {len(nodes)} nodes"] for fault, count in missed.items()
        ]
    return [rows[0], *sorted(rows[1:])]


def _by_precision(told: Iterable[_Told]) -> Iterator[tuple[str, str, list[Sensitivity]]]:
    for entry in told:
        found: dict[str, list[Sensitivity]] = {}
        for node in entry.sensitivity:
            found.setdefault(node.precision, []).append(node)
        for precision, nodes in found.items():
            yield entry.network, precision, nodes


def alarms(told: Iterable[_Told]) -> list[list[str]]:
    """Return the rows of false alarms, by network and kind of device; all precisions of a kind together."""
    rows = [
        ["network", "right device", "precisions", "key nodes", "results", "false alarms", "largest ratio"]
    ]
    for entry in told:
        kinds: dict[str, list[Alarm]] = {}
        for alarm in entry.false_alarms:
            kinds.setdefault(EMULATED if alarm.device in OTHER_WAYS else alarm.device, []).append(alarm)
        rows += [[entry.network, *_counted(kind, found)] for kind, found in kinds.items()]
    return rows


def _counted(kind: str, found: Sequence[Alarm]) -> list[str]:
    """Return kind, precisions, nodes, nodes of all devices and precisions, false alarms, largest ratio."""
    precisions = dict.fromkeys(alarm.precision for alarm in found)
    return [
        kind,
        ", ".join(precisions),
        str(max(alarm.nodes for alarm in found)),
        str(sum(alarm.nodes for alarm in found)),
        str(sum(len(alarm.false) for alarm in found)),
        f"{max(alarm.worst for alarm in found):.3g}",
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print or write the tables; 1 if there are false alarms."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="(default: the project's three)")
    parser.add_argument("--only", choices=("faults", "false-alarms"), help="one half")
    parser.add_argument("--docs", action="store_true", help=f"put the tables into {PAGE.name}; all networks")
    options = parser.parse_args(arguments)
    if unknown := set(options.networks).difference(NETWORKS):
        parser.error(f"{', '.join(sorted(unknown))}: measured are {', '.join(NETWORKS)}")
    if options.docs and options.networks:
        parser.error("--docs is for all networks together; name none")
    try:
        return _written(options.networks or NETWORKS, options.only, docs=options.docs)
    except subprocess.CalledProcessError as error:
        return int(error.returncode)  # it has said why


def _written(names: Sequence[str], only: str | None, *, docs: bool) -> int:
    """Print the tables of some networks, and put them into the page if asked; 1 if there are false alarms."""
    sections = {}
    if only != "false-alarms":
        told = [asked(name, "faults") for name in names]
        sections |= {"fixed-point": caught(told), "would-pass": passing(told)}
    counted = [] if only == "faults" else [asked(name, "false-alarms") for name in names]
    if counted:
        sections["false-alarms"] = alarms(counted)
    for name, rows in sections.items():
        if docs:
            write_section(PAGE, name, table(rows))
        print("\n".join(["", *table(rows)]))
    clean = all(entry.false_alarms for entry in counted)  # nothing judged is no pass
    clean &= not any(alarm.false for entry in counted for alarm in entry.false_alarms)
    return EXIT_FINE if clean else EXIT_ACCURACY


if __name__ == "__main__":
    sys.exit(main())
