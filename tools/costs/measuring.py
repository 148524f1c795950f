"""Running a command in a process of its own: processor time, memory, and an end when it takes too much."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

PAUSE = 0.1
"""Seconds between two looks at the memory."""
GIGABYTE = 10**9
PAGE = os.sysconf("SC_PAGE_SIZE")
PROC = Path("/proc")
REASON = 160
"""The most characters of a program's own words."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """What a command may take before it is killed: bytes of memory, seconds of wall time."""

    memory: float
    seconds: float


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        processor: seconds of processor time, of the process and its children, user and system.
        wall: seconds from start to end.
        peak: bytes of memory that the process and its children had at once, at most.
        problem: why it did not end as it should; '' where it did.
        output: what it printed, without its standard error.
        remark: what a reader should know besides.
    """

    processor: float
    wall: float
    peak: int
    problem: str
    output: str
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Running:
    """One process, as Linux shows it: its parent, its session, its bytes in memory."""

    parent: int
    session: int
    memory: int


def measured(
    command: Sequence[str],
    limits: Limits,
    logs: Path,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    accepted: Collection[int] = (0,),
) -> Cost:
    """Run a command to its end, or to its limits.

    Args:
        command: program and arguments.
        limits: beyond them the process and its children are killed.
        logs: what is printed goes to this path with ``.out`` and ``.err``.
        cwd: where it runs.
        environment: its variables.
        accepted: exit codes with which it did its work.
    """
    out, err = (logs.with_name(f"{logs.name}{suffix}") for suffix in (".out", ".err"))
    logs.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with out.open("wb") as output, err.open("wb") as errors:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            start_new_session=True,
        )
    status, usage, peak, excess = _watched(process.pid, limits, started)
    process.returncode = os.waitstatus_to_exitcode(status)
    printed = out.read_text(errors="replace")
    ended = "" if process.returncode in accepted else _ended(process.returncode)
    return Cost(
        processor=usage.ru_utime + usage.ru_stime,
        wall=time.perf_counter() - started,
        peak=peak,
        problem=excess or (ended and f"{ended}{_words(err.read_text(errors='replace'), printed)}"),
        output=printed,
    )


def _watched(pid: int, limits: Limits, started: float) -> tuple[int, os.struct_rusage, int, str]:
    """Wait for a process; return its status, what it used, the most memory seen, and the limit it broke.

    Memory of several processes counts if two looks see it: one that begins another has its own twice for a
    moment. What the system says of a process that has ended is not used: it counts memory of the parent, too.
    """
    peak, before, excess = 0, 0, ""
    try:
        while not excess:
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            if ended:
                return status, usage, peak, ""
            family = tree(pid)
            now = sum(running.memory for running in family.values())
            peak, before = max(peak, min(before, now), *map(_most_memory, family)), now
            excess = _excess(peak, time.perf_counter() - started, limits)
            time.sleep(0 if excess else PAUSE)
    finally:
        for number in tree(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
    _, status, usage = os.wait4(pid, 0)
    return status, usage, peak, excess


def _excess(memory: int, seconds: float, limits: Limits) -> str:
    if memory > limits.memory:
        return f"killed above {limits.memory / GIGABYTE:.3g} GB"
    return f"killed after {limits.seconds:.0f} s" if seconds > limits.seconds else ""


def tree(root: int) -> dict[int, Running]:
    """Return a process with all that came of it, by number: its session, and children of these."""
    everything = _processes()
    found = {number for number, running in everything.items() if root in (number, running.session)}
    while more := {n for n, running in everything.items() if running.parent in found} - found:
        found |= more
    return {number: everything[number] for number in found}


def _processes() -> dict[int, Running]:
    """Return every process; one that ends meanwhile may be missing.

    Source: proc(5), /proc/pid/stat.
    """
    found = {}
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(errors="replace").rpartition(")")[2].split()
            found[int(path.parent.name)] = Running(int(fields[1]), int(fields[3]), int(fields[21]) * PAGE)
    return found


def _most_memory(number: int) -> int:
    """Return the most bytes that a process had so far; 0 for one that has ended.

    Source: proc(5), VmHWM in /proc/pid/status.
    """
    with contextlib.suppress(OSError):
        for line in (PROC / str(number) / "status").read_text(errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def _ended(code: int) -> str:
    return f"ended by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def _words(*texts: str) -> str:
    """Return the last line of the first text that has any."""
    lines = [line for text in texts if (line := (text.strip().splitlines() or [""])[-1].strip())]
    return f": {lines[0][:REASON]}" if lines else ""
