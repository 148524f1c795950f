"""One process per card: a lock of the operating system on a file per card.

``fcntl.flock`` itself, not the ``filelock`` library: that one has no public descriptor to hand on to a
worker, and on release it unlocks explicitly, which takes the lock from a worker that still uses the card.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import os
import platform
import shlex
import stat
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from conformance import clock
from conformance.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIRECTORY = Path(tempfile.gettempdir()) / "mlu-conformance-cards"
"""Shared by all users of this machine, as long as they have the same ``TMPDIR``."""
FOR_ALL_DIRECTORY, FOR_ALL_FILE = 0o1777, 0o666
SAFELY = os.O_NOFOLLOW | os.O_NONBLOCK
"""Everybody may write to the directory: neither follow a link nor wait for whoever reads a pipe."""
LONGEST_TEXT = 4096
LONGEST_COMMAND = 200
ATTEMPTS, PAUSE_SECONDS = 3, 0.02
"""Whoever only looks at a lock holds it for a moment; that is not a taken card."""


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who took a card, in their own words."""

    pid: Annotated[int, msgspec.Meta(ge=1)]
    user: str
    host: str
    since: str
    command: str

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to be gone, though something still holds its card."""
        if self.host != platform.node():
            return False
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            return False
        except (ProcessLookupError, OverflowError):
            return True
        return False

    def __str__(self) -> str:
        ended = " (which has ended, but something still holds the card)" if self.has_ended else ""
        whose = f"process {self.pid} of {self.user} on {self.host}"
        return _in_one_line(f"{whose} since {self.since}{ended}, running `{self.command}`")


UNKNOWN = "a process that left no word of itself"


class CardLock:
    """A card that this process has taken.

    The lock belongs to the open file, not to the process: handed on to a child (``pass_fds``), it lasts until
    the last process that has the descriptor closes it or ends, however it ends.
    """

    def __init__(self, index: int, descriptor: int) -> None:
        self.index = index
        self._descriptor: int | None = descriptor

    @property
    def descriptor(self) -> int:
        """The descriptor to hand on to a worker.

        Raises:
            ValueError: the lock is closed.
        """
        if self._descriptor is None:
            raise ValueError(f"the lock of card {self.index} is closed")
        return self._descriptor

    def close(self) -> None:
        """Let go of the card, as far as this process is concerned; safe to call twice."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)  # no LOCK_UN: it would take the lock from a worker that still has it


def take_card(candidates: Sequence[int], directory: Path = DIRECTORY) -> CardLock:
    """Take the first free card, without waiting.

    Args:
        candidates: indices of cards, the preferred one first.
        directory: where the lock files lie; the same for everyone who shares the cards.

    Raises:
        InfrastructureError: all of them are taken, there are none, or the directory cannot be used.
    """
    if not candidates:
        raise InfrastructureError(
            "there is no card to take; `mlu-conformance devices` lists the cards that this machine shows"
        )
    for index in candidates:
        lock = _taken(index, directory)
        if lock is not None:
            return lock
    raise InfrastructureError(_all_taken(candidates, directory))


