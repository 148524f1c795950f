"""Measure what ``docs/performance.md`` shows, and write its tables, each with the machine named.

    python tools/performance_page.py                        # everything; half an hour
    python tools/performance_page.py emulator_speed costs   # these sections
    python tools/performance_page.py costs --networks=vgg-16,resnet-50

A section is written whole, from one machine, or stays as it is: a benchmark that misses a limit, or that was
skipped because something is not installed, leaves it alone and is named. Of the networks, those that are not
measured keep their rows if they are of the same machine. ``tox run -e performance`` is the same, with
Polygraphy. Exit code 0 if all that was asked for is written and nothing in it failed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import cost_table
import stock_tensorflow
from costs.measuring import GIGABYTE, Limits
from costs.steps import JUDGED, PROGRAM, SUITE, Step, cell, environment, share, timed
from figures import Measured
from figures import cells as cells_of
from marked_sections import table, write_section

from conformance import locations, machine
from conformance.errors import (
    EXIT_FINE,
    EXIT_INFRASTRUCTURE,
    ConformanceError,
    InfrastructureError,
    UsageError,
    near_names,
)
from conformance.files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BENCHMARKS = (
    "diagnosis_speed",
    "emulator_speed",
    "gate_speed",
    "metrics_speed",
    "page_speed",
    "worker_speed",
)
"""A section each, called as the file without ``test_``."""
WORKER = "worker_speed"
STOCK = locations.PROJECT / ".tox/stock-tensorflow"
MAIN_JOB, COSTS = "main_job", cost_table.SECTION
SECTIONS = (MAIN_JOB, *BENCHMARKS, COSTS)
RUN = Step("", lambda _: [], remark=share)
ALL_NODES = Step("", lambda _: [], remark=share, accepted=JUDGED)  # waivers are written for key nodes
SHORT = Step("", lambda _: [])
COMMANDS: Mapping[str, tuple[Step, Sequence[str]]] = {
    "`mlu-conformance test`": (RUN, [*PROGRAM, "test", "--device=emulator"]),
    "`mlu-conformance test --nodes=all`": (ALL_NODES, [*PROGRAM, "test", "--device=emulator", "--nodes=all"]),
    "`mlu-conformance test --network=all`": (RUN, [*PROGRAM, "test", "--device=emulator", "--network=all"]),
    "`pytest -m mlu --collect-only`": (SHORT, [*SUITE, "--collect-only", "-q"]),
    "`mlu-conformance --help`": (SHORT, [*PROGRAM, "--help"]),
}
"""What the section of the main job shows: how each command is judged, and what runs."""
PREPARED = ("beautygan", "lstm", "mobilenet")
"""Networks whose goldens are made before the main job is measured."""
LIMITS = Limits(memory=12 * GIGABYTE, seconds=1800)


def main_job(cache: Path) -> list[str]:
    """Return the lines of the main job's section.

    Raises:
        InfrastructureError: a command fails.
    """
    for name in PREPARED:
        _check([*PROGRAM, "prepare", name], {})
    rows = [["command", "cost"]]
    for shown, (step, command) in COMMANDS.items():
        run = cache / "run"
        shutil.rmtree(run, ignore_errors=True)
        more = {} if step is SHORT else {"MLU_CONFORMANCE_RUN_DIR": str(run)}
        cost = timed(step, command, LIMITS, cache / "logs" / MAIN_JOB, more)
        if cost.problem:
            raise InfrastructureError(f"{shown}: {cost.problem}")
        rows.append([shown, cell(cost)])
    return [f"On {machine.in_words()}.", "", cost_table.LEGEND, "", *table(rows)]


def benchmark(name: str) -> list[str]:
    """Return the lines of a benchmark's section.

    Raises:
        InfrastructureError: it fails, or skips anything.
    """
    variables = {}
    if name == WORKER:
        variables["MLU_CONFORMANCE_DEVICE_OPTION"] = f"python={stock_tensorflow.made(STOCK)}"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        tested = [f"benchmarks/test_{name}.py", "-q", "-p", "no:cacheprovider", f"--figures={file}"]
        _check([sys.executable, "-m", "pytest", *tested], variables)
        return benchmark_lines(name, read_json(file, Measured, "figures"))


def benchmark_lines(name: str, measured: Measured) -> list[str]:
    """Return the lines of a section from what a benchmark wrote.

    Raises:
        InfrastructureError: something was skipped, or not measured.
    """
    if measured.skipped:
        raise InfrastructureError(f"not all of it was measured: {measured.skipped[0]}")
    if name not in measured.tables or not measured.tables[name].rows:
        raise InfrastructureError("nothing was measured")
    found = measured.tables[name]
    return [f"On {measured.machine}. {' '.join(found.notes)}".rstrip(), "", *table(cells_of(found))]


def _check(command: Sequence[str], variables: Mapping[str, str]) -> None:
    """Run a command in the project; what it prints is for whoever waits."""
    print("$", *command, file=sys.stderr, flush=True)
    seen = environment(variables)
    done = subprocess.run(command, cwd=locations.PROJECT, env=seen, stdout=sys.stderr, check=False)
    if done.returncode:
        words = " ".join(command[1:4])
        raise InfrastructureError(f"`python {words} …` ended with exit code {done.returncode}; see above")


def renew(section: str, cache: Path, networks: str) -> bool:
    """Measure one section and write it; return whether nothing failed in it.

    Raises:
        ConformanceError: nothing was written.
    """
    if section == COSTS:
        chosen = networks.split(",") if networks else []
        return cost_table.main([*chosen, "--docs", f"--cache={cache}"]) == EXIT_FINE
    lines = main_job(cache) if section == MAIN_JOB else benchmark(section)
    write_section(cost_table.DOCUMENT, section, lines)
    return True


def main(arguments: Sequence[str] | None = None) -> int:
    """Renew the sections that are named, one after the other; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("section", nargs="*", help=f"{', '.join(SECTIONS)} (default: all)")
    parser.add_argument("--networks", default="", metavar="LIST", help=f"of {COSTS} (default: all)")
    parser.add_argument("--cache", type=Path, default=cost_table.CACHE, metavar="DIR", help="of networks")
    options = parser.parse_args(arguments)
    for name in options.section:
        if name not in SECTIONS:
            raise UsageError(f"section {name!r} is unknown{near_names(name, list(SECTIONS))}")
    code = EXIT_FINE
    for name in options.section or SECTIONS:
        try:
            outcome = "written" if renew(name, options.cache, options.networks) else "written, with failures"
        except ConformanceError as error:
            outcome = f"left as it was: {error}"
        code = code if outcome == "written" else EXIT_INFRASTRUCTURE
        print(f"{name}: {outcome}", flush=True)
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"performance_page: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
