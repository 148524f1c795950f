"""The fault matrix: which faults befall which phases of which commands, and which part of it is tried.

``FAULT_CELLS=all``, or ``tox run -e faults``, tries every cell; otherwise a tenth, drawn by a number that
``FAULT_CELLS`` may give, always the same one without.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np

EVERYWHERE = ("SIGKILL", "SIGTERM", "SIGINT")
RARE = ("SIGABRT", "SIGHUP", "SIGSTOP+SIGKILL")
"""To a process they are what the others are; so they befall one phase of each mode."""
CHOSEN = os.environ.get("FAULT_CELLS") or "952"
"""By this number every mode is drawn, most faults and phases, and few cells with workers, which take long."""
PART = 10


class Cell(NamedTuple):
    """One fault in one phase of one mode: alone, ``-n 2``, ``--isolate``, a card's worker, or a command."""

    mode: str
    phase: str
    fault: str

    def __str__(self) -> str:
        return "-".join(self).replace(" ", "-")


EMULATOR, REMOTE = "conformance.devices.emulator.emulator", "conformance.devices.worker.session:RemoteSession"
SUITE = {
    "goldens": "file *tensors/.*.npy*.part 3",
    "collection": "call conformance.expected.expectations:Expectations.check 1",
    "compile": f"call {EMULATOR}:EmulatorDevice.open 1",
    "device": f"call {EMULATOR}:EmulatorSession.run 2",
    "judge": "call conformance.judging.comparison:compare_sample 3",
    "write": "file *records.jsonl 3",
    "environment": "file *.environment.json*.part 2",
    "merging": "call conformance.runs.journal:Journal.add 3",
    "ending": "call conformance.runs.journal:Journal.finish 1",
    "drawing": "file *.small.png*.part 1",
}
"""Where the phases of a run begin."""
OF_CARD = SUITE | {"compile": f"call {REMOTE}.open 2", "device": f"call {REMOTE}.run 2"}
"""The worker of a card knows nothing of tests: it is the process that asks it which stops."""
COMMANDS = {
    "reading": "call conformance.graph.graph_file:load_frozen_graph 1",
    "calibrating": "call conformance.breadcrumbs:tell 1",
    "scales": "file *.int16.quant.txt*.part 1",
    "calibrated": "file *.calibrated.json*.part 1",
    "tensors": "file *tensors/.*.npy*.part 5",
    "manifest": "file *.manifest.json*.part 1",
    "bounds": "file *.attainable.json*.part 1",
}
"""Where the phases of the commands that make goldens begin."""


def _cells(mode, phases, rare, more=()):
    plain = [Cell(mode, phase, fault) for phase in phases for fault in EVERYWHERE]
    return [*plain, *(Cell(mode, rare, fault) for fault in RARE), *(Cell(mode, *rest) for rest in more)]


KILLED, HALTED = "worker SIGKILL", "worker SIGSTOP"
OF_SUITE = [
    *_cells("alone", [phase for phase in SUITE if phase != "merging"], "device"),
    *_cells(
        "-n 2",
        ["goldens", "collection", "compile", "device", "judge", "write", "merging", "ending"],
        "device",
        [("compile", KILLED), ("device", KILLED), ("judge", KILLED)],
    ),
    *_cells(
        "--isolate",
        ["compile", "device", "judge", "write"],
        "device",
        [("compile", KILLED), ("device", KILLED), ("device", HALTED)],
    ),
    *_cells("card", ["compile", "device", "judge", "write"], "device"),
]
OF_COMMANDS = [
    *_cells(
        "prepare",
        [phase for phase in COMMANDS if phase != "reading"],
        "tensors",
        [("calibrating", KILLED), ("tensors", KILLED)],
    ),
    *_cells("quantize", ["reading", "calibrating", "scales"], "scales", [("scales", KILLED)]),
    *_cells("golden", ["reading", "tensors", "manifest"], "tensors", [("manifest", KILLED)]),
]
PLACES = {
    "run": ("size=4k", "size=8k", "size=12k"),
    "goldens": ("size=4k", "size=128k", "size=800k"),
    "goldens of a run": ("size=300k", "size=600k"),
    "scales": ("size=48k", "size=52k"),
    "TMPDIR": ("size=4k", "size=32k"),
    "shared memory": ("size=5g,nr_inodes=1", "size=5g,nr_inodes=4"),
    "cache": ("size=4k", "size=24k"),
    "page": ("size=4k",),
}
"""How small each place is that something is written to: full at once, or in the middle of the work."""
NO_ROOM = [Cell("no space", place, size) for place, sizes in PLACES.items() for size in sizes]


def chosen(cells):
    """Return the cells of a table that are to be tried, in its order."""
    if CHOSEN == "all":
        return cells
    draw = np.random.default_rng(int(CHOSEN))
    drawn = draw.choice(len(cells), -(-len(cells) // PART), replace=False)
    return [cells[index] for index in sorted(drawn)]


def told():
    """Return in words which part of the matrix is tried."""
    part = "every cell" if CHOSEN == "all" else f"a tenth, drawn by {CHOSEN} (FAULT_CELLS=all: every cell)"
    return f"fault matrix: {part}"
