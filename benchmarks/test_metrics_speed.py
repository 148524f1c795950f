"""How fast two sets of tensors are compared, beside a plain copy of them and beside Polygraphy, in one run.

    pytest benchmarks/test_metrics_speed.py

Both sets are 200 float32 tensors of 200704 elements, 153 MiB each. A rate counts the bytes of both sets.
What is asserted is ratios of times taken in one run, never a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from rounds import best_seconds

from conformance.numerics.metrics import Metrics, compare, compare_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from figures import Figures

    Tensors = list[np.ndarray[Any, np.dtype[np.float32]]]

TENSORS, TENSORS_OF_SMOKE = 200, 4
ROUNDS = 5
SHAPE = (56, 56, 64)
LEAST_TIMES_POLYGRAPHY = 50
LEAST_TIMES_POLYGRAPHY_FUNCTIONS = 2
MOST_TIMES_COPY = 20
COPY = "copying both sets"
ALL_AT_ONCE = "all in one call"


class Sets(NamedTuple):
    """Goldens and results, each one stretch of memory that is seen as many tensors; and how often to time."""

    golden: np.ndarray[Any, np.dtype[np.float32]]
    result: np.ndarray[Any, np.dtype[np.float32]]
    rounds: int

    @property
    def goldens(self) -> Tensors:
        """The goldens one by one."""
        return list(self.golden)

    @property
    def results(self) -> Tensors:
        """The results one by one."""
        return list(self.result)

    def seconds(self, call: Callable[[], object]) -> float:
        """Return the best time of a call that works on both sets."""
        return best_seconds(call, self.rounds)

    def speed(self, seconds: float) -> dict[str, float]:
        """Return what is shown of a time."""
        return {"ms": seconds * 1e3, "GB/s": (self.golden.nbytes + self.result.nbytes) / seconds / 1e9}


@pytest.fixture(scope="module")
def sets(*, smoke: bool) -> Sets:
    """Return results that differ from their goldens by a thousandth."""
    random = np.random.default_rng(0)
    count, rounds = (TENSORS_OF_SMOKE, 1) if smoke else (TENSORS, ROUNDS)
    golden = random.standard_normal((count, *SHAPE), dtype=np.float32)
    result = golden * np.float32(1.001)
    result += np.float32(1e-3)
    return Sets(golden, result, rounds)


@pytest.fixture(scope="module")
def copy_seconds(sets: Sets) -> float:
    """Return the best time in which NumPy copies both sets."""
    target = np.empty_like(sets.golden)
    return sets.seconds(lambda: (np.copyto(target, sets.golden), np.copyto(target, sets.result)))


@pytest.fixture(scope="module")
def compare_seconds(sets: Sets) -> float:
    """Return the best time of comparing both sets, all tensors in one call."""
    return sets.seconds(lambda: compare_all(sets.goldens, sets.results))


def test_copy(figures: Figures, sets: Sets, copy_seconds: float) -> None:
    """Copy both sets: what memory alone allows."""
    figures.add(COPY, sets.speed(copy_seconds))


@pytest.mark.parametrize("how", [ALL_AT_ONCE, "one call per tensor", "as one tensor", "one row per tensor"])
def test_metrics(figures: Figures, sets: Sets, copy_seconds: float, how: str) -> None:
    """Compare both sets and hold the time against that of a copy."""
    rows = len(sets.golden)
    calls: dict[str, Callable[[], list[Metrics]]] = {
        ALL_AT_ONCE: lambda: compare_all(sets.goldens, sets.results),
        "one call per tensor": lambda: [
            compare(*pair) for pair in zip(sets.golden, sets.result, strict=True)
        ],
        "as one tensor": lambda: [compare(sets.golden, sets.result)],
        "one row per tensor": lambda: [compare(sets.golden.reshape(rows, -1), sets.result.reshape(rows, -1))],
    }
    difference = sets.result.astype(np.float64) - sets.golden
    measured = float(np.mean([metrics.mse for metrics in calls[how]()]))
    assert measured == pytest.approx(float(np.square(difference).mean()), rel=1e-9)
    seconds = sets.seconds(calls[how])
    figures.add(f"metrics, {how}", sets.speed(seconds))
    figures.at_most(f"metrics, {how}", "times a copy", seconds / copy_seconds, MOST_TIMES_COPY)


def test_polygraphy(figures: Figures, sets: Sets, compare_seconds: float, *, smoke: bool) -> None:
    """Compare both sets with Polygraphy as its documentation says: ``Comparator.compare_accuracy``.

    It also takes statistics of every tensor for its log, which is most of its time.
    """
    comparator = _polygraphy(smoke=smoke)
    runs = comparator.RunResults([(run.runner_name, [run]) for run in _polygraphy_runs(comparator, sets)])
    functions = _polygraphy_functions(comparator)
    with _silent_polygraphy():
        seconds = best_seconds(
            lambda: comparator.Comparator.compare_accuracy(runs, compare_func=functions), rounds=1
        )
    figures.add(name := "Polygraphy, cosine and L2", sets.speed(seconds))
    figures.at_least(name, "times all in one call", seconds / compare_seconds, LEAST_TIMES_POLYGRAPHY)


def test_polygraphy_functions(figures: Figures, sets: Sets, compare_seconds: float, *, smoke: bool) -> None:
    """Compare both sets with Polygraphy's two functions alone, without its comparator and its statistics.

    They give cosine and L2 in float32, where the metrics give five numbers in float64.
    """
    comparator = _polygraphy(smoke=smoke)
    golden, result = _polygraphy_runs(comparator, sets)
    functions = _polygraphy_functions(comparator)

    def call() -> list[Any]:
        return [function(golden, result) for function in functions]

    with _silent_polygraphy():
        seconds = sets.seconds(call)
        cosine, l2 = (found["0"] for found in call())
    ours = compare(sets.golden[0], sets.result[0])
    assert cosine.cosine_similarity == pytest.approx(ours.cosine, abs=1e-5)  # both computed the same things
    assert l2.l2_norm == pytest.approx((ours.mse * sets.golden[0].size) ** 0.5, rel=1e-4)
    figures.add(name := "Polygraphy, its two functions alone", sets.speed(seconds))
    least = LEAST_TIMES_POLYGRAPHY_FUNCTIONS
    figures.at_least(name, "times all in one call", seconds / compare_seconds, least)


def _polygraphy(*, smoke: bool) -> Any:
    """Return Polygraphy's comparator; without it only a smoke test is skipped, a measurement fails."""
    try:
        from polygraphy import comparator
    except ImportError:
        comparator = None
    if hasattr(comparator, "L2CompareFunc"):
        return comparator
    missing = "Polygraphy 0.53 is not installed; `tox run -e bench` has it, or install the extra 'bench'"
    return pytest.skip(missing) if smoke else pytest.fail(missing, pytrace=False)


def _polygraphy_functions(comparator: Any) -> list[Any]:
    return [comparator.CosineSimilarityCompareFunc(), comparator.L2CompareFunc()]


def _polygraphy_runs(comparator: Any, sets: Sets) -> list[Any]:
    return [
        comparator.IterationResult({f"{i}": tensor for i, tensor in enumerate(tensors)}, runner_name=name)
        for name, tensors in (("golden", sets.golden), ("result", sets.result))
    ]


def _silent_polygraphy() -> Any:
    """Return a context without Polygraphy's log, so that printing is no part of its time."""
    from polygraphy.logger import G_LOGGER

    return G_LOGGER.verbosity(G_LOGGER.CRITICAL)
