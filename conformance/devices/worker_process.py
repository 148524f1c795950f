"""A child process that answers requests, and whatever it does instead: crash, hang, flood, answer garbage.

The protocol is that of ``devices/cambricon/worker.py``: length-prefixed JSON over a Unix socket pair. The
child leads a process group of its own, which is killed as a whole, so nothing that it started stays behind.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.devices.base import Unsupported
from conformance.devices.worker_output import WorkerOutput
from conformance.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LARGEST_ANSWER = 64 * 2**20
GRACE_SECONDS = 1.0
"""How long a worker that has closed its socket, or was killed, may take to end."""
POLL_SECONDS = 0.02
REFUSALS = {"usage": UsageError, "unsupported": Unsupported}


class WorkerFailed(DeviceError):  # noqa: N818 - an event
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

    @property
    def pid(self) -> int:
        """Process id, which is also that of the process group."""
        return self._process.pid

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
