"""A child process that answers requests, and whatever it does instead: crash, hang, flood, answer garbage.

The protocol is that of ``devices/cambricon/worker.py``: length-prefixed JSON over a Unix socket pair. The
child leads a process group of its own, which is killed as a whole, so nothing that it started stays behind.
"""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import socket
import struct
import subprocess
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from conformance.devices.base import Unsupported
from conformance.errors import DeviceError, SpaceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from io import FileIO

LOG_LIMIT = 16 * 2**20
"""Bytes that are kept in the log; a flood is read on and dropped."""

DROPPED = f"\n[more than {LOG_LIMIT >> 20} MiB of output: the rest was dropped]\n".encode()

TAIL_LINES = 5

LONGEST_LINE = 200
"""Characters of a last line that are kept."""

CHUNK = 2**16

LARGEST_ANSWER = 64 * 2**20

GRACE_SECONDS = 1.0
"""How long a worker that has closed its socket, or was killed, may take to end."""

POLL_SECONDS = 0.02

REFUSALS = {"usage": UsageError, "unsupported": Unsupported, "space": SpaceError}


class WorkerOutput:
    """A log, and the last lines of what is written to it.

    Args:
        log: file to append to; None keeps the last lines only.

    Raises:
        DeviceError: the log cannot be written.
    """

    def __init__(self, log: Path | None) -> None:
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._partial, self._left = b"", LOG_LIMIT
        self._thread: threading.Thread | None = None
        self._writing = threading.Lock()
        self._file = _opened(log or Path(os.devnull))

    def keep(self, log: Path) -> None:
        """Append what comes from now on to another file.

        Raises:
            DeviceError: it cannot be written.
        """
        file = _opened(log)
        with self._writing:
            self._file.close()
            self._file, self._left = file, LOG_LIMIT

    def follow(self, pipe: IO[bytes]) -> None:
        """Read a pipe to its end, in a thread; then close it and the log."""
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def finish(self, seconds: float) -> None:
        """Wait until the pipe has ended; a process that escaped may hold it open for longer."""
        if self._thread is not None:
            self._thread.join(seconds)
        else:
            self._file.close()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines that are not empty, shortened."""
        return tuple([*self._tail, *_shown([self._partial])][-TAIL_LINES:])

    def _read(self, pipe: IO[bytes]) -> None:
        with pipe:
            while chunk := os.read(pipe.fileno(), CHUNK):
                self._keep(chunk)
                *lines, partial = (self._partial + chunk).split(b"\n")
                self._tail += _shown(lines[-10 * TAIL_LINES :])
                self._partial = partial[:LONGEST_LINE]
        with self._writing:
            self._file.close()

    def _keep(self, chunk: bytes) -> None:
        """Write to the log what still has room; a disk that is full must not stop the reading."""
        with self._writing:
            if self._left < 0:
                return
            kept = chunk if len(chunk) <= self._left else chunk[: self._left] + DROPPED
            self._left = self._left - len(chunk) if kept is chunk else -1
            try:
                self._file.write(kept)
            except OSError:
                self._left = -1


def _opened(log: Path) -> FileIO:
    try:
        return log.open("ab", buffering=0)
    except OSError as error:
        raise DeviceError(f"the log {log} cannot be written: {error.strerror}") from error


def _shown(lines: Iterable[bytes]) -> list[str]:
    """Return lines that fit in a sentence: no controls, no runs of spaces, not too long, none empty."""
    texts = (line[: 4 * LONGEST_LINE].decode(errors="replace") for line in lines)
    printable = ("".join(letter if letter.isprintable() else " " for letter in text) for text in texts)
    return [line[:LONGEST_LINE] for text in printable if (line := " ".join(text.split()))]


class WorkerFailed(DeviceError):
    """The worker is gone: it crashed, hung or answered garbage, and has been killed."""


class WorkerProcess:
    """One worker.

    Args:
        command: the child's command line, to which the number of its socket is appended.
        environment: its whole environment.
        log: file for its output; None keeps its last lines only.
        what: what it is, for sentences: "the Cambricon worker".
        descriptors: open files that it holds as long as it lives, such as a card's lock.
        shared: a directory that it deletes when this process is gone without having ended it.

    Raises:
        DeviceError: it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path | None,
        what: str,
        descriptors: Sequence[int] = (),
        shared: Path | None = None,
    ) -> None:
        self._what, self.log, self.killed = what, log, False
        self._output = WorkerOutput(log)
        self._socket, theirs = socket.socketpair()
        arguments = [str(theirs.fileno()), *([str(shared)] if shared else [])]
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                [*command, *arguments],
                env={**environment, "PYTHONUNBUFFERED": "1"},  # what is still in a buffer dies with it
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno(), *descriptors],
                start_new_session=True,
            )
        except OSError as error:
            self._socket.close()
            self._output.finish(0)
            raise DeviceError(f"{what} cannot be started: {command[0]}: {error.strerror}") from error
        finally:
            theirs.close()
        assert self._process.stdout is not None, "it was opened as a pipe"
        self._output.follow(self._process.stdout)

    def keep_log(self, log: Path) -> None:
        """Append its output to a file from now on."""
        self._output.keep(log)
        self.log = log

    def request(self, message: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Send one request and return its answer.

        Args:
            message: what the worker is to do, with "command".
            deadline: seconds until it counts as hung.

        Raises:
            WorkerFailed: it crashed, hung or answered garbage; it is dead now.
            UsageError, Unsupported, DeviceError: it refused, with its own sentence.
        """
        command = message["command"]
        try:
            answer = self._exchanged(msgspec.json.encode(dict(message)), deadline)
        except TimeoutError:
            raise self.failed(f"gave no answer to {command!r} within {deadline:g} s") from None
        except (OSError, EOFError):
            raise self.failed(self._ending()) from None
        except (msgspec.DecodeError, ValueError) as error:
            raise self.failed(f"answered {command!r} with garbage ({error})") from None
        except BaseException:  # Ctrl-C: its answer would be taken for that of the next request
            self.kill()
            raise
        if not answer["ok"]:
            kind, sentence = str(answer.get("kind")), str(answer.get("error", "it refused without a word"))
            raise REFUSALS.get(kind, DeviceError)(sentence)
        return answer

    def _exchanged(self, body: bytes, deadline: float) -> dict[str, Any]:
        until = time.monotonic() + deadline
        self._socket.settimeout(deadline)
        self._socket.sendall(struct.pack(">I", len(body)) + body)
        (size,) = struct.unpack(">I", self._read(4, until))
        if size > LARGEST_ANSWER:
            raise ValueError(f"{size} bytes announced")
        answer = msgspec.json.decode(self._read(size, until), type=dict[str, Any])
        if not isinstance(answer.get("ok"), bool):
            raise ValueError("it says neither that it is ok nor that it is not")  # noqa: TRY004 - no argument's type
        return answer

    def _read(self, size: int, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._received(size - len(parts), until)
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _received(self, size: int, until: float) -> bytes:
        """Return the next bytes; a worker may be dead while what it has started holds its socket open."""
        while time.monotonic() < until:
            ended = self._process.poll() is not None
            self._socket.settimeout(POLL_SECONDS)
            try:
                return self._socket.recv(size)
            except TimeoutError:
                if ended:
                    return b""
        raise TimeoutError

    def _ending(self) -> str:
        """Return how the worker ended after it closed its socket."""
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection but did not end"
        names = {number.value: number.name for number in signal.Signals}
        if code < 0:
            return f"was ended by {names.get(-code, f'signal {-code}')}"
        of_a_shell = f", with which a shell means {names[code - 128]}" if code - 128 in names else ""
        return f"ended with exit code {code}{of_a_shell}"

    def failed(self, how: str) -> WorkerFailed:
        """Kill the worker and return what to raise.

        Args:
            how: what it did, to be said of it: "ended with exit code 3".
        """
        self.kill()
        alive = " and cannot be killed" if self._process.poll() is None else ""
        last = " | ".join(self._output.tail)
        where = f" (log: {self.log})" if self.log else ""
        return WorkerFailed(f"{self._what} {how}{alive}; last output: {last or 'none'}{where}")

    def close(self, deadline: float = 5.0) -> None:
        """Ask the worker to end, give it time to, then end it."""
        until = time.monotonic() + deadline
        if not self.killed and self._process.poll() is None:
            with contextlib.suppress(DeviceError, UsageError, subprocess.TimeoutExpired):
                self.request({"command": "quit"}, deadline)
                self._process.wait(max(0.0, until - time.monotonic()))
        self.kill()

    def kill(self) -> None:
        """End the worker and everything that it started; safe to call twice.

        One that waits inside the kernel, for a card that does not answer, cannot die and is left behind.
        """
        if self.killed:
            return  # its number may be another's by now
        self._signal_group(signal.SIGKILL)
        self.killed = True
        until = time.monotonic() + GRACE_SECONDS
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_SECONDS)
        while self._signal_group(0) and _lives(self._process.pid) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)  # killed children of the child take a moment to go
        self._output.finish(max(0.0, until - time.monotonic()))
        self._socket.close()

    def _signal_group(self, number: int) -> bool:
        """Send a signal to the process group; return whether there was anyone to get it."""
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _lives(group: int) -> bool:
    """Whether a process of a group is more than a zombie, which a container without an init keeps for good.

    Source: proc(5): the state is the first field after the name, the group the third.
    """
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, its_group, *_ = path.read_text().rpartition(")")[2].split()
            if its_group == str(group) and state != "Z":
                return True
    return False
