"""Progress of a training: one line now and then."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


class Log:
    """Prints one line per interval: step, size, loss, time a step takes, time left.

    Args:
        steps: all steps.
        size: what a step works on, of its number, such as ``"size 64"``.
        work: how much that is, in any unit, of the number of a step.
        interval: seconds between lines.
    """

    def __init__(
        self, steps: int, size: Callable[[int], str], work: Callable[[int], float], interval: float
    ) -> None:
        self.steps, self.size, self.work, self.interval = steps, size, work, interval
        self.begin, self.losses = time.monotonic(), list[float]()

    def __call__(self, step: int, loss: float) -> bool:
        """Take note that ``step`` steps were taken; return whether a line was due."""
        self.losses.append(loss)
        spent = time.monotonic() - self.begin
        if spent < self.interval and step < self.steps:
            return False
        each = spent / len(self.losses)
        left = each * sum(map(self.work, range(step, self.steps))) / self.work(step - 1)
        print(
            f"step {step}/{self.steps} {self.size(step - 1)} loss {np.mean(self.losses):.4g} "
            f"{1e3 * each:.0f} ms/step, {left / 60:.0f} min left",
            flush=True,
        )
        self.begin, self.losses = time.monotonic(), []
        return True
