"""A command in a process of its own, watched: it may crash in TensorFlow's kernels, or never end."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from conformance.breadcrumbs import VARIABLE, Breadcrumb
from conformance.commands.printing import note
from conformance.errors import InfrastructureError
from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGINNING = 600.0
"""Seconds, at the least, until the first graph runs: TensorFlow is imported and the network read."""
READ = 2**16


class Ended(NamedTuple):
    """How a watched process ended.

    Attributes:
        code: its exit code; negative: the signal that ended it.
        hung: whether it was killed because a graph took longer than the deadline.
        last: the graph that it ran last; None: none.
    """

    code: int
    hung: bool
    last: Breadcrumb | None

    @property
    def by_itself(self) -> bool:
        """Whether it came to its end, however that was."""
        return self.code >= 0 and not self.hung


def watched(arguments: Sequence[str], deadline: float) -> int:
    """Run a command of ``mlu-conformance`` in a process of its own, and return its exit code.

    Where it crashes or hangs, its last graph is run once more, node by node, to find the one to blame.

    Args:
        arguments: of the command line, with the command.
        deadline: seconds that one graph may take.

    Raises:
        InfrastructureError: it crashed or hung.
    """
    ended = _ended(arguments, deadline)
    if ended.by_itself:
        return ended.code
    where = "before any graph ran"
    if ended.last is not None:
        where = f"while it computed {_told(ended.last)}"
        if ended.hung or ended.code != -signal.SIGKILL:  # by which the system takes memory back
            note("looking for the node")
            again = _ended(arguments, deadline, ended.last.digest)
            if not again.by_itself and again.last is not None and not again.last.more:
                where = f"at node {producer(again.last.nodes[0])!r}"
    raise InfrastructureError(_sentence(ended, deadline, where))


def _sentence(ended: Ended, deadline: float, where: str) -> str:
    if ended.hung:
        how = f"took longer than {deadline:g} s (--deadline)"
    else:
        names = {number.value: number.name for number in signal.Signals}
        how = f"was ended by {names.get(-ended.code, f'signal {-ended.code}')}"
        if ended.code == -signal.SIGKILL:
            how += ", perhaps for lack of memory,"
    return (
        f"TensorFlow on the CPU {how} {where}, so there is no result; no device is to blame: cut the graph "
        "before that node, or try another version of TensorFlow"
    )


def _told(last: Breadcrumb) -> str:
    more = f" and {last.more} more" if last.more else ""
    return f"{', '.join(map(producer, last.nodes))}{more}"


def _ended(arguments: Sequence[str], deadline: float, one_by_one: str = "") -> Ended:
    """Run the command to its end, or until a graph takes too long.

    Args:
        arguments: of the command line.
        deadline: seconds that one graph may take.
        one_by_one: the digest of a graph whose nodes run one by one; then nothing is printed.
    """
    reading, writing = os.pipe()
    process = subprocess.Popen(  # noqa: S603 - this program, with the user's own arguments
        [sys.executable, "-m", "conformance.cli", *arguments],
        env=os.environ | {VARIABLE: f"{writing}:{one_by_one}"},
        pass_fds=[writing],
        stdout=subprocess.DEVNULL if one_by_one else None,
        stderr=subprocess.DEVNULL if one_by_one else None,
    )
    os.close(writing)
    try:
        hung, last = _watch(reading, deadline)
        if hung:
            process.kill()
        return Ended(_waited(process), hung, last)
    finally:
        os.close(reading)
        if process.poll() is None:
            process.kill()
            process.wait()


def _watch(reading: int, deadline: float) -> tuple[bool, Breadcrumb | None]:
    """Read breadcrumbs until the process ends or one of them is too old: whether it is, and the last one."""
    line, last, until = b"", None, time.monotonic() + max(deadline, BEGINNING)
    while True:
        try:
            ready = select.select([reading], [], [], max(0.0, until - time.monotonic()))[0]
        except KeyboardInterrupt:  # the process got it, too, and says how it ends
            continue
        data = os.read(reading, READ) if ready else b""
        if not data:
            return not ready, last
        *whole, line = (line + data).split(b"\n")
        if whole:
            last, until = msgspec.json.decode(whole[-1], type=Breadcrumb), time.monotonic() + deadline


def _waited(process: subprocess.Popen[bytes]) -> int:
    while process.poll() is None:
        with contextlib.suppress(KeyboardInterrupt):  # see above
            process.wait()
    return process.returncode
