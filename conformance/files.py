"""Files written whole or not at all, never over a result, and read with one sentence when they are wrong."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import secrets
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import msgspec

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

T = TypeVar("T")


def claim_directory(path: Path, what: str, marks: Sequence[str] = ()) -> None:
    """Make a directory for results, or take one that is there and empty: nothing is ever overwritten.

    Args:
        path: the directory.
        what: it is for, such as "run".
        marks: names of files by which a directory with an older result is known.

    Raises:
        UsageError: it holds anything, is not a directory, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        present = sorted(entry.name for entry in path.iterdir())
    except FileExistsError as error:
        raise occupied(path, what, marks, []) from error
    except OSError as error:
        raise UsageError(
            f"{what} directory {path} cannot be written ({error.strerror}); name another one"
        ) from error
    if present:
        raise occupied(path, what, marks, present)


def occupied(path: Path, what: str, marks: Sequence[str], present: Sequence[str]) -> UsageError:
    """Return the error for a ``path`` that exists and holds ``present`` (nothing: it is no directory)."""
    if not present:
        problem = "is not a directory"
    elif set(marks) & set(present):
        problem = f"already holds a {what}"
    else:
        problem = f"is not empty (it holds {present[0]})"
    return UsageError(f"{what} directory {path} {problem}; name a new or empty one, nothing was overwritten")


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Call ``write`` on a temporary file beside ``path``, then rename it over ``path``.

    An interrupted or failed write leaves the old file, or none, and no temporary file; that of a process that
    was killed is deleted by the next one that writes the same file. Who may read it, the umask says.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary, descriptor = _opened_half(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)  # as long as it is locked, nobody takes it for one that was left
        _delete_left(_half(path))  # whose writer may have been dying at first
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _half(path: Path) -> Path:
    return path.parent / f".{path.name}.part"


def _opened_half(path: Path) -> tuple[Path, int]:
    """Return a new temporary file for ``path``, and its descriptor, which is locked while it is written."""
    temporary = _half(path)
    _delete_left(temporary)
    while True:
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            if _is_locked(descriptor) is not False and _is_at(temporary, descriptor):
                return temporary, descriptor
            os.close(descriptor)  # another process has just taken it for one that was left
        temporary = path.parent / f".{path.name}.{secrets.token_hex(4)}.part"


def _delete_left(temporary: Path) -> None:
    """Delete a temporary file that no living process writes."""
    with contextlib.suppress(OSError):
        descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if _is_locked(descriptor) and _is_at(temporary, descriptor):
                temporary.unlink()
        finally:
            os.close(descriptor)


def _is_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file still has this name."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _is_locked(descriptor: int) -> bool | None:
    """Lock a file for as long as it is open: False if another process has it, None if nobody can."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def write_all(contents: Mapping[Path, Callable[[BinaryIO], object]]) -> None:
    """Write files one after the other, each atomically; where one fails, what was new is deleted again."""
    new = [path for path in contents if not path.exists()]
    directories = [parent for path in contents for parent in path.parents if not parent.exists()]
    try:
        for path, write in contents.items():
            write_atomically(path, write)
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):
                path.unlink()
        for directory in sorted(set(directories), reverse=True):
            with contextlib.suppress(OSError):
                directory.rmdir()
        raise


def write_text_atomically(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, whole or not at all."""
    write_atomically(path, lambda file: file.write(text.encode()))


def json_text(value: Any, unknown: Callable[[Any], Any] | None = None) -> str:
    """Return ``value`` as indented JSON; ``unknown`` turns what JSON does not know into what it does."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=unknown), indent=1).decode()


def write_json_atomically(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    write_text_atomically(path, json_text(value) + "\n")


def write_json_table_atomically(path: Path, value: Any) -> None:
    """Write ``value`` as JSON whose lists and tables of entries have one entry per line, whole or not at all.

    For many small entries, half as long as indented JSON, and a changed entry is still a changed line.
    """
    write_text_atomically(path, _one_per_line(msgspec.to_builtins(value), 2) + "\n")


def _one_per_line(value: Any, depth: int) -> str:
    """Return JSON in which the entries down to ``depth`` stand on lines of their own."""
    if not (depth and value and isinstance(value, (dict, list))):
        return msgspec.json.encode(value).decode()
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    entries = (
        [
            f"{msgspec.json.encode(key).decode()}:{_one_per_line(entry, depth - 1)}"
            for key, entry in value.items()
        ]
        if isinstance(value, dict)
        else [_one_per_line(entry, depth - 1) for entry in value]
    )
    return f"{opening}\n" + ",\n".join(entries) + f"\n{closing}"


def read_toml(path: Path, kind: type[T], what: str) -> T:
    """Read ``path`` as TOML of the structure ``kind``.

    Args:
        path: the file.
        kind: a ``msgspec.Struct`` (with ``forbid_unknown_fields`` so that a misspelt key is an error).
        what: what the file is, for the error: "network", "device profile".

    Raises:
        UsageError: the file is missing, is not TOML, or a key is missing, unknown or of a wrong type.
    """
    try:
        return msgspec.toml.decode(read_bytes(path, what), type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{what} {path} is malformed: {error}") from error


def read_json(path: Path, kind: type[T], what: str) -> T:
    """Read ``path`` as JSON of the structure ``kind``; errors as in :func:`read_toml`."""
    try:
        return msgspec.json.decode(read_bytes(path, what), type=kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{what} {path} is malformed: {error}") from error


def is_file(path: Path) -> bool:
    """Return whether a path that a file named is a file; a name that no file can have is none."""
    try:
        return path.is_file()
    except OSError:  # longer than the file system takes
        return False


def read_bytes(path: Path, what: str) -> bytes:
    """Return the content of ``path``.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a null byte, which another file may hold
        raise UsageError(f"{what} {path} cannot be read: {getattr(error, 'strerror', error)}") from error


def mapped_bytes(path: Path, what: str) -> memoryview:
    """Return the content of ``path``, read from the file when and where it is looked at.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except (OSError, ValueError) as error:
        raise UsageError(f"{what} {path} cannot be read: {getattr(error, 'strerror', error)}") from error


def sha256(data: Any) -> str:
    """Return the hexadecimal SHA-256 of a contiguous buffer."""
    return hashlib.sha256(data).hexdigest()
