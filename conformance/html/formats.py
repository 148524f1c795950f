"""Figures as a reader takes them in: few digits, and a word where there is no number."""

from __future__ import annotations

import math

from conformance.tables import NONE

TIMES = "\N{MULTIPLICATION SIGN}"
UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (0.0, "ns"))


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number with its first digits; ``-`` for None, ``∞`` for what is infinite."""
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "-∞"
    return (
        f"{value:.{digits}g}" if 1e-3 <= abs(value) < 10**digits or not value else f"{value:.{digits - 1}e}"
    )


def factor(value: float | None) -> str:
    """Return how many times: ``0.52``, ``2,820``, ``1.2e+07``."""
    if value is None or math.isnan(value) or math.isinf(value):
        return figure(value)
    if value >= 1e6:
        return f"{value:.1e}"
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def seconds(value: float | None) -> str:
    """Return a time in the unit that suits it: ``8.48 ms``."""
    if value is None or not math.isfinite(value):
        return NONE
    if not value:
        return "0 s"
    scale, unit = next(pair for pair in UNITS if abs(value) >= pair[0])
    return f"{value / (scale or 1e-9):.3g} {unit}"


def count(number: int, one: str, many: str = "") -> str:
    """Return ``1 node``, ``1,024 nodes``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share: float | None, digits: int = 3) -> str:
    """Return a share in percent: ``97.3 %``."""
    return NONE if share is None or math.isnan(share) else f"{100 * share:.{digits}g} %"


def change(share: float | None) -> str:
    """Return a relative change with its sign: ``+4.1 %``."""
    return NONE if share is None or math.isnan(share) else f"{100 * share:+.1f} %"