def card_owner(index: int, directory: Path = DIRECTORY) -> str | None:
    """Return who holds a card, as a phrase, or None if nobody does.

    Raises:
        InfrastructureError: the lock file cannot be read.
    """
    path = _path(index, directory)
    try:
        with _held(directory) as place:
            descriptor = _plain(os.open(path.name, os.O_RDONLY | SAFELY, dir_fd=place), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        if _lock(descriptor, fcntl.LOCK_SH):
            return None
        owner = _read_owner(descriptor)
        return str(owner) if owner else UNKNOWN
    finally:
        os.close(descriptor)


def _all_taken(candidates: Sequence[int], directory: Path) -> str:
    owners = [f"card {index} is taken by {card_owner(index, directory) or UNKNOWN}" for index in candidates]
    return (
        f"{', '.join(owners)}: wait until it ends, end it, or choose another card with --device-option "
        f"card=NUMBER (`fuser -v {directory}/*` shows every process that holds one)"
    )


def _taken(index: int, directory: Path) -> CardLock | None:
    """Return the card's lock with this process as its owner, or None if another one has it."""
    path = _path(index, directory)
    try:
        _make_directory(directory)
        with _held(directory) as place:
            descriptor = _plain(_opened(path.name, place), path)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        if _lock(descriptor, fcntl.LOCK_EX):
            _write_owner(descriptor)
            return CardLock(index, descriptor)
    except OSError as error:
        os.close(descriptor)
        raise _unusable(path, error) from error
    os.close(descriptor)
    return None


def _path(index: int, directory: Path) -> Path:
    return directory / f"card-{index}.lock"


def _make_directory(directory: Path) -> None:
    """Make the directory as open to all as /tmp, whatever the umask."""
    if not directory.is_dir():
        with contextlib.suppress(FileExistsError):
            directory.mkdir(parents=True)
            directory.chmod(FOR_ALL_DIRECTORY)


@contextlib.contextmanager
def _held(directory: Path) -> Iterator[int]:
    """Open the directory itself, so that nobody puts another one in its place meanwhile.

    Raises:
        OSError: it is a link, or not there.
        InfrastructureError: everybody may delete in it what is not theirs.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        mode = os.fstat(descriptor).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            raise InfrastructureError(
                f"the directory of the cards' locks, {directory}, lets everybody delete the locks of others; "
                f"run `chmod 1777 {directory}`"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _plain(descriptor: int, path: Path) -> int:
    """Return the descriptor of a lock file that is a file of its own: a lock is written into.

    Raises:
        InfrastructureError: it is another file under a second name, or no file.
    """
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_nlink == 1:
        return descriptor
    os.close(descriptor)
    raise InfrastructureError(
        f"the lock of a card, {path}, is no plain file, or has a second name, so it is not written into; "
        "delete it"
    )


def _opened(name: str, place: int) -> int:
    """Open a lock file for reading and writing, and make it if it is not there.

    Args:
        name: of the file.
        place: a descriptor of its directory.

    Never ``O_CREAT`` on a file that is there: Linux forbids that to all but its owner in a directory like
    this one (``fs.protected_regular``), and the file may be another user's.
    """
    flags = os.O_RDWR | SAFELY
    try:
        return os.open(name, flags, dir_fd=place)
    except FileNotFoundError:
        pass
    try:
        descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, FOR_ALL_FILE, dir_fd=place)
    except FileExistsError:  # another process was first
        return os.open(name, flags, dir_fd=place)
    os.fchmod(descriptor, FOR_ALL_FILE)
    return descriptor


def _lock(descriptor: int, kind: int) -> bool:
    """Try to lock, without waiting for whoever has the card."""
    for attempt in range(ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return True
        if attempt + 1 < ATTEMPTS:
            time.sleep(PAUSE_SECONDS)
    return False


def _write_owner(descriptor: int) -> None:
    owner = Owner(
        pid=os.getpid(),
        user=_user(),
        host=platform.node(),
        since=clock.now().astimezone().isoformat(timespec="seconds"),
        command=_in_one_line(shlex.join(sys.orig_argv))[:LONGEST_COMMAND],
    )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, msgspec.json.encode(owner), 0)


def _read_owner(descriptor: int) -> Owner | None:
    """Return what the owner wrote; None if it was cut short, or is not what an owner writes."""
    try:
        return msgspec.json.decode(os.pread(descriptor, LONGEST_TEXT, 0), type=Owner)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _in_one_line(text: str) -> str:
    """Return text that fits in a sentence: a command may hold line breaks, and bytes that are no text."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def _user() -> str:
    """Return the user's name, or number where the system has no name for it, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _unusable(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"the lock of a card, {path}, cannot be used: {error.strerror}; make it and its directory readable "
        "and writable for everybody who uses the card"
    )
