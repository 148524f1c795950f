"""How often the gate is wrong about speed: false alarms and misses by simulation, into ``docs/gate.md``.

``python tools/gate_simulation.py`` prints the table, ``--docs`` puts it into the page. A run has noise of its
own, which all its rounds share, and every round has some more. Beside the gate stands what is usual: a
Mann-Whitney test over the rounds of all runs, as if each were a sample, with and without the gate's limit.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))
from marked_sections import table, write_section

from conformance.gating.result import TimedRun
from conformance.gating.speed import SLOWER, Sample, judge_speed

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE, SECTION = Path(__file__).resolve().parents[1] / "docs/gate.md", "simulation"
NOISES, RUNS, SLOWDOWNS = (0.003, 0.01, 0.02), (3, 5, 8), (0.0, 0.05)
ROUNDS, WITHIN = 20, 0.01
TRIALS = 1000
SIGNIFICANT = 0.05
HEADINGS = (
    "noise between runs",
    "runs a side",
    "equal: GO",
    "cannot tell",
    "false alarm",
    "5 % slower: NO-GO",
    "cannot tell",
    "missed",
    "rounds, p < 0.05: false alarm",
    "missed",
    "rounds, p < 0.05 and > 3 %: false alarm",
    "missed",
)


@dataclasses.dataclass(frozen=True)
class Setting:
    """One cell: noise between runs, runs a side, and how much slower the candidate is."""

    noise: float
    runs: int
    slowdown: float


def drawn(setting: Setting, random: np.random.Generator, timings: int = 1) -> np.ndarray:
    """Return seconds by side, timing, run and round."""
    sides = np.array([0.0, np.log1p(setting.slowdown)]).reshape(2, 1, 1, 1)
    between = random.normal(0, setting.noise, (2, timings, setting.runs, 1))
    return np.exp(sides + between + random.normal(0, WITHIN, (2, timings, setting.runs, ROUNDS)))


def word(seconds: np.ndarray) -> str:
    """Return what the gate says of simulated seconds: the gravest of all timings."""
    samples = [
        Sample(
            "n",
            str(timing),
            [*_runs("baseline", seconds[0, timing]), *_runs("candidate", seconds[1, timing])],
            None,
        )
        for timing in range(seconds.shape[1])
    ]
    words = {item.word for item in judge_speed(samples, slower=SLOWER)}
    return next((grave for grave in ("slower", "cannot tell") if grave in words), "not slower")


def shares(setting: Setting, trials: int, timings: int = 1, seed: int = 0) -> dict[str, float]:
    """Return how often the gate says what."""
    random = _random(setting, seed)
    found = [word(drawn(setting, random, timings)) for _ in range(trials)]
    return {name: found.count(name) / trials for name in ("not slower", "cannot tell", "slower")}


def pooled(setting: Setting, trials: int, seed: int = 0) -> tuple[float, float]:
    """Return how often a Mann-Whitney test over all rounds says slower, and slower than allowed."""
    from scipy.stats import mannwhitneyu

    seconds = drawn(setting, _random(setting, seed, 1), trials).reshape(2, trials, -1)
    p = mannwhitneyu(seconds[1], seconds[0], alternative="two-sided", axis=1).pvalue
    ratio = np.median(seconds[1], axis=1) / np.median(seconds[0], axis=1)
    significant = p < SIGNIFICANT
    return float(np.mean(significant & (ratio > 1))), float(np.mean(significant & (ratio > 1 + SLOWER)))


def _random(setting: Setting, *words: int) -> np.random.Generator:
    numbers = (setting.noise, setting.runs, setting.slowdown)
    return np.random.default_rng([*words, *(round(1e4 * number) for number in numbers)])


def rows(trials: int = TRIALS) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table."""
    for noise in NOISES:
        for runs in RUNS:
            equal, slower = (shares(Setting(noise, runs, slowdown), trials) for slowdown in SLOWDOWNS)
            alarms, found = (pooled(Setting(noise, runs, slowdown), trials) for slowdown in SLOWDOWNS)
            figures = (
                *(equal[name] for name in ("not slower", "cannot tell", "slower")),
                *(slower[name] for name in ("slower", "cannot tell", "not slower")),
                *(share for alarm, seen in zip(alarms, found, strict=True) for share in (alarm, 1 - seen)),
            )
            yield (f"{100 * noise:g} %", str(runs), *(f"{share:.1%}" for share in figures))


def _runs(side: str, seconds: np.ndarray) -> list[TimedRun]:
    return [
        TimedRun(side=side, path="", card="", seconds=float(np.median(rounds)), rounds=len(rounds))  # type: ignore[arg-type]
        for rounds in seconds
    ]


def main() -> None:
    """Print the table, or put it into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help=f"put the table into {PAGE.name}")
    options = parser.parse_args()
    lines = table([HEADINGS, *rows()])
    if options.docs:
        write_section(PAGE, SECTION, lines)
    else:
        print("\n".join(lines))


if __name__ == "__main__":
    main()
