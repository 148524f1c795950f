"""What a worker prints: kept in a log up to a limit, and its last lines at hand."""

from __future__ import annotations

import collections
import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING

from conformance.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from io import FileIO

LOG_LIMIT = 16 * 2**20
"""Bytes that are kept in the log; a flood is read on and dropped."""
DROPPED = f"\n[more than {LOG_LIMIT >> 20} MiB of output: the rest was dropped]\n".encode()
TAIL_LINES = 5
LONGEST_LINE = 200
"""Characters of a last line that are kept."""
CHUNK = 2**16


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
