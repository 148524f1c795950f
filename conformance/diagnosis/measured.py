"""Causes as a probe measured them, in place of what numbers would suffer on a device that sums in half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance.diagnosis.evidence.running_sum import IF_RUNNING_SUM, IF_SUM
from conformance.diagnosis.evidence.statement import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.precision import Precision
    from conformance.probing.result import Probe, Property

MEASURED = "measured"
"""Kind of the reason that says what a probe found of an operator."""
HALF_DIGITS = 11


def as_measured(reasons: Sequence[Reason], op: str, precision: Precision, probe: Probe) -> list[Reason]:
    """Return the reasons of a node with what a probe found of how its operator sums.

    Where the device sums in half, reasons say so instead of supposing it; where it does not, they are dropped
    and what was measured stands in their place.

    Args:
        reasons: of one node, of its own numbers.
        op: its operator.
        precision: what is diagnosed.
        probe: of the device.
    """
    found = probe.property_of(op, str(precision))
    supposing = [reason for reason in reasons if _supposes(reason)]
    if found is None or not supposing or not found.confirmed:
        return list(reasons)
    if found.digits == HALF_DIGITS:
        return [_said(reason, probe) if reason in supposing else reason for reason in reasons]
    return [*_instead(supposing, found, probe), *(reason for reason in reasons if reason not in supposing)]


def _supposes(reason: Reason) -> bool:
    return IF_SUM in reason.sentence or IF_RUNNING_SUM in reason.sentence


def _said(reason: Reason, probe: Probe) -> Reason:
    """Return a reason that says what it supposed."""
    when = f"as a probe of {probe.date} measured"
    sentence = reason.sentence.replace(IF_SUM, f"the device keeps the sum in half, {when}, so that")
    sentence = sentence.replace(IF_RUNNING_SUM, f"The device keeps the running sum in half, {when}:")
    return msgspec.structs.replace(reason, sentence=sentence)


def _instead(supposing: Sequence[Reason], found: Property, probe: Probe) -> Iterator[Reason]:
    first = supposing[0]
    yield Reason(
        node=first.node,
        kind=MEASURED,
        sentence=f"A running sum in half is not the cause: {found.subject} is {found.words}, as a probe of "
        f"{probe.date} measured.",
        figures={"date": probe.date, "confirmed": found.confirmed},
    )
