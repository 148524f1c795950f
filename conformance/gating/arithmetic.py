"""What probes of both sides say of an upgrade: which arithmetic changed, and which cases it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.gating.result import Arithmetic
from conformance.probing.comparing import changes
from conformance.probing.result import kept_probe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.gating.result import Drift
    from conformance.gating.sides import Side
    from conformance.probing.comparing import Changed
    from conformance.probing.result import Probe


def arithmetic(baseline: Side, candidate: Side, drifted: Sequence[Drift]) -> list[Arithmetic]:
    """Return what changed between the probes that both sides keep; nothing where one keeps none.

    Raises:
        UsageError: a probe is malformed.
    """
    before, after = _probe_of(baseline), _probe_of(candidate)
    if before is None or after is None:
        return []
    found = [_of(item, drifted) for item in changes(before, after)]
    return sorted(found, key=lambda item: -item.explains)


def _probe_of(side: Side) -> Probe | None:
    return next((probe for run in side.runs if (probe := kept_probe(run.path)) is not None), None)


def _of(item: Changed, drifted: Iterable[Drift]) -> Arithmetic:
    cases = [case for case in drifted if case.mode == "own" and _decides(item, case)]
    return Arithmetic(
        subject=item.subject,
        operators=list(item.operators),
        precisions=list(item.precisions),
        before=item.before,
        after=item.after,
        explains=len(cases),
    )


def _decides(item: Changed, case: Drift) -> bool:
    """Whether a change in arithmetic can be why a case's own result differs."""
    here = not item.precisions or case.precision in item.precisions
    return here and case.op in item.operators
