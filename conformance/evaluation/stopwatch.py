"""Where the time of a run goes."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Phase = Literal["prepare", "compile", "device", "judge", "write"]
"""What a run spends time on.

``prepare``: it imports TensorFlow, reads networks, makes and verifies goldens, opens the device. ``compile``:
the device compiles a graph. ``device``: it runs one. ``judge``: results are compared. ``write``: files are
written.
"""

PHASES: tuple[Phase, ...] = get_args(Phase)


class Stopwatch:
    """Adds up time by phase; while a phase lasts inside another, only the inner one counts.

    Args:
        clock: gives seconds; by default, those on the wall.

    Attributes:
        seconds: by phase.
        runs: how many times a device ran.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self.seconds: dict[Phase, float] = dict.fromkeys(PHASES, 0.0)
        self.runs = 0
        self._phases: list[Phase] = []
        self._since = 0.0

    @contextlib.contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Count time as spent in a phase, as long as the block lasts."""
        self._switch()
        self._phases.append(phase)
        self.runs += phase == "device"
        try:
            yield
        finally:
            self._switch()
            self._phases.pop()

    def _switch(self) -> None:
        """Give the time since the last switch to the phase that lasted."""
        now = self._clock()
        if self._phases:
            self.seconds[self._phases[-1]] += now - self._since
        self._since = now
