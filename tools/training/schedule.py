"""How Adam's rate goes through a training."""

from __future__ import annotations

import math


def rate_at(step: int, steps: int, *, rate: float, warmup: int, decay: float, final: float) -> float:
    """Return the rate at a step: it warms up, stays, and falls as a cosine.

    Args:
        step: the step, from 0.
        steps: of the whole training.
        rate: the highest.
        warmup: steps over which it rises.
        decay: part of all steps, at the end, in which it falls.
        final: part of the highest rate that is left at the end.
    """
    start = steps * (1.0 - decay)
    fallen = min(max((step - start) / max(steps - start, 1.0), 0.0), 1.0)
    cosine = final + (1.0 - final) * 0.5 * (1.0 + math.cos(math.pi * fallen))
    return rate * min(1.0, (step + 1) / warmup) * cosine
