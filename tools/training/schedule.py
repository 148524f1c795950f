"""The learning rate over a training: warm-up, flat, cosine."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The part of a recipe that says how the rate of Adam changes."""

    rate: Annotated[float, msgspec.Meta(gt=0)]  # of Adam, at its highest
    warmup: Annotated[int, msgspec.Meta(ge=1)]  # steps
    decay: float  # part of all steps, at the end, in which the rate falls (cosine)
    final: float  # part of the highest rate that is left at the end

    @property
    def steps(self) -> int:
        """All steps; a recipe says how many."""
        raise NotImplementedError

    def rate_at(self, step: int) -> float:
        """Adam's rate at a step."""
        start = self.steps * (1.0 - self.decay)
        fallen = min(max((step - start) / max(self.steps - start, 1.0), 0.0), 1.0)
        cosine = self.final + (1.0 - self.final) * 0.5 * (1.0 + math.cos(math.pi * fallen))
        return self.rate * min(1.0, (step + 1) / self.warmup) * cosine
