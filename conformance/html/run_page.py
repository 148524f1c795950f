"""The page of a finished run, made from its directory alone: no device, no TensorFlow, no goldens."""

from __future__ import annotations

import base64
import collections
import dataclasses
from typing import TYPE_CHECKING

from conformance.html.along import Along, along, points_of
from conformance.html.looks import FINDINGS, OUTCOMES, look
from conformance.html.page import Tile, rendered
from conformance.html.probe_findings import arithmetic, explained_of_run
from conformance.html.run_cases import (
    Finding,
    Row,
    findings,
    fitting,
    matrix,
    node_rows,
    once,
    precisions_of,
    unjudged,
)
from conformance.html.run_facts import facts
from conformance.html.run_verdict import run_banner
from conformance.html.run_waivers import covered
from conformance.html.timings import timed_rows, timing_chart
from conformance.judging.verdicts import Reached
from conformance.precision import PRECISIONS
from conformance.probing.result import kept_probe
from conformance.report.finished_run import PICTURES
from conformance.runs.directory import read_records
from conformance.runs.finished import stored_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.runs.environment import Environment
    from conformance.runs.finished import StoredRun
    from conformance.runs.records import Record

LARGEST_PICTURES, MOST_NODES, FEWEST_NODES = 12_000_000, 800, 100
"""Bytes of all pictures of a page; nodes of all its networks that have a row, and those of each at least."""


class Room:
    """What a page has room for, however large a run is: it stays below a megabyte without its pictures.

    Args:
        networks: how many share it.

    Attributes:
        pictures: bytes that are left for them.
        nodes: rows for each network.
        points: nodes of each chart.
    """

    def __init__(self, networks: int) -> None:
        self.pictures = LARGEST_PICTURES
        self.nodes = max(FEWEST_NODES, MOST_NODES // max(networks, 1))
        self.points = points_of(networks * len(PRECISIONS))


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that the run drew."""

    name: str
    data: str
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Part:
    """What a page shows of one network.

    Attributes:
        name: of the network.
        precisions: the columns of its tables.
        rows: operators, and the whole network.
        reached: worst cosine and so on of its outputs by precision, in words.
        along: the error along the network.
        nodes: a row each.
        left_out: nodes that have no row.
        pictures: that the run drew of it.
    """

    name: str
    precisions: list[str]
    rows: list[Row]
    reached: list[str]
    along: Along | None
    nodes: list[Row]
    left_out: int
    pictures: list[Picture]


def run_page(path: Path) -> str:
    """Return the page of a run directory; of one that was cut short it shows what is there, and says so.

    Raises:
        UsageError: there is no run, or a file of it is malformed.
    """
    cut: list[str] = []
    run = stored_run(path)
    records = read_records(path, on_truncated=cut.append)
    parts, left_out, listed = _parts(run, once(records))
    timed = timed_rows(run)
    probe = kept_probe(path)
    return rendered(
        "run.html",
        title=f"{', '.join(part.name for part in parts) or path.name} on {_device(run.environment)}",
        banner=run_banner(run, records, cut),
        facts=facts(run.environment),
        tiles=_tiles(records),
        parts_of_run=parts,
        findings=listed,
        findings_left_out=left_out,
        unjudged=unjudged(records),
        timings=timed,
        timing_chart=timing_chart(timed) if timed else "",
        waivers=covered(run.environment, records),
        arithmetic=arithmetic(probe) if probe else None,
        explained=explained_of_run(records),
        run=str(path),
        finding_outcomes=FINDINGS,
    )


def _parts(run: StoredRun, records: Sequence[Record]) -> tuple[list[Part], int, list[Finding]]:
    """Return what the page shows of each network, and the cases to look at with how many have no room."""
    anchors = _anchors(records)
    by_network = _by_network(records)
    room = Room(len(by_network))
    parts = [_part(run.path, name, found, anchors, room) for name, found in by_network.items()]
    shown = {row.anchor for part in parts for row in part.nodes}
    listed, left_out = findings(records, {key: anchor for key, anchor in anchors.items() if anchor in shown})
    return parts, left_out, listed


def _device(environment: Environment) -> str:
    device = environment.device
    return " ".join(str(device[key]) for key in ("model", "kind") if device.get(key)) or "no device"


def _anchors(records: Sequence[Record]) -> dict[tuple[str, str], str]:
    """Return a name for the row of every node, by network and node."""
    nodes = dict.fromkeys((record.network, record.node) for record in records if record.mode == "own")
    return {key: f"n{number}" for number, key in enumerate(nodes)}


def _by_network(records: Sequence[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record.network, []).append(record)
    return found


def _part(
    run: Path, name: str, records: Sequence[Record], anchors: dict[tuple[str, str], str], room: Room
) -> Part:
    precisions = precisions_of(records)
    own = {node: anchor for (network, node), anchor in anchors.items() if network == name}
    nodes, left_out = fitting(node_rows(records, precisions, own), room.nodes)
    kept = {row.name: row.anchor for row in nodes}
    return Part(
        name,
        precisions,
        matrix(records, precisions),
        [_reached(records, precision) for precision in precisions],
        along(records, precisions, f"c{next(iter(own.values()), '')}", kept, room.points),
        nodes,
        left_out,
        _pictures(run, name, room),
    )


def _reached(records: Sequence[Record], precision: str) -> str:
    """Return what the outputs of the fused network reached, in words, or '' where something has no figure."""
    fused = [record for record in records if record.mode == "fused" and record.precision == precision]
    found = [record.reached for record in fused if record.reached is not None]
    worst = Reached.worst(found) if len(found) == len(fused) else None
    return ", ".join(worst.in_words) if worst else ""


def _pictures(run: Path, network: str, room: Room) -> list[Picture]:
    """Return the pictures of a network as parts of the page, as long as there is room."""
    files = [run / PICTURES / f"{network}{end}.png" for end in ("", "-series")]
    return [_picture(path, room) for path in files if path.is_file()]


def _picture(path: Path, room: Room) -> Picture:
    size = path.stat().st_size
    if size > room.pictures:
        return Picture(path.name, "", f"{path} has {size / 1e6:.1f} MB, for which this page has no room")
    room.pictures -= size
    return Picture(path.name, base64.b64encode(path.read_bytes()).decode())


def _tiles(records: Sequence[Record]) -> list[Tile]:
    """Return how many records there are of each outcome, the good ones first."""
    counts: collections.Counter[str] = collections.Counter(record.outcome for record in records)
    order = ["conforms", *(name for name in OUTCOMES if name != "conforms")]
    names = [name for name in order if counts[name]] + [name for name in counts if name not in OUTCOMES]
    return [
        Tile(f"{len(records):,}", "record" if len(records) == 1 else "records"),
        *(Tile(f"{counts[name]:,}", name, look(name).tone) for name in names),
    ]
