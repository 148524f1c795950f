"""A place without room: a small file system in memory, which one command alone sees.

It is mounted in a name space of its own: by root, or by whom the system lets be root in such a space. What
was left on it is copied to where it was, so that the next command finds it.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, NamedTuple

import pytest
from support.suite_run import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SCRIPT = """
size=$1 place=$2 seed=$3 left=$4
shift 4
mount -t tmpfs -o "$size" tmpfs "$place" || exit 99
cp -a "$seed/." "$place" || exit 98
"$@"
code=$?
cp -a "$place/." "$left"
exit $code
"""
SPACES = ("--mount",), ("--user", "--map-root-user", "--mount")
SECONDS = 300


class Ended(NamedTuple):
    """How a command ended: exit code, and all that it printed."""

    code: int
    text: str


@functools.cache
def space() -> tuple[str, ...] | None:
    """Return the options of unshare(1) with which this user may mount, or None."""
    with tempfile.TemporaryDirectory() as place:
        line = ["sh", "-c", f"mount -t tmpfs -o size=16k tmpfs {place}"]
        for options in SPACES:
            try:
                done = subprocess.run(["unshare", *options, *line], capture_output=True, check=False)
            except FileNotFoundError:
                return None
            if done.returncode == 0:
                return options
    return None


def without_room(
    place: Path, size: str, command: Sequence[str], environment: Mapping[str, str], scratch: Path
) -> Ended:
    """Run ``python -m`` with a command while a place is small; then the place holds what it left there.

    Args:
        place: a directory; what is in it is there at the start, too.
        size: options of tmpfs, such as ``size=16k``.
        command: with its arguments.
        environment: the command's.
        scratch: a directory for what was there and what is left.
    """
    if space() is None:
        pytest.skip("this user may not mount a small file system in a name space of its own")
    seed, left = scratch / "seed", scratch / "left"
    place.rename(seed)
    place.mkdir()
    left.mkdir()
    line = ["unshare", *space(), "sh", "-c", SCRIPT, "sh", size, *map(str, (place, seed, left))]
    done = subprocess.run(
        [*line, sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode not in (98, 99), done.stdout
    place.rmdir()
    left.rename(place)
    return Ended(done.returncode, done.stdout)
