"""The ceiling of a waiver: how large an error it covers, and how far from its golden a result may point.

A waiver describes one deviation. A larger error, or a result that points elsewhere (a zeroed tensor), is
another one, which nobody has looked at.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

from conformance.judging.bounds import excess
from conformance.judging.comparison import against
from conformance.judging.verdicts import Acceptance, Reached

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.judging.bounds import ErrorValues
    from conformance.judging.conformity import Conformity
    from conformance.numerics.metrics import Metrics

ROOM = 2.0
"""How many times the measured error a ceiling allows that a tool writes."""

NEAR_ENOUGH = 0.999
"""The highest cosine that a tool demands: ``at_most`` and the PSNR hold finer differences already."""


class Measured(Protocol):
    """What a ceiling is compared with: a verdict or a record."""

    @property
    def metrics(self) -> Metrics | None:
        """The errors against the golden, of the worst sample."""

    @property
    def conformity(self) -> Conformity | None:
        """The result beside right devices', of which bounds are then."""

    @property
    def needed(self) -> ErrorValues | None:
        """The smallest bounds that would have passed."""

    @property
    def bounds(self) -> ErrorValues | None:
        """What the errors were compared with; None where there is an acceptance alone."""

    @property
    def acceptance(self) -> Acceptance | None:
        """What an output was compared with."""

    @property
    def reached(self) -> Reached | None:
        """What the worst sample of an output reached."""


def beyond(measured: Measured, at_most: float | None, at_least: Acceptance | None) -> list[str]:
    """Return a sentence for each ceiling that a deviation exceeds; none: the waiver covers it.

    Args:
        measured: a verdict with errors.
        at_most: the largest error over its bound; None: no error above its bound is covered.
        at_least: what a result must still reach; None: no missed acceptance is covered. Without a cosine
            here, the result of a node must point to the golden's side at least (a cosine above 0).
    """
    found = _reached(measured)
    least = at_least or Acceptance(cosine=math.ulp(0.0))
    return [
        *_too_large(excess(measured.needed, measured.bounds), 1.0 if at_most is None else at_most),
        *_too_far(found, least),
        *(["it covers no output that is not accepted"] if _unaccepted(measured) and at_least is None else []),
    ]


def measured_ceilings(measured: Sequence[Measured]) -> tuple[float | None, Acceptance | None]:
    """Return ``at_most`` and ``at_least`` of a waiver of these deviations: twice what was measured.

    A cosine that is so low that twice its error would be no direction at all is halved instead.

    Args:
        measured: verdicts or records of what it is to cover.
    """
    largest = max((excess(item.needed, item.bounds) for item in measured), default=0.0)
    reached = Reached.worst([found for item in measured if (found := _reached(item)) is not None])
    return (_rounded_up(ROOM * largest, 3) if largest > 1 else None), _with_room(reached)


def ceiling_lines(at_most: float | None, at_least: Acceptance | None) -> list[str]:
    """Return the lines of a waiver file for a ceiling."""
    named = (
        {} if at_least is None else {name: getattr(at_least, name) for name in Acceptance.__struct_fields__}
    )
    pairs = ", ".join(f"{name} = {value!r}" for name, value in named.items() if value is not None)
    return [
        *([] if at_most is None else [f"at_most = {at_most!r}"]),
        *([f"at_least = {{ {pairs} }}"] if pairs else []),
    ]


def _reached(measured: Measured) -> Reached | None:
    """Return what an output reached, or the cosine of a node; None where nothing was measured."""
    if measured.reached is not None or measured.needed is None:
        return measured.reached
    if measured.conformity is None or measured.metrics is None:  # bounds are of errors against the golden
        return Reached(cosine=1.0 - measured.needed.cosine_distance, psnr=None)
    return Reached(cosine=measured.metrics.cosine or 0.0, psnr=None)


def _unaccepted(measured: Measured) -> bool:
    wanted, found = measured.acceptance, measured.reached
    return wanted is not None and found is not None and not found.meets(wanted)


def _too_large(found: float, limit: float) -> list[str]:
    if found <= limit:
        return []
    return [
        f"it covers errors of up to {limit:g} times their bound, but this one is {found:.3g} times its bound"
    ]


def _too_far(found: Reached | None, least: Acceptance) -> list[str]:
    """Return a sentence per figure that is below what a waiver covers."""
    if found is None:
        return []
    pairs = {name: (getattr(found, name), getattr(least, name)) for name in Acceptance.__struct_fields__}
    return [
        f"it covers results down to a {name} of {limit:g}, but here: {against(value, limit, '<')}"
        for name, (value, limit) in pairs.items()
        if value is not None and limit is not None and value < limit
    ]


def _with_room(reached: Reached | None) -> Acceptance | None:
    """Return what results with twice the error would reach."""
    if reached is None:
        return None
    answers = None if not reached.answers else round(max(1 - ROOM * (1 - reached.answers), 0), 3) or None
    psnr = None if reached.psnr is None else math.floor(10 * (reached.psnr - 20 * math.log10(ROOM))) / 10
    cosine = None if reached.cosine is None else _least_cosine(reached.cosine)
    if cosine is None and psnr is None and answers is None:
        return None
    return Acceptance(cosine=cosine, psnr=psnr, answers=answers)


def _least_cosine(cosine: float) -> float | None:
    """Return the cosine at twice the angle's chord, at least half of it; None where it is no direction."""
    distance = max(ROOM**2 * (1 - cosine), 1 - NEAR_ENOUGH)
    least = round(1 - _rounded_up(min(distance, 1 - cosine / 2), 2), 6)
    return least if least > 0 else None


def _rounded_up(value: float, digits: int) -> float:
    """Return the value with so many significant digits, not below it."""
    if value == 0 or math.isinf(value):
        return value
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    return float(f"{math.ceil(round(value / step, 6)) * step:.{digits}g}")
