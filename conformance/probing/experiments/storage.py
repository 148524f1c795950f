"""Storage: how numbers are rounded where they enter and where results are stored; NaN, −0, subnormals."""

from __future__ import annotations

EXPERIMENTS = ()
