"""Drift: how far results moved although both sides may pass, in attainable errors.

Below one of them a change is a rounding matter. From one on, the upgrade added (or took away) as much error
as an ideal device of the precision has in all: the operator is implemented differently.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import statistics
from typing import TYPE_CHECKING

import msgspec

from conformance.gating.result import Drift, OperatorDrift
from conformance.gating.sides import any_of, common_digests, named
from conformance.judging.bounds import ErrorValues

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.gating.sides import Side
    from conformance.judging.verdicts import Acceptance
    from conformance.runs.records import Record

THRESHOLD = 1.0
"""Attainable errors by which a case has changed."""
SQUARED = ("cosine_distance", "mse", "worst_channel_mse")


@dataclasses.dataclass(frozen=True)
class Figure:
    """One kind of error on both sides, as amplitudes.

    Attributes:
        criterion: which.
        before, after: the worst over the runs of each side.
        unit: the attainable error; 0 where an ideal device has none, None where there is no unit.
    """

    criterion: str
    before: float
    after: float
    unit: float | None

    @property
    def drift(self) -> float | None:
        """The growth in units; infinite where an error appears that an ideal device cannot have."""
        growth = self.after - self.before
        if self.unit is None:
            return None
        return growth / self.unit if self.unit else math.copysign(math.inf, growth) if growth else 0.0


def drifts(baseline: Side, candidate: Side) -> tuple[int, list[Drift]]:
    """Return how many cases have results on both sides, and those whose results differ, the worst first."""
    pairs = [
        (before, candidate.cases[case]) for case, before in baseline.cases.items() if case in candidate.cases
    ]
    compared = [(before, after) for before, after in pairs if _has_results(before) and _has_results(after)]
    found = [_drift(before, after) for before, after in compared if not _identical(before, after)]
    return len(compared), sorted(found, key=_gravity)


def _identical(before: Mapping[int, Record], after: Mapping[int, Record]) -> bool:
    """Whether every run of both sides gave the same bits."""
    return len(set(common_digests([*before.values(), *after.values()]))) == 1


def operators(baseline: Side, candidate: Side, found: Sequence[Drift]) -> list[OperatorDrift]:
    """Return own errors by operator and precision, the largest drift first."""
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    for case, records in baseline.cases.items():
        record = any_of(records)
        if record.mode == "own" and _has_results(records):
            counts[record.op, record.precision] += _has_results(candidate.cases.get(case, {}))
    differing: dict[tuple[str, str], list[Drift]] = collections.defaultdict(list)
    for item in found:
        if item.mode == "own":
            differing[item.op, item.precision].append(item)
    rows = [_operator(key, count, differing[key]) for key, count in counts.items() if count]
    return sorted(
        rows, key=lambda row: (row.identical == row.cases, -abs(row.drift or 0.0), row.op, row.precision)
    )


def grown(before: Mapping[int, Record], after: Mapping[int, Record]) -> bool:
    """Whether the error of a case has grown by an attainable error or more; at all where none is known."""
    found = figures(before, after)
    worst = _worst(found)
    if worst is None:
        return any(figure.after > figure.before for figure in found)
    return worst.drift is not None and worst.drift >= THRESHOLD


def figures(before: Mapping[int, Record], after: Mapping[int, Record]) -> list[Figure]:
    """Return every kind of error that both sides have."""
    record = any_of(after)
    if record.acceptance is not None:
        return _of_output(record.acceptance, before, after)
    ours, theirs = _errors(before.values()), _errors(after.values())
    units = _units([*before.values(), *after.values()])
    found = [
        Figure(name, ours[name], theirs[name], units.get(name) if units else None)
        for name in ours
        if name in theirs
    ]
    ratios = [_largest_difference(records.values()) for records in (before, after)]
    if ratios[0] is None or ratios[1] is None:
        return found
    largest = Figure("max_abs", ratios[0], ratios[1], 1.0)
    return [largest if figure.criterion == "max_abs" else figure for figure in found]


def _largest_difference(records: Iterable[Record]) -> float | None:
    """Return the largest difference from an ideal device over what is allowed of it, element by element."""
    found = [record.conformity for record in records]
    known = [item.ratio for item in found if item is not None]
    return max(known) if known and len(known) == len(found) else None


def _units(records: Sequence[Record]) -> dict[str, float]:
    """Return what a right device may differ by, by kind of error; nothing where that is not known.

    Results that are held to an ideal device have errors and units of their own, but one that gives its very
    bits has no unit: that of the others counts.
    """
    apart = [item for item in records if item.conformity is not None and item.conformity.found is not None]
    known = [item for item in apart or records if item.attainable is not None]
    found: dict[str, float] = {}
    for item in known:
        for name, unit in _amplitudes(item.attainable).items():
            bound = _amplitudes(item.bounds).get(name, 0.0) if item.bounds is not None else 0.0
            found[name] = max(found.get(name, 0.0), unit or bound)
    return found


def _of_output(
    acceptance: Acceptance, before: Mapping[int, Record], after: Mapping[int, Record]
) -> list[Figure]:
    """Return what outputs miss, in units of what the acceptance allows them to miss."""
    allowed = {name: value for name, value in msgspec.structs.asdict(acceptance).items() if value is not None}
    found = []
    for name, limit in allowed.items():
        ours, theirs = (_missed(name, records.values()) for records in (before, after))
        if ours is not None and theirs is not None:
            found.append(Figure(name, ours, theirs, _amplitude_missed(name, limit)))
    return found


def _missed(name: str, records: Iterable[Record]) -> float | None:
    """Return the most that any run's output misses; None where one has no figure at all."""
    reached = [record.reached for record in records]
    if any(item is None for item in reached):
        return None
    values = [getattr(item, name) for item in reached]
    return max((0.0 if value is None else _amplitude_missed(name, value) for value in values), default=None)


