"""The file of an index: opened, made, and made anew where it is damaged or of another version."""

from __future__ import annotations

import contextlib
import sqlite3
import zlib
from typing import TYPE_CHECKING

from conformance import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FORMAT = zlib.crc32(f"1 of {__version__}".encode()) >> 1
"""Number that an index has; one with any other is made anew."""
WAIT = 5
"""Seconds for another process that has the index."""
TEXTS = "create table texts (id integer primary key, content text unique not null)"
RUNS = (
    "create table runs (path text primary key, stamp text not null, started text, environment integer, "
    "figures text, broken text)"
)


@contextlib.contextmanager
def index_connection(file: Path | None, note: Callable[[str], object]) -> Iterator[sqlite3.Connection]:
    """Open an index, which is written down when the block ends well.

    Args:
        file: where it is kept; None for one that is not kept.
        note: is told where it cannot be kept; then it lives as long as the block.
    """
    kept = None if file is None else _kept(file, note)
    with contextlib.closing(kept or _new(":memory:")) as connection:
        yield connection
        try:
            connection.commit()
        except sqlite3.Error as error:
            note(f"the index {file} could not be written ({error}); the next reading takes as long")


def _kept(file: Path, note: Callable[[str], object]) -> sqlite3.Connection | None:
    """Return a connection to the file, or None where it cannot be had."""
    try:
        try:
            return _opened(file)
        except sqlite3.OperationalError:
            raise
        except sqlite3.DatabaseError:  # damaged, or of another version
            file.unlink()
            return _opened(file)
    except (sqlite3.Error, OSError) as error:  # in use, or not to be written
        note(f"the index {file} cannot be used ({error}), so every run is read")
        return None


def _opened(file: Path) -> sqlite3.Connection:
    """Return a connection to a file of this format, or to a new one.

    Raises:
        sqlite3.OperationalError: it cannot be read or written, or is in use.
        sqlite3.DatabaseError: it is damaged, or of another format.
    """
    if not file.exists():
        return _new(str(file))
    with contextlib.ExitStack() as failed:
        connection = failed.enter_context(contextlib.closing(sqlite3.connect(file, timeout=WAIT)))
        connection.execute("begin immediate")
        _check(connection)
        failed.pop_all()
        return connection


def _check(connection: sqlite3.Connection) -> None:
    number = connection.execute("pragma user_version").fetchone()
    sound = connection.execute("pragma quick_check").fetchone()
    if (number, sound) != ((FORMAT,), ("ok",)):
        raise sqlite3.DatabaseError(f"its number is {number[0]}, its check says {sound[0]}")


def _new(name: str) -> sqlite3.Connection:
    with contextlib.ExitStack() as failed:
        connection = failed.enter_context(contextlib.closing(sqlite3.connect(name, timeout=WAIT)))
        for statement in ("begin immediate", TEXTS, RUNS, f"pragma user_version = {FORMAT}"):
            connection.execute(statement)
        failed.pop_all()
        return connection
