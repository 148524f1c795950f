"""Where the runs of a history lie, and by what it is seen that one changed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.history.run_figures import FILES
from conformance.runs.directory import MARKS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HERE = "."
"""Path of a run from itself."""


def run_stamps(root: Path) -> dict[str, str]:
    """Return sizes and times of the files of every run at or below a directory, by its path from there.

    A run directory is one that holds a file of a run; none is looked for inside of it, behind links, or in
    directories whose name begins with a dot.

    Raises:
        UsageError: the directory is not there, is none, or holds no run.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise UsageError(f"{root} {what}; name a run directory, or a directory of run directories")
    try:
        found = dict(_below(str(root), ""))
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error
    if not found:
        raise UsageError(f"{root} holds no run ({' and '.join(MARKS)} are missing); name the --run-dir of runs")
    return found


def _below(directory: str, path: str) -> Iterator[tuple[str, str]]:
    with os.scandir(directory) as entries:
        present = {entry.name: entry for entry in entries}
    if any(name in present for name in MARKS):
        yield path or HERE, " ".join(_stamp(present[name]) if name in present else "-" for name in FILES)
        return
    for name, entry in sorted(present.items()):
        if not name.startswith(".") and entry.is_dir(follow_symlinks=False):
            yield from _below(entry.path, f"{path}/{name}" if path else name)


def _stamp(entry: os.DirEntry[str]) -> str:
    status = entry.stat()
    return f"{status.st_mtime_ns}-{status.st_size}"
