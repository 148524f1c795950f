"""One fault: a command is stopped at a point of its work, struck, and looked at; see ``sitecustomize.py``.

Nothing here sleeps and hopes: where a process is, it says by a file, and what is left of it ``/proc`` says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from support.processes import wait_until
from support.suite_run import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STOPPING = Path(__file__).resolve().parent / "stopping"
TAG = "FAULT_TAG"
FINISHED = ".npy", ".txt"
"""Files that are written once and never changed."""
SECONDS = 120
"""What may take so long is stuck, on whatever machine."""


@dataclasses.dataclass(frozen=True)
class Stopped:
    """A command that has come to a point.

    Attributes:
        process: what a user has started; it leads a session of its own.
        at: the number of the process that has come to the point.
        places: where it works.
        tag: by which all of its processes are known.
    """

    process: subprocess.Popen
    at: int
    places: Places
    tag: str


@dataclasses.dataclass(frozen=True)
class Places:
    """Directories of one cell: what a run shares with everything else on a machine, and what it writes."""

    root: Path

    def __post_init__(self):
        for path in (self.temporary, self.shared, self.signs):
            path.mkdir(parents=True, exist_ok=True)

    @property
    def temporary(self):
        return self.root / "tmp"

    @property
    def shared(self):
        return self.root / "shm"

    @property
    def signs(self):
        return self.root / "signs"

    @property
    def output(self):
        return self.root / "output.txt"

    @property
    def environment(self):
        """The variables of a command that works in these places."""
        paths = [STOPPING, ROOT, ROOT / "tests"]
        return os.environ | {
            "PYTHONPATH": os.pathsep.join(map(str, paths)),
            "TMPDIR": str(self.temporary),
            "FAULT_SHARED": str(self.shared),
            "FAULT_DIRECTORY": str(self.signs),
        }

    @property
    def left(self):
        """What lies where nothing may stay; pytest itself keeps the last directories of xdist's workers."""
        found = [path for place in (self.temporary, self.shared) for path in place.iterdir()]
        return [path for path in found if not path.name.startswith("pytest-of-")]


def processes_of(tag: str) -> list[int]:
    """Return the living processes that have inherited a tag, whoever their parents are by now.

    One lives as long as any of its threads, which may still hold files when its first thread has ended.
    """
    found, sign = set(), f"{TAG}={tag}".encode()
    for thread in Path("/proc").glob("[0-9]*/task/[0-9]*"):
        with contextlib.suppress(OSError):
            if sign in (thread / "environ").read_bytes():
                found.add(int(thread.parts[2]))
    return sorted(found)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _killed(tag: str, process: subprocess.Popen) -> None:
    """Kill what is left of a command and return when the kernel has ended it: a signal sent is no end yet."""
    for pid in processes_of(tag):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until(lambda: not processes_of(tag))


def stopped(places: Places, point: str, command: Sequence[str]) -> Stopped:
    """Start ``python -m`` with a command and return when one of its processes has come to the point."""
    tag = uuid.uuid4().hex
    with places.output.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=places.environment | {TAG: tag, "FAULT_POINT": point},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    reached = places.signs / "reached"
    try:
        wait_until(lambda: reached.exists() or process.poll() is not None, SECONDS)
        assert reached.exists(), f"never came to {point}:\n{places.output.read_text()}"
    except BaseException:
        _killed(tag, process)
        raise
    return Stopped(process, int(reached.read_text()), places, tag)


def _halted(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: _state(pid) == "T")


def _halted_and_killed(found: Stopped) -> None:
    _halted(found.process.pid)
    os.kill(found.process.pid, signal.SIGKILL)


def _to_command(number: int) -> Callable[[Stopped], None]:
    return lambda found: os.kill(found.process.pid, number)


def _to_all(number: int) -> Callable[[Stopped], None]:
    """Return what a terminal does: the whole group gets the signal."""
    return lambda found: os.killpg(found.process.pid, number)


FAULTS: dict[str, Callable[[Stopped], None]] = {
    "SIGKILL": _to_command(signal.SIGKILL),
    "SIGTERM": _to_command(signal.SIGTERM),
    "SIGABRT": _to_command(signal.SIGABRT),
    "SIGINT": _to_all(signal.SIGINT),
    "SIGHUP": _to_all(signal.SIGHUP),
    "SIGSTOP+SIGKILL": _halted_and_killed,
    "worker SIGKILL": lambda found: os.kill(found.at, signal.SIGKILL),
    "worker SIGSTOP": lambda found: _halted(found.at),
}
"""By what they are called: what befalls a command, or the process of it that has come to the point."""


@dataclasses.dataclass(frozen=True)
class Struck:
    """How a command ended that was struck, and what it had finished before.

    Attributes:
        code: exit code.
        text: all that it printed.
        records: content of its records when it was struck.
    """

    code: int
    text: str
    records: bytes


def strike(found: Stopped, fault: str, records: Path, kept: Sequence[Path] = ()) -> Struck:
    """Strike a stopped command, let go on what still lives, and see that all of it ends and nothing is lost.

    Args:
        found: the command.
        fault: of :data:`FAULTS`.
        records: the file to which it writes records.
        kept: directories of which a finished file must stay as it is.
    """
    before, files = content(records), finished(*kept)
    try:
        FAULTS[fault](found)
        (found.places.signs / "go").touch()
        code = found.process.wait(SECONDS)
        wait_until(lambda: not processes_of(found.tag), SECONDS)
    finally:
        _killed(found.tag, found.process)
    assert {name: digest for name, digest in finished(*kept).items() if name in files} == files, (
        "a golden is lost"
    )
    assert content(records).startswith(before), "a record is lost"
    return Struck(code, found.places.output.read_text(errors="replace"), before)


def content(path: Path) -> bytes:
    """Return the bytes of a file; none where there is no file."""
    return path.read_bytes() if path.exists() else b""


def finished(*directories: Path) -> dict[Path, str]:
    """Return the SHA-256 of every golden and every file of scales that has its name already."""
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for directory in directories
        for path in directory.rglob("*")
        if path.suffix in FINISHED and path.is_file()
    }


def halves(*directories: Path) -> list[Path]:
    """Return what was not written to its end."""
    return [path for directory in directories for path in directory.rglob("*.part")]