def _amplitude_missed(name: str, value: float) -> float:
    """Return how far an output is from perfect, as an amplitude: 1 is as large as the signal."""
    if name == "psnr":
        return float(10 ** (-value / 20))
    return math.sqrt(max(1.0 - value, 0.0)) if name == "cosine" else 1.0 - value


def _errors(records: Iterable[Record]) -> dict[str, float]:
    """Return the worst errors of several runs, as amplitudes; those that every one has."""
    found = [_of_record(record) for record in records]
    names = [name for name in ErrorValues.__struct_fields__ if all(name in errors for errors in found)]
    return {name: max(errors[name] for errors in found) for name in names}


def _of_record(record: Record) -> dict[str, float]:
    if record.needed is not None:
        return _amplitudes(record.needed)
    if record.metrics is None or record.bounds is not None:  # with bounds, but nothing would have passed
        return {}
    return _amplitudes(record.metrics)


def _amplitudes(values: object) -> dict[str, float]:
    """Return errors by their names, squared ones as their roots; an undefined one is left out."""
    found = {name: getattr(values, name) for name in ErrorValues.__struct_fields__}
    return {
        name: math.sqrt(value) if name in SQUARED else value
        for name, value in found.items()
        if value is not None
    }


def _worst(found: Sequence[Figure]) -> Figure | None:
    """Return the error that grew most; where none grew by a unit, the one that moved most."""
    known = [figure for figure in found if figure.drift is not None]
    if not known:
        return None
    most = max(known, key=lambda figure: figure.drift or 0.0)
    return (
        most if (most.drift or 0.0) >= THRESHOLD else max(known, key=lambda figure: abs(figure.drift or 0.0))
    )


def _drift(before: Mapping[int, Record], after: Mapping[int, Record]) -> Drift:
    found = figures(before, after)
    worst = _worst(found)
    drift = None if worst is None else worst.drift
    rms = next((figure for figure in found if figure.criterion in ("mse", "psnr")), None)
    judged = any_of(after).mode != "chained"
    return Drift(
        **named(any_of(after)),
        before=share(before.values()),
        after=share(after.values()),
        criterion=None if worst is None else worst.criterion,
        error_before=None if worst is None else worst.before,
        error_after=None if worst is None else worst.after,
        drift=drift if drift is not None and math.isfinite(drift) else None,
        ratio=rms.after / rms.before if rms is not None and rms.before else None,
        changed=judged and (drift is None or abs(drift) >= THRESHOLD),
    )


def share(records: Iterable[Record]) -> float | None:
    """Return the worst error over its bound, of an output what it misses over what it may; None without."""
    found = [_share_of(record) for record in records]
    known = [value for value in found if value is not None and math.isfinite(value)]
    return max(known, default=None)


def _share_of(record: Record) -> float | None:
    if record.acceptance is not None:
        figures_of = _of_output(record.acceptance, {0: record}, {0: record})
        return max((item.after / item.unit for item in figures_of if item.unit), default=None)
    if record.bounds is None or record.needed is None:
        return None
    needed, bounds = _amplitudes(record.needed), _amplitudes(record.bounds)
    return max(needed[name] / bounds[name] if bounds[name] else _of_nothing(needed[name]) for name in needed)


def _of_nothing(error: float) -> float:
    """Return an error over a bound of 0."""
    return math.inf if error else 0.0


def _operator(key: tuple[str, str], cases: int, found: Sequence[Drift]) -> OperatorDrift:
    largest = max((item for item in found if item.drift is not None), key=_size, default=None)
    ratios = [item.ratio for item in found if item.ratio is not None]
    return OperatorDrift(
        op=key[0],
        precision=key[1],
        cases=cases,
        identical=cases - len(found),
        changed=sum(item.changed for item in found),
        drift=None if largest is None else largest.drift,
        ratio=statistics.median(ratios) if ratios else None,
        worst=largest.case if largest else found[0].case if found else "",
    )


def _has_results(records: Mapping[int, Record]) -> bool:
    return any(record.sha256 for record in records.values())


def _size(item: Drift) -> float:
    return abs(item.drift or 0.0)


def _gravity(item: Drift) -> tuple[object, ...]:
    """Order: what changed first, own errors before what inherits them, the largest first."""
    return (not item.changed, item.mode != "own", -_size(item), item.case)
