"""Figures of run directories, kept in an index so that each is read once; made again wherever it is in doubt.

The run directories are the truth. The index is one SQLite file beside them; a run is read again when the size
or the time of one of its files differs from what the index remembers. An index that is missing, damaged, of
another version, in use, or cannot be written costs time and nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import sqlite3
import zlib
from typing import TYPE_CHECKING

import msgspec

from conformance import __version__
from conformance.history.run_figures import Broken, Value, read_figures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

INDEX = ".mlu-conformance-index.sqlite"
"""Its name, in the directory that was asked for."""
FORMAT = zlib.crc32(f"1 of {__version__}".encode()) >> 1
"""Number that an index has; one with any other is made again."""
_WAIT = 5
"""Seconds for another process that has the index."""
_TABLES = """
create table environments (id integer primary key, content text unique not null);
create table series (id integer primary key, network text, precision text, card text, figure text,
    unique (network, precision, card, figure));
create table runs (path text primary key, stamp text not null, started text, environment integer,
    figures text, broken text);
"""


class IndexedRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run as an index has it.

    Attributes:
        path: its directory.
        started: when it started.
        environment: its environment, flattened; one object for all runs that have the same.
        values: its figures.
    """

    path: Path
    started: dt.datetime
    environment: Mapping[str, str]
    values: list[tuple[SeriesKey, float]]


class SeriesKey(msgspec.Struct, frozen=True, order=True):
    """What a series is of."""

    network: str
    precision: str
    card: str
    figure: str


class RunIndex:
    """An index of the runs below one directory; see :func:`opened`."""

    def __init__(self, root: Path, connection: sqlite3.Connection) -> None:
        self._root, self._connection = root, connection

    def update(self, stamps: Mapping[str, str], progress: Callable[[int, int, str], object]) -> None:
        """Read what is new or changed, and forget what is gone.

        Args:
            stamps: of every run directory below the root, by its path from there.
            progress: is told how many of how many were read, and what.
        """
        known = dict(self._connection.execute("select path, stamp from runs"))
        gone = [(path,) for path in known if path not in stamps]
        self._connection.executemany("delete from runs where path = ?", gone)
        changed = [path for path, stamp in stamps.items() if known.get(path) != stamp]
        for done, path in enumerate(changed):
            progress(done, len(changed), "runs")
            self._read(path, stamps[path])

    def _read(self, path: str, stamp: str) -> None:
        try:
            found = read_figures(self._root / path)
        except Broken as broken:
            row = (path, stamp, None, None, None, str(broken))
        else:
            content = msgspec.json.encode(found.environment).decode()
            figures = [(self._series(value), value.value) for value in found.values]
            encoded = msgspec.json.encode(figures).decode()
            row = (path, stamp, found.started.isoformat(), self._environment(content), encoded, None)
        self._connection.execute("insert or replace into runs values (?, ?, ?, ?, ?, ?)", row)

    def _environment(self, content: str) -> int:
        return self._id("environments", "content", (content,))

    def _series(self, value: Value) -> int:
        key = (value.network, value.precision, value.card, value.figure)
        return self._id("series", "network, precision, card, figure", key)

    def _id(self, table: str, columns: str, values: tuple[str, ...]) -> int:
        """Return the number of a row, which is added where it is new."""
        marks = ", ".join("?" * len(values))
        self._connection.execute(f"insert or ignore into {table} ({columns}) values ({marks})", values)
        ((number,),) = self._connection.execute(
            f"select id from {table} where ({columns}) = ({marks})", values
        )
        return int(number)

    def runs(self) -> list[IndexedRun]:
        """Return all runs that are whole."""
        environments = {
            number: msgspec.json.decode(content, type=dict[str, str])
            for number, content in self._connection.execute("select id, content from environments")
        }
        keys = {number: SeriesKey(*key) for number, *key in self._connection.execute("select * from series")}
        decoder = msgspec.json.Decoder(list[tuple[int, float]])
        rows = self._connection.execute(
            "select path, started, environment, figures from runs where broken is null"
        )
        return [
            IndexedRun(
                path=self._root / path,
                started=dt.datetime.fromisoformat(started),
                environment=environments[environment],
                values=[(keys[number], value) for number, value in decoder.decode(figures)],
            )
            for path, started, environment, figures in rows
        ]

    def broken(self) -> list[tuple[Path, str]]:
        """Return the runs that cannot be read, and why."""
        rows = self._connection.execute("select path, broken from runs where broken is not null order by path")
        return [(self._root / path, reason) for path, reason in rows]


@contextlib.contextmanager
def opened(root: Path, file: Path | None, note: Callable[[str], object]) -> Iterator[RunIndex]:
    """Open the index of a directory, which is written down when the block ends well.

    Args:
        root: the directory.
        file: where the index is kept; None for one that is not kept.
        note: is told where it cannot be kept.
    """
    connection = _kept(file, note) if file is not None else None
    with contextlib.closing(connection or _new(":memory:")) as used:
        yield RunIndex(root, used)
        try:
            used.commit()
        except sqlite3.Error as error:
            note(f"the index {file} could not be written ({error}); the next reading takes as long")


def _kept(file: Path, note: Callable[[str], object]) -> sqlite3.Connection | None:
    """Return a connection to the file, which is made anew unless it is one of this format; None if it cannot."""
    for _ in range(2):
        try:
            return _existing(file) if file.exists() else _new(str(file))
        except sqlite3.OperationalError as error:  # in use, or not to be written
            note(f"the index {file} cannot be used ({error}); every run is read")
            return None
        except sqlite3.DatabaseError:  # damaged, or of another version
            try:
                file.unlink()
            except OSError as error:
                note(f"the index {file} cannot be made again ({error.strerror}); every run is read")
                return None
    return None


def _existing(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_WAIT)
    try:
        connection.execute("begin immediate")
        found = [connection.execute(f"pragma {name}").fetchall() for name in ("user_version", "quick_check")]
        if found != [[(FORMAT,)], [("ok",)]]:
            raise sqlite3.DatabaseError
    except BaseException:
        connection.close()
        raise
    return connection


def _new(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=_WAIT)
    try:
        for statement in ("begin immediate", *filter(str.strip, _TABLES.split(";"))):
            connection.execute(statement)
        connection.execute(f"pragma user_version = {FORMAT}")
    except BaseException:
        connection.close()
        raise
    return connection
