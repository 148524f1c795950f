"""Where the time of a run goes."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import defaultdict
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
    """Adds up time by phase, each moment once.

    While a phase lasts inside another, only the inner one counts. Of several threads' phases at the same time
    ``device`` counts; without that, the one of the thread that made the stopwatch, if it is in any.

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
        self._lock, self._owner = threading.Lock(), threading.get_ident()
        self._phases: defaultdict[int, list[Phase]] = defaultdict(list)
        self._since = 0.0

    @contextlib.contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Count time as spent in a phase, as long as the block lasts."""
        phases = self._phases[threading.get_ident()]
        with self._switch():
            phases.append(phase)
            self.runs += phase == "device"
        try:
            yield
        finally:
            with self._switch():
                phases.pop()

    @contextlib.contextmanager
    def _switch(self) -> Iterator[None]:
        """Give the time since the last switch to the phase that lasted; the next one begins in the block."""
        with self._lock:
            now = self._clock()
            if (lasted := self._current()) is not None:
                self.seconds[lasted] += now - self._since
            self._since = now
            yield

    def _current(self) -> Phase | None:
        inner = {thread: phases[-1] for thread, phases in self._phases.items() if phases}
        if "device" in inner.values():
            return "device"
        return inner.get(self._owner, next(iter(inner.values()), None))
