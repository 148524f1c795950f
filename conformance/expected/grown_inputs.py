"""The inputs of timed runs: a little larger from round to round, so that no result can be an old one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, Any]

GROWTH = 2.0**-20
"""By which inputs grow from one round to the next: a sixteenth of what rounding to half does at most."""
ROUNDS = 16
"""After so many rounds inputs are as in the first one again, so that they never grow by more."""


def grown(feeds: Mapping[str, Array], number: int) -> dict[str, Array]:
    """Return a sample's inputs as the round of this number, from 1 on, is fed with them.

    Args:
        feeds: of any shape; what is not float32 stays.
        number: of the round.
    """
    factor = np.float32(1 + (1 + (number - 1) % ROUNDS) * GROWTH)
    return {name: value * factor if value.dtype == np.float32 else value for name, value in feeds.items()}
