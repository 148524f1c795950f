# ruff: noqa: INP001 - benchmarks are files, not a package
"""How fast two sets of tensors are compared, beside a plain copy of them and beside Polygraphy, in one run.

    pytest benchmarks/test_metrics_speed.py

Both sets are 200 float32 tensors of 200704 elements, 153 MiB each. A rate counts the bytes of both sets.
What is asserted is ratios of times taken in one run, never a time.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from conformance.numerics.metrics import compare, compare_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    Tensors = list[np.ndarray[Any, np.dtype[np.float32]]]

TENSORS = 200
SHAPE = (56, 56, 64)
LEAST_TIMES_POLYGRAPHY = 50
LEAST_TIMES_POLYGRAPHY_FUNCTIONS = 2
MOST_TIMES_COPY = 20


class Sets(NamedTuple):
    """Goldens and results, each one stretch of memory that is seen as many tensors."""

    golden: np.ndarray[Any, np.dtype[np.float32]]
    result: np.ndarray[Any, np.dtype[np.float32]]

    @property
    def goldens(self) -> Tensors:
        """The goldens one by one."""
        return list(self.golden)

    @property
    def results(self) -> Tensors:
        """The results one by one."""
        return list(self.result)

    @property
    def nbytes(self) -> int:
        """Bytes of both sets."""
        return self.golden.nbytes + self.result.nbytes


@pytest.fixture(scope="module")
def sets() -> Sets:
    """Return results that differ from their goldens by a thousandth."""
    random = np.random.default_rng(0)
    golden = random.standard_normal((TENSORS, *SHAPE), dtype=np.float32)
    result = golden * np.float32(1.001)
    result += np.float32(1e-3)
    return Sets(golden, result)


@pytest.fixture(scope="module")
def copy_seconds(sets: Sets) -> float:
    """Return the best time in which NumPy copies both sets."""
    return _best_seconds(_copier(sets))


@pytest.fixture(scope="module")
def compare_seconds(sets: Sets) -> float:
    """Return the best time of comparing both sets, all tensors in one call."""
    return _best_seconds(lambda: compare_all(sets.goldens, sets.results))


@pytest.mark.benchmark(group="metrics of two 153 MiB sets")
@pytest.mark.parametrize(
    "how", ["all in one call", "one call per tensor", "as one tensor", "one row per tensor"]
)
def test_metrics(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], sets: Sets, copy_seconds: float, how: str
) -> None:
    """Compare both sets and hold the time against that of a copy."""
    calls: dict[str, Callable[[], object]] = {
        "all in one call": lambda: compare_all(sets.goldens, sets.results),
        "one call per tensor": lambda: [
            compare(*pair) for pair in zip(sets.golden, sets.result, strict=True)
        ],
        "as one tensor": lambda: compare(sets.golden, sets.result),
        "one row per tensor": lambda: compare(
            sets.golden.reshape(TENSORS, -1), sets.result.reshape(TENSORS, -1)
        ),
    }
    benchmark.pedantic(calls[how], rounds=5, warmup_rounds=1)
    seconds = _best_seconds(calls[how])
    _report(capsys, benchmark, f"metrics, {how}", sets, seconds, {"times a copy": seconds / copy_seconds})
    assert seconds < MOST_TIMES_COPY * copy_seconds


@pytest.mark.benchmark(group="metrics of two 153 MiB sets")
def test_copy(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], sets: Sets, copy_seconds: float
) -> None:
    """Copy both sets: what memory alone allows."""
    benchmark.pedantic(_copier(sets), rounds=5, warmup_rounds=1)
    _report(capsys, benchmark, "a copy", sets, copy_seconds, {})


@pytest.mark.benchmark(group="metrics of two 153 MiB sets")
def test_polygraphy(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], sets: Sets, compare_seconds: float
) -> None:
    """Compare both sets with Polygraphy as its documentation says: ``Comparator.compare_accuracy``.

    It also takes statistics of every tensor for its log, which is most of its time.
    """
    comparator = pytest.importorskip("polygraphy.comparator", reason="needs the extra 'bench' (Polygraphy)")
    runs = comparator.RunResults([(run.runner_name, [run]) for run in _polygraphy_runs(comparator, sets)])
    functions = _polygraphy_functions(comparator)

    def call() -> Any:
        return comparator.Comparator.compare_accuracy(runs, compare_func=functions)

    with _silent_polygraphy():
        benchmark.pedantic(call, rounds=1)
        seconds = _best_seconds(call, rounds=1)
    times = seconds / compare_seconds
    _report(capsys, benchmark, "Polygraphy, cosine + L2", sets, seconds, {"times the metrics": times})
    assert times >= LEAST_TIMES_POLYGRAPHY


@pytest.mark.benchmark(group="metrics of two 153 MiB sets")
def test_polygraphy_functions(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], sets: Sets, compare_seconds: float
) -> None:
    """Compare both sets with Polygraphy's two functions alone, without its comparator and its statistics.

    They give cosine and L2 in float32, where the metrics give five numbers in float64.
    """
    comparator = pytest.importorskip("polygraphy.comparator", reason="needs the extra 'bench' (Polygraphy)")
    golden, result = _polygraphy_runs(comparator, sets)
    functions = _polygraphy_functions(comparator)

    def call() -> list[Any]:
        return [function(golden, result) for function in functions]

    with _silent_polygraphy():
        benchmark.pedantic(call, rounds=3)
        seconds = _best_seconds(call)
        cosine, l2 = (found["0"] for found in call())
    ours = compare(sets.golden[0], sets.result[0])
    assert cosine.cosine_similarity == pytest.approx(ours.cosine, abs=1e-5)  # both computed the same things
    assert l2.l2_norm == pytest.approx((ours.mse * sets.golden[0].size) ** 0.5, rel=1e-4)
    times = seconds / compare_seconds
    _report(capsys, benchmark, "Polygraphy, functions alone", sets, seconds, {"times the metrics": times})
    assert times >= LEAST_TIMES_POLYGRAPHY_FUNCTIONS


def _copier(sets: Sets) -> Callable[[], None]:
    target = np.empty_like(sets.golden)

    def copy() -> None:
        np.copyto(target, sets.golden)
        np.copyto(target, sets.result)

    return copy


def _best_seconds(call: Callable[[], object], rounds: int = 5) -> float:
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
    return best


def _report(
    capsys: pytest.CaptureFixture[str],
    benchmark: BenchmarkFixture,
    what: str,
    sets: Sets,
    seconds: float,
    ratios: dict[str, float],
) -> None:
    rate = sets.nbytes / seconds / 1e9
    benchmark.extra_info.update({"GB/s": rate, **ratios})
    ratio = "".join(f", {value:.2f} {name}" for name, value in ratios.items())
    with capsys.disabled():
        print(f"\n{what}: {seconds * 1e3:.1f} ms, {rate:.2f} GB/s{ratio}")  # noqa: T201 - the benchmark's result


def _polygraphy_functions(comparator: Any) -> list[Any]:
    if not hasattr(comparator, "L2CompareFunc"):
        pytest.skip("needs a Polygraphy with CosineSimilarityCompareFunc and L2CompareFunc (0.53)")
    return [comparator.CosineSimilarityCompareFunc(), comparator.L2CompareFunc()]


def _polygraphy_runs(comparator: Any, sets: Sets) -> list[Any]:
    return [
        comparator.IterationResult({f"{i}": tensor for i, tensor in enumerate(tensors)}, runner_name=name)
        for name, tensors in (("golden", sets.golden), ("result", sets.result))
    ]


def _silent_polygraphy() -> Any:
    """Return a context without Polygraphy's log, so that printing is no part of its time."""
    from polygraphy.logger import G_LOGGER  # type: ignore[import-untyped]

    return G_LOGGER.verbosity(G_LOGGER.CRITICAL)
