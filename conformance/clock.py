"""The calendar's clock, read in this place alone, so that a test can turn it; what is measured has its own.

A run reads it when it begins: a clock that is set afterwards changes no verdict.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import msgspec

Moment = Annotated[dt.datetime, msgspec.Meta(tz=True)]
"""Date and time in a file, with its time zone: without one, two could not be compared."""
LONGEST_SECONDS = 1e9
"""More than any run takes, and less than infinity."""


def now() -> dt.datetime:
    """Return date and time, in UTC."""
    return dt.datetime.now(dt.timezone.utc)
