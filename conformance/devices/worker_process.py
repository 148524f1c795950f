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
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.devices.base import Unsupported
from conformance.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LARGEST_ANSWER = 64 * 2**20
LOG_LIMIT = 16 * 2**20
"""Bytes of a worker's output that are kept; a flood is read on and dropped."""
TAIL_LINES = 5
GRACE_SECONDS = 1.0
"""How long a worker that has closed its socket may take to end."""
POLL_SECONDS = 0.01
REFUSALS = {"usage": UsageError, "unsupported": Unsupported}


class WorkerFailed(DeviceError):  # noqa: N818 - an event
    """The worker is gone: it crashed, hung or answered garbage, and has been killed."""


class WorkerProcess:
    """One worker.

    Args:
        command: the child's command line, to which the number of its socket is appended.
        environment: its whole environment.
        log: file for its output.
        what: what it is, for sentences: "the Cambricon worker".

    Raises:
        DeviceError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, what: str) -> None:
        self._what, self.log = what, log
        self._tail: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
        self._socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is ours
                [*command, str(theirs.fileno())],
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            self._socket.close()
            raise DeviceError(f"{what} cannot be started: {command[0]}: {error.strerror}") from error
        finally:
            theirs.close()
        self._reader = threading.Thread(target=self._keep_output, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, which is also that of the process group."""
        return self._process.pid

    def request(self, message: Mapping[str, Any], deadline: float) -> dict[str, Any]:
        """Send one request and return its answer.

        Args:
            message: what the worker is to do, with "command".
            deadline: seconds until it counts as hung.

        Raises:
            WorkerFailed: it crashed, hung or answered garbage; it is dead now.
            UsageError, Unsupported, DeviceError: it refused, with its own sentence.
        """
        until = time.monotonic() + deadline
        try:
            body = msgspec.json.encode(dict(message))
            self._socket.settimeout(deadline)
            self._socket.sendall(struct.pack(">I", len(body)) + body)
            answer = msgspec.json.decode(self._receive(until), type=dict[str, Any])
        except TimeoutError:
            raise self._failed(f"gave no answer to {message['command']!r} within {deadline:g} s") from None
        except (ConnectionError, EOFError):
            raise self._failed(self._ending()) from None
        except (msgspec.DecodeError, ValueError) as error:
            raise self._failed(f"answered {message['command']!r} with garbage ({error})") from None
        if not answer.get("ok"):
            kind, sentence = str(answer.get("kind")), str(answer.get("error", "it refused without a word"))
            raise REFUSALS.get(kind, DeviceError)(sentence)
        return answer

    def _receive(self, until: float) -> bytes:
        (size,) = struct.unpack(">I", self._read(4, until))
        if size > LARGEST_ANSWER:
            raise ValueError(f"{size} bytes announced")
        return self._read(size, until)

    def _read(self, size: int, until: float) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            part = self._socket.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _ending(self) -> str:
        """Return how the worker ended after it closed its socket."""
        try:
            code = self._process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection but did not end"
        if code >= 0:
            return f"ended with exit code {code}"
        return f"was ended by {signal.Signals(-code).name}"

    def _failed(self, how: str) -> WorkerFailed:
        self.kill()
        last = " | ".join(self._tail)
        return WorkerFailed(f"{self._what} {how}; last output: {last or 'none'} (log: {self.log})")

    def close(self, deadline: float = 5.0) -> None:
        """Ask the worker to end, then end it."""
        if self._process.poll() is None:
            with contextlib.suppress(DeviceError, UsageError):
                self.request({"command": "quit"}, deadline)
        self.kill()

    def kill(self) -> None:
        """End the worker and everything that it started; safe to call twice."""
        self._signal_group(signal.SIGKILL)
        self._process.wait()
        until = time.monotonic() + GRACE_SECONDS
        while self._signal_group(0) and time.monotonic() < until:
            time.sleep(POLL_SECONDS)  # killed children of the child take a moment to go
        self._reader.join(GRACE_SECONDS)
        self._socket.close()

    def _signal_group(self, number: int) -> bool:
        """Send a signal to the process group; return whether there was anyone to get it."""
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

    def _keep_output(self) -> None:
        """Copy the worker's output to its log, up to the limit, and keep the last lines."""
        assert self._process.stdout is not None, "it was opened as a pipe"
        kept = 0
        with self._process.stdout as output, self.log.open("ab") as log:
            while chunk := os.read(output.fileno(), 2**16):
                if kept < LOG_LIMIT:
                    log.write(chunk[: LOG_LIMIT - kept])
                    log.flush()
                kept += len(chunk)
                self._tail += [
                    line.strip() for line in chunk.decode(errors="replace").splitlines() if line.strip()
                ]
