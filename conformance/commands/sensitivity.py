"""``mlu-conformance sensitivity``: which faults a run would catch at a network's nodes, and which pass."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.commands.arguments import add_network, add_options, golden_store, required_network
from conformance.commands.printing import note, say
from conformance.errors import UsageError
from conformance.precision import PRECISIONS, parse_precision
from conformance.tables import aligned

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Iterator, Sequence

    from conformance.commands import Commands
    from conformance.evaluation.false_alarms import Alarm
    from conformance.expected.sensitivity.measuring import Sensitivity

NO_EFFECT, PASSES = "no effect", "passes"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "sensitivity",
        help="say which faults a run would catch at a network's nodes, which would pass, and on which right "
        "devices it would raise a false alarm",
    )
    add_options(command, "nodes", "golden_dir")
    add_options(command, "precision")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    command.add_argument(
        "--only",
        choices=("faults", "false-alarms"),
        help="measure what is caught, or count false alarms, alone",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="also draw a heat map of what is caught: FILE.svg or FILE.png",
    )
    add_network(command)
    command.set_defaults(command=tell)


def tell(options: argparse.Namespace) -> None:
    """Print what would be caught, what would pass, and the false alarms."""
    from conformance.evaluation.false_alarms import false_alarms
    from conformance.expected.expectations import Expectations
    from conformance.expected.sensitivity.measuring import measured
    from conformance.graph.selection import select_nodes, selectable_nodes
    from conformance.graph.structure import Structure
    from conformance.judging.bounds import read_margins

    _check_picture(options)
    precisions = PRECISIONS if options.precision is None else (parse_precision(options.precision),)
    network = required_network(options)
    expected = Expectations(golden_store(network, options), read_margins(locations.MARGINS))
    nodes = select_nodes(options.nodes, selectable_nodes(Structure(network.graph, network.key)), network.name)
    expected.check(nodes, precisions)
    found = [] if options.only == "false-alarms" else list(measured(expected, nodes, precisions))
    if options.output:
        _draw(found, network.name, options.output)
    alarms = [] if options.only == "faults" else list(false_alarms(expected, nodes, precisions))
    if options.json:
        content = {"network": network.name, "sensitivity": found, "false_alarms": alarms}
        say(msgspec.json.format(msgspec.json.encode(content)).decode())
        return
    for line in (*_of_faults(found), *_of_alarms(alarms)):
        say(line)
    note(f"{len(nodes)} nodes of {network.name}, {len(precisions)} precisions, first sample")


def _check_picture(options: argparse.Namespace) -> None:
    if options.output is None:
        return
    if options.output.suffix not in (".png", ".svg"):
        raise UsageError(f"--output={options.output} is neither .svg nor .png; name the heat map so")
    if options.only == "false-alarms":
        raise UsageError(
            f"--output={options.output} has nothing to draw where --only=false-alarms measures no faults; "
            "leave out one of them"
        )


def _draw(found: Sequence[Sensitivity], network: str, path: Path) -> None:
    from conformance.report.heat_map import draw_heat_map

    if not found:
        raise UsageError(
            f"--output={path} has nothing to draw: at none of the chosen nodes it can be derived what right "
            "devices give; choose others"
        )
    draw_heat_map(found, f"Which faults a run catches at nodes of {network}", path)


def _of_faults(found: Sequence[Sensitivity]) -> Iterator[str]:
    """Return the table of faults, and plainly what would pass."""
    if not found:
        return
    groups = dict.fromkeys((item.precision, item.fixed_point) for item in found)
    rows = [("precision", "nodes", "fault", "caught", "pass", "no effect", "smallest: median", "largest")]
    passing: list[str] = []
    for precision, fixed in groups:
        members = [item for item in found if (item.precision, item.fixed_point) == (precision, fixed)]
        for fault in members[0].faults:
            values = [item.faults[fault] for item in members]
            rows.append((precision, "fixed point" if fixed else "float", fault, *_counted(values)))
            names = [item.node for item in members if item.faults[fault] == PASSES]
            passing += _passing(fault, precision, names)
    yield from aligned(rows, {"caught", "pass", "no effect", "smallest: median", "largest"})
    yield ""
    yield from passing or ["every fault that has an effect is caught at every node"]


def _counted(values: Sequence[float | str]) -> tuple[str, str, str, str, str]:
    sizes = sorted(value for value in values if not isinstance(value, str))
    others = [value for value in values if isinstance(value, str)]
    passes, without = others.count(PASSES), others.count(NO_EFFECT)
    counts = str(len(values) - passes - without), str(passes), str(without)
    if not sizes:
        return (*counts, "-", "-")
    return (*counts, f"{sizes[len(sizes) // 2]:.1e}", f"{sizes[-1]:.1e}")


def _passing(fault: str, precision: str, nodes: Sequence[str]) -> list[str]:
    if not nodes:
        return []
    more = f" and {len(nodes) - 1} more" if len(nodes) > 1 else ""
    return [f"this fault would pass: {fault} at {precision}, at {nodes[0]}{more}"]


def _of_alarms(alarms: Iterable[Alarm]) -> Iterator[str]:
    """Return the table of false alarms."""
    rows = [
        (alarm.device, alarm.precision, str(alarm.nodes), str(len(alarm.false)), f"{alarm.worst:.3g}")
        for alarm in alarms
    ]
    if rows:
        yield ""
        yield from aligned(
            [("right device", "precision", "nodes", "false alarms", "largest ratio"), *rows],
            {"nodes", "false alarms", "largest ratio"},
        )
