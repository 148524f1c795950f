"""The run directory: claimed by one run, written line by line, read back with every damage named."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
from typing import TYPE_CHECKING

from conformance.errors import InfrastructureError, UsageError
from conformance.files import claim_directory, occupied, read_bytes, read_json, sha256, write_json_atomically
from conformance.runs.environment import EndOfRun, Environment
from conformance.runs.records import Record, decode_record, encode_record

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable
    from pathlib import Path

RECORDS = "records.jsonl"
ENVIRONMENT = "environment.json"
TIMES = "benchmark.json"
RUN, MARKS = "run", (RECORDS, ENVIRONMENT)
"""What its directory is called, and the files by which it is known."""


class RunDirectory:
    """A directory that belongs to this run.

    Attributes:
        path: the directory.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._cases: set[str] = set()

    @classmethod
    def create(cls, path: Path) -> RunDirectory:
        """Claim ``path``, which must not exist or be an empty directory, for this run alone.

        The claim is the exclusive creation of its records file, so of two runs at once one gets an error.

        Raises:
            UsageError: it holds a run or anything else, is not a directory, or cannot be written.
        """
        claim_directory(path, RUN, MARKS)
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
            return cls(path, os.open(path / RECORDS, flags, 0o644))
        except FileExistsError as error:
            raise occupied(path, RUN, MARKS, [RECORDS]) from error
        except OSError as error:
            raise UsageError(
                f"{RUN} directory {path} cannot be written ({error.strerror}); name another one"
            ) from error

    def add(self, record: Record) -> None:
        """Append one record, whole, with a single write: an interrupted run leaves a readable file.

        Raises:
            InfrastructureError: the file cannot be written, or the case was recorded before.
            ValueError: the record would not read back as it is.
        """
        if record.case in self._cases:
            raise InfrastructureError(
                f"case {record.case} was recorded twice in {self.path}; give each its own id"
            )
        self._append(encode_record(record))
        self._cases.add(record.case)

    def write_environment(self, environment: Environment) -> None:
        """Write (or, later in the run, replace) ``environment.json``.

        Raises:
            InfrastructureError: it cannot be written.
        """
        try:
            write_json_atomically(self.path / ENVIRONMENT, environment)
        except OSError as error:
            raise InfrastructureError(
                f"{self.path / ENVIRONMENT} cannot be written: {error.strerror}"
            ) from error

    def close(self) -> None:
        """Close the records; closing twice does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def end(self, cut_short: str, records: int) -> EndOfRun:
        """Return how the run ended, with what its files hold now.

        Args:
            cut_short: why not all was judged that was selected; '' where it was.
            records: how many there are.

        Raises:
            InfrastructureError: a file cannot be read.
        """
        try:
            return end_of_run(self.path, records, cut_short)
        except OSError as error:
            raise InfrastructureError(f"{self.path} cannot be read: {error.strerror}") from error

    def discard(self) -> None:
        """Give the directory up, for a run that could not start; what has records or other files is kept."""
        self.close()
        with contextlib.suppress(OSError):
            if not self._cases:
                (self.path / RECORDS).unlink()
                (self.path / ENVIRONMENT).unlink(missing_ok=True)
                self.path.rmdir()

    def _append(self, line: bytes) -> None:
        file = self.path / RECORDS
        if self._descriptor is None:
            raise InfrastructureError(f"{file} is closed, so no record can be added")
        try:
            written = os.write(self._descriptor, line)
        except OSError as error:
            raise InfrastructureError(f"{file} cannot be written: {error.strerror}") from error
        if written != len(line):
            raise InfrastructureError(
                f"{file} took {written} of a record's {len(line)} bytes; free some disk space"
            )


def end_of_run(path: Path, records: int, cut_short: str = "") -> EndOfRun:
    """Return how the run of a directory ended, with the SHA-256 of its files.

    Raises:
        OSError: one cannot be read.
    """
    files = [name for name in (RECORDS, TIMES) if (path / name).is_file()]
    digests = {name: sha256((path / name).read_bytes()) for name in files}
    return EndOfRun(cut_short=cut_short, records=records, sha256=digests)


def read_records(path: Path, *, on_truncated: Callable[[str], object] | None = None) -> list[Record]:
    """Read the records of the run directory ``path``.

    Args:
        path: the run directory.
        on_truncated: called with a sentence if the last line was cut short, as by a lost machine; the records
            before it are returned. Without it, a cut line is an error like any other.

    Raises:
        UsageError: there is no run, a line is malformed or has an unknown field, or a case occurs twice.
    """
    file = path / RECORDS
    if not file.is_file():
        raise UsageError(f"{path} holds no run ({RECORDS} is missing); name the --run-dir of a run")
    return decode_records(file, read_bytes(file, "records"), on_truncated)


def decode_records(
    file: Path, content: bytes, on_truncated: Callable[[str], object] | None = None
) -> list[Record]:
    """Return the records of a file's content; see :func:`read_records`.

    Raises:
        UsageError: a line is malformed or has an unknown field, or a case occurs twice.
    """
    *lines, rest = content.split(b"\n")
    records = [_read_line(file, number, line) for number, line in enumerate(lines, start=1)]
    if rest:
        records += _read_rest(file, len(lines) + 1, rest, on_truncated)
    _require_unique(file, records)
    return records


def read_environment(path: Path) -> Environment:
    """Read the environment of the run directory ``path``.

    Raises:
        UsageError: it is missing or malformed.
    """
    if not (path / ENVIRONMENT).is_file():
        raise UsageError(f"{path} holds no run ({ENVIRONMENT} is missing); name the --run-dir of a run")
    return read_json(path / ENVIRONMENT, Environment, "environment")


def default_run_path(base: Path, network: str, device: str, now: dt.datetime) -> Path:
    """Make and return ``base/20250131-235959-network-device``, ``-`` for what does not belong in a file name.

    A second run in the same second has ``-2`` behind it, and so on. A directory that cannot be made is
    returned nevertheless: who claims it says why.
    """
    first = base / re.sub(r"[^\w.-]+", "-", f"{now:%Y%m%d-%H%M%S}-{network}-{device}")
    others = (first.with_name(f"{first.name}-{number}") for number in itertools.count(2))
    return next(path for path in itertools.chain([first], others) if _is_made(path))


def _is_made(path: Path) -> bool:
    """Make a directory, unless it is there already."""
    with contextlib.suppress(FileExistsError):
        with contextlib.suppress(PermissionError, NotADirectoryError):
            path.mkdir(parents=True)
        return True
    return False


def _read_line(file: Path, number: int, line: bytes) -> Record:
    try:
        return decode_record(line)
    except ValueError as error:
        raise UsageError(f"{file} line {number} is malformed: {error}") from error


def _read_rest(
    file: Path, number: int, rest: bytes, on_truncated: Callable[[str], object] | None
) -> list[Record]:
    """Read a last line without newline: whole but for that, or truncated."""
    try:
        return [decode_record(rest)]
    except ValueError as error:
        sentence = f"{file} line {number} is truncated: the run was cut off while writing it"
        if on_truncated is None:
            raise UsageError(f"{sentence}; repeat the run") from error
        on_truncated(sentence)
        return []


def _require_unique(file: Path, records: list[Record]) -> None:
    """Raise UsageError if two records are of one case."""
    lines: dict[str, int] = {}
    for number, record in enumerate(records, start=1):
        first = lines.setdefault(record.case, number)
        if first != number:
            raise UsageError(f"{file} line {number} records case {record.case} again, after line {first}")
