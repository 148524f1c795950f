"""What a training says while it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable


def _equal(_: int) -> float:
    return 1.0


class Log:
    """Prints one line per interval: step, loss, time a step takes, time left.

    Args:
        steps: of the whole training.
        interval: seconds between lines.
        cost: what a step costs beside others, where that differs.
        note: what else to say of a step.
    """

    def __init__(
        self,
        steps: int,
        interval: float,
        cost: Callable[[int], float] = _equal,
        note: Callable[[int], str] = lambda _: "",
    ) -> None:
        self.steps, self.interval, self.cost, self.note = steps, interval, cost, note
        self.begin, self.losses = time.monotonic(), list[float]()

    def __call__(self, step: int, loss: float) -> bool:
        """Take note of a step; return whether a line was due."""
        self.losses.append(loss)
        spent = time.monotonic() - self.begin
        if spent < self.interval and step < self.steps:
            return False
        each = spent / len(self.losses)
        left = sum(each * self.cost(at) / self.cost(step - 1) for at in range(step, self.steps))
        print(
            f"step {step}/{self.steps} {self.note(step - 1)}loss {np.mean(self.losses):.4f} "
            f"{1e3 * each:.0f} ms/step, {left / 60:.0f} min left",
            flush=True,
        )
        self.begin, self.losses = time.monotonic(), []
        return True
