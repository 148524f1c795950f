"""Timing: the best of several calls, and medians of several things in turn."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def best_seconds(call: Callable[[], object], rounds: int) -> float:
    """Return the shortest time that a call took, after one that does not count."""
    call()
    return min(_seconds(call) for _ in range(rounds))


def medians_in_turn(calls: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each: A B C, A B C and so on, so that what slows one slows all.

    Args:
        calls: all of them warm.
        rounds: how often each is called.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            seconds[name].append(_seconds(call))
    return {name: statistics.median(values) for name, values in seconds.items()}


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
