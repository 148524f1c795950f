"""Device times below what the card could do at best: no times, so the timed case is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.gating.outcomes import transition
from conformance.gating.sides import any_of
from conformance.runs.shards import TIMED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.gating.result import Decides, Transition
    from conformance.gating.sides import Side
    from conformance.gating.speed import Sample


def impossible_times(found: Sequence[Sample], baseline: Side, candidate: Side) -> list[Transition]:
    """Return the timed case of every sample that has an impossible time.

    Raises:
        UsageError: no record is of that time.
    """
    return [_broken(sample, baseline, candidate) for sample in found if sample.impossible]


def _broken(sample: Sample, baseline: Side, candidate: Side) -> Transition:
    case = _timed_case(sample, baseline, candidate)
    sides = sample.impossible
    decides: Decides = "accuracy" if "candidate" in sides else "cannot tell"
    fastest = min(run.seconds for run in sample.runs)
    said = (
        f"{case}: {fastest:.3g} s in the {' and the '.join(sides)} is no time: one core needs "
        f"{sample.least:.3g} s at least"
    )
    before, after = (side.cases.get(case, {}) for side in (baseline, candidate))
    return transition("not a time", before, after, said, decides)


def _timed_case(sample: Sample, baseline: Side, candidate: Side) -> str:
    """Return the first timed case of the sample's network and precision."""
    for side in (candidate, baseline):
        for case, records in side.cases.items():
            record = any_of(records)
            if case.endswith(TIMED) and (record.network, record.precision) == (
                sample.network,
                sample.precision,
            ):
                return case
    raise UsageError(
        f"{sample.runs[0].path} has a time of {sample.network} at {sample.precision}, but no record of what "
        "was timed; repeat the run"
    )
