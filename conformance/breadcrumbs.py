"""What a process computes, told to the one that watches it: so a crash of TensorFlow has a name, or a hang.

The watcher hands on the write end of a pipe. A line of JSON is written before every graph that runs. Where
the watcher asks for it, one graph is run node by node instead, each of them told: the last one is to blame.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import signal
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

VARIABLE = "CONFORMANCE_WATCHED"
"""The environment variable: a descriptor, and after a colon the digest of a graph's fetches, if any."""
PR_SET_PDEATHSIG = 1
"""Of Linux."""
NAMED = 3
LONGEST = 1000
"""Characters of a name that are told: a line is written as a whole."""


class Breadcrumb(msgspec.Struct, frozen=True):
    """A graph that is about to run.

    Attributes:
        nodes: the first of its fetches.
        more: how many there are beside them.
        digest: of all of them.
    """

    nodes: list[str]
    more: int
    digest: str


def watched() -> bool:
    """Return whether another process watches this one."""
    return VARIABLE in os.environ


def end_with_watcher() -> None:
    """Let the system end this process as soon as its watcher is gone: a graph may run for long.

    Source: prctl(2); Linux only, elsewhere the next graph is the last.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))


def to_run_one_by_one(fetches: Sequence[str]) -> bool:
    """Return whether the nodes of the graph with these fetches are to be run one by one."""
    return watched() and os.environ[VARIABLE].partition(":")[2] == _digest(fetches)


def tell(fetches: Sequence[str]) -> None:
    """Tell the watcher, if there is one, which graph is about to run.

    Raises:
        KeyboardInterrupt: the watcher is gone, as if it had been interrupted together with this process.
    """
    if not watched():
        return
    first = [name[:LONGEST] for name in fetches[:NAMED]]
    line = msgspec.json.encode(Breadcrumb(first, len(fetches) - len(first), _digest(fetches)))
    try:
        os.write(int(os.environ[VARIABLE].partition(":")[0]), line + b"\n")
    except BrokenPipeError:
        raise KeyboardInterrupt from None


def _digest(fetches: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(fetches).encode()).hexdigest()[:16]
