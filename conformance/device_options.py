"""What a user says of a device in words: ``KEY=VALUE`` pairs and seconds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a mapping.

    Raises:
        UsageError: a text is none, or one key has two values.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"--device-option {text!r} is not KEY=VALUE; write it like allow-stock=1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"--device-option {key} is given as {found[key]!r} and {value!r}; drop one")
    return found


def seconds(text: str) -> float:
    """Return a number of seconds above 0.

    Raises:
        UsageError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"--device-timeout {text!r} is no number of seconds above 0; give one like 300")
    return value
