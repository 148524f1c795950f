"""The steps whose cost is measured: what a user calls, and stock TensorFlow beside it."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

from conformance import locations
from costs.measuring import GIGABYTE, Cost, measured
from costs.networks import OWN, SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from costs.measuring import Limits
    from costs.networks import Place

BUILD = "build"
WEIGHTS = "weights"
JUDGED = (0, 1)
"""Exit codes of a run of the suite that judged: nothing deviates, or something does."""
SHARE = re.compile(r"(\d+)% of it inside device runs")
NOT_MEASURED = "–"
PYTHON = [sys.executable, "-m"]
PROGRAM = [*PYTHON, "conformance.cli"]
SUITE = [*PYTHON, "pytest", "conformance/suite", "-m", "mlu", "--device=emulator", "-pno:cacheprovider"]
"""The program ``mlu-conformance``, and the suite; both from the checkout."""
FOREIGN = ("MLU_CONFORMANCE_", "PYTEST_ADDOPTS")
"""Variables of the user's, by how they begin, that would change what is measured."""


def _no_remark(_: str) -> str:
    return ""


@dataclasses.dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        heading: of its column.
        command: what runs.
        clear: removes what an earlier one made.
        needs: steps without whose results it cannot run.
        accepted: exit codes with which it did its work.
        remark: what the table says beside the cost, from what was printed; a ``ValueError`` is a failure.
    """

    heading: str
    command: Callable[[Place], Sequence[str | Path]]
    clear: Callable[[Place], object] = _no_remark
    needs: tuple[str, ...] = ()
    accepted: tuple[int, ...] = (0,)
    remark: Callable[[str], str] = _no_remark


def share(printed: str) -> str:
    """Return what a run says of its device runs.

    Raises:
        ValueError: it says nothing: the run did not end as runs do.
    """
    found = SHARE.findall(printed)
    if not found:
        raise ValueError("the run does not say how much of it was inside device runs")
    return f"{found[-1]} % inside device runs"


def _forward(printed: str) -> str:
    return f"{json.loads(printed.splitlines()[-1])['second']:.2g} s a forward pass"


def _name(place: Place) -> str:
    return OWN if place.source == OWN else str(place.network)


def _network(place: Place) -> str:
    return f"--network={OWN}" if place.source == OWN else f"--network-path={place.network}"


def _forget_scales(place: Place) -> None:
    if place.source != OWN:  # whose scales are committed
        for path in (*place.network.glob("*.quant.txt"), *place.network.glob("calibrated.json")):
            path.unlink()


BUILDING = Step("", lambda place: [sys.executable, "-m", "costs.building", place.source, place.cache])
STEPS: Mapping[str, Step] = {
    "quantize": Step("`quantize`", lambda place: [*PROGRAM, "quantize", _name(place)], _forget_scales),
    "golden": Step(
        "`golden`",
        lambda place: [*PROGRAM, "golden", _name(place), f"--golden-dir={place.goldens}"],
        lambda place: shutil.rmtree(place.goldens, ignore_errors=True),
        needs=("quantize",),
    ),
    "test": Step(
        "`pytest -m mlu`",
        lambda place: [
            *SUITE,
            _network(place),
            f"--golden-dir={place.goldens}",
            f"--run-dir={place.directory / 'run'}",
        ],
        lambda place: shutil.rmtree(place.directory / "run", ignore_errors=True),
        needs=("quantize", "golden"),
        accepted=JUDGED,
        remark=share,
    ),
    "stock": Step(
        "stock TensorFlow",
        lambda place: [sys.executable, SOURCES / "stock_forward.py", place.stock],
        remark=_forward,
    ),
}


def cell(cost: Cost) -> str:
    """Return a cost as the table shows it; a command that failed says why."""
    memory = cost.peak / GIGABYTE
    shown = f"{memory:.1f}" if memory >= 0.1 else f"{memory:.2f}"
    figures = f"{cost.processor:.1f} s ({cost.wall:.1f} s), {shown} GB"
    if cost.problem:
        return f"**failed**, {cost.problem}; {figures}".replace("|", r"\|")
    return f"{figures}; {cost.remark}" if cost.remark else figures


def run(place: Place, name: str, limits: Limits) -> Cost:
    """Run one step of one network, or build the network; what it prints goes into the cache."""
    step = BUILDING if name == BUILD else STEPS[name]
    step.clear(place)
    tools = {"PYTHONPATH": os.pathsep.join([str(SOURCES.parent), os.environ.get("PYTHONPATH", "")])}
    logs = place.cache / "logs" / f"{place.title}-{name}"
    return timed(step, step.command(place), limits, logs, tools if name == BUILD else {})


def timed(
    step: Step, command: Sequence[str | Path], limits: Limits, logs: Path, more: Mapping[str, str]
) -> Cost:
    """Run a command as a step.

    Args:
        step: says how it may end, and what to remark.
        command: what runs, in the project's directory.
        limits: of memory and time.
        logs: where what it prints goes, without a suffix.
        more: variables that it sees besides those of :func:`environment`.
    """
    words = [str(word) for word in command]
    print("$", *words, file=sys.stderr, flush=True)
    cost = measured(
        words, limits, logs, cwd=locations.PROJECT, environment=environment(more), accepted=step.accepted
    )
    try:
        return cost if cost.problem else dataclasses.replace(cost, remark=step.remark(cost.output))
    except ValueError as error:
        return dataclasses.replace(cost, problem=str(error))


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that a command sees: ``more``, and the user's that are not about the suite."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {**kept, "TF_CPP_MIN_LOG_LEVEL": "2", **more}


@dataclasses.dataclass
class Row:
    """What one network cost: by ``WEIGHTS`` and step what its cell says, and whether anything failed."""

    cells: dict[str, str]
    failed: bool = False


def costs(place: Place, steps: Sequence[str], limits: Limits) -> Row:
    """Build a network unless it is there, and measure these steps in their order."""
    built = None if place.fresh else run(place, BUILD, limits)
    if built is not None and built.problem:
        return Row({name: f"not built: {cell(built)}" for name in steps}, failed=True)
    row, failed = Row({WEIGHTS: f"{place.graph.stat().st_size / 1e6:.0f} MB"}), set[str]()
    for name in steps:
        missing = [need for need in STEPS[name].needs if need in failed]
        cost = None if missing else run(place, name, limits)
        row.cells[name] = f"not run: `{missing[0]}` failed" if cost is None else cell(cost)
        failed |= {name} if cost is None or cost.problem else set()
        print(f"{place.title}, {name}: {row.cells[name]}", file=sys.stderr, flush=True)
    row.failed = bool(failed)
    return row
