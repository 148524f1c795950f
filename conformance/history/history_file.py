"""What ``track`` finds in a history of runs, as ``--json`` writes it; ``docs/track.md`` explains it."""

from __future__ import annotations

from typing import Literal

import msgspec

from conformance.clock import Moment

SCHEMA = 1
"""Of the file; a change that a reader must know of is a new number."""

Judged = Literal["worse", "better", "same", "cannot tell"]
"""What a step means."""


class Difference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry of ``environment.json`` that differs between two runs.

    Attributes:
        name: where it stands, such as ``device.driver``.
        before, after: its values as text; None where it is not there.
    """

    name: str
    before: str | None
    after: str | None


class TrackedRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A run of the history.

    Attributes:
        path: its directory.
        started: when it started.
        driver, firmware, runtime, framework: of its device; empty where it does not say.
    """

    path: str
    started: Moment
    driver: str
    firmware: str
    runtime: str
    framework: str


class BrokenRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A directory of the history that is skipped, and why."""

    path: str
    reason: str


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in a series where the level changes, or where it might have.

    Attributes:
        run: the first run after it, as a place in ``runs`` of the history.
        last: the last run of the series before it.
        known: what was changed on purpose there (``driver``, ``firmware``, ``runtime``, ``framework``); empty
            where the figures alone show the step.
        judged: what it means.
        before, after: the level on either side: a mean, of logarithms where changes are ratios.
        change: ``after / before - 1`` of a figure that is compared by its ratio, else ``after - before``.
        low, high: interval of the change; None where it is exact, or cannot be told.
        p: of the permutation test; None of a known step, and of one between figures that never vary.
        runs_before, runs_after: how many runs the two levels are made of.
        differences: what else differs there in the environment.
        sentence: all of it in words.
    """

    run: int
    last: int
    known: list[str]
    judged: Judged
    before: float
    after: float
    change: float
    low: float | None
    high: float | None
    p: float | None
    runs_before: int
    runs_after: int
    differences: list[Difference]
    sentence: str


class Noise(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a figure varies between runs of which nothing recorded differs.

    Attributes:
        runs: how many of them were compared.
        groups: environments with at least two runs.
        deviation: standard deviation within an environment, as ``change`` of a step counts.
        largest: largest change between two runs of one environment: the A/A floor.
    """

    runs: int
    groups: int
    deviation: float
    largest: float


class Series(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One figure of a network at a precision on a card, run by run.

    Attributes:
        network, precision: of what.
        card: its serial number with its kind and model, or, where it has none, the computer.
        figure: ``seconds``, ``share``, ``psnr``, ``cosine_distance``, ``answers`` or ``failing``.
        unit: of the values, empty for a plain number.
        better: which way is better.
        ratio: whether a change is a ratio (``0.05`` is 5 %), else it is a difference.
        effect: the least change that counts as a step.
        runs: places in ``runs`` of the history, in the order in which they started.
        values: one per run; a PSNR of 400 stands for an exact output, a share of 1e9 for one without numbers.
        steps: in order of ``runs``.
        noise: None where no two runs have the same environment.
    """

    network: str
    precision: str
    card: str
    figure: str
    unit: str
    better: Literal["lower", "higher"]
    ratio: bool
    effect: float
    runs: list[int]
    values: list[float]
    steps: list[Step]
    noise: Noise | None


class History(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A history of runs, and what changed in it.

    Attributes:
        schema: of this file.
        version: of the project that wrote it.
        alpha: of the permutation test.
        least: runs that a level needs on either side of a step that only the figures show.
        directories: what was read.
        runs: in the order in which they started.
        broken: what was skipped.
        series: sorted by network, precision, card, figure.
    """

    schema: int = SCHEMA
    version: str
    alpha: float
    least: int
    directories: list[str]
    runs: list[TrackedRun]
    broken: list[BrokenRun]
    series: list[Series]
