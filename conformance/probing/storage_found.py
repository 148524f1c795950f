"""How a device stores numbers, in words: roundings, ends of the range, special values, repeats, places."""

from __future__ import annotations

import dataclasses
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.probing.accumulators import ROUNDING_WORDS
from conformance.probing.experiments.elementwise import format_of
from conformance.probing.experiments.storage import SPECIAL
from conformance.probing.formats import DOUBLE, HALF, ROUNDINGS, SINGLE, Format
from conformance.probing.result import Property

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from conformance.probing.guess import Guess
    from conformance.probing.measuring import Measured

    Array = np.ndarray[Any, Any]

OVERFLOW_WORDS = {"saturate": "saturating", "inf": "infinite beyond the largest"}
TINY_WORDS = {
    "nearest": "subnormals kept",
    "smallest": "what is below the smallest becomes the smallest",
    "zero": "subnormals are zero",
}


class _Stored(NamedTuple):
    """Where numbers are stored: the exact ones, by the fetch that shows what becomes of them."""

    subject: str
    exact: Mapping[str, Callable[[Mapping[str, Array], str], Array]]


def _fed(inputs: Mapping[str, Array], name: str) -> Array:
    return inputs[f"{name}/x"].astype(np.float64)


def _sum(inputs: Mapping[str, Array], name: str) -> Array:
    return inputs[f"{name}/x"].astype(np.float64) + inputs[f"{name}/y"]


def _product(inputs: Mapping[str, Array], name: str) -> Array:
    return inputs[f"{name}/x"].astype(np.float64) * inputs[f"{name}/y"]


STORED = (
    _Stored("what is fed", {"conversion": _fed, "conversion-more": _fed}),
    _Stored("results of Add", {"add-ties": _sum, "add-overflow": _sum}),
    _Stored("results of Mul", {"mul": _product, "mul-tiny": _product}),
)


def found(run: Measured, guess: Guess) -> Iterator[Property]:
    """Yield what is seen of storage at one precision; ``guess`` is not needed for it."""
    for stored in STORED:
        yield from _roundings(run, stored)
    yield from _contraction(run)
    yield from _fusion(run)
    yield from _special(run)
    yield from _repeats(run)
    yield from _places(run)
    del guess


def _roundings(run: Measured, stored: _Stored) -> Iterator[Property]:
    """Yield how numbers are rounded: the format that gives all that was seen."""
    there = [fetch for fetch in stored.exact if fetch in run.results]
    if not there:
        return
    exact = np.concatenate([stored.exact[fetch](run.inputs, fetch) for fetch in there])
    result = np.concatenate([run.results[fetch] for fetch in there])
    words = _rounding_words(exact, result, run, there)
    yield Property(subject=stored.subject, precisions=[str(run.precision)], words=words)


def _rounding_words(exact: Array, result: Array, run: Measured, fetches: list[str]) -> str:
    if (form := _format(exact, result, run)) is not None:
        return _in_words(form, exact)
    if np.array_equal(DOUBLE.round(exact), result):
        return "not rounded"
    if unlike := _unlike(exact, result):
        return f"stochastic: equal numbers become different ones: {unlike}"
    if set(fetches) & set(run.unstable):
        return "stochastic: other bits when it is run again"
    at = int(np.flatnonzero(format_of(run.precision).round(exact) != result)[0])
    return f"none of the roundings known here: {exact[at]:.9g} becomes {result[at]:.9g}"


def _candidates(form: Format) -> Iterator[Format]:
    for rounding, overflow, tiny in itertools.product(
        ROUNDINGS, ("inf", "saturate"), ("nearest", "smallest", "zero")
    ):
        yield dataclasses.replace(form, rounding=rounding, overflow=overflow, tiny=tiny)  # type: ignore[arg-type]


def form_of(run: Measured) -> Format | None:
    """Return what results are stored as, seen from sums of two; None where that is none of the known ways."""
    stored = STORED[1]
    if any(fetch not in run.results for fetch in stored.exact):
        return None
    exact = np.concatenate([of(run.inputs, fetch) for fetch, of in stored.exact.items()])
    return _format(exact, np.concatenate([run.results[fetch] for fetch in stored.exact]), run)


def _format(exact: Array, result: Array, run: Measured) -> Format | None:
    for base in dict.fromkeys((format_of(run.precision), SINGLE)):
        for candidate in _candidates(base):
            if np.array_equal(candidate.round(exact), result, equal_nan=True):
                return candidate
    return None


def _in_words(form: Format, exact: Array) -> str:
    """Return a format in words; of its ends those that numbers came to."""
    said = ["halves" if form.digits == HALF.digits else "float32", f"rounded {ROUNDING_WORDS[form.rounding]}"]
    magnitudes = np.abs(exact[np.isfinite(exact)])
    if np.any(magnitudes > form.largest):
        said.append(OVERFLOW_WORDS[form.overflow])
    if np.any((magnitudes > 0) & (magnitudes < 2.0**form.least)):
        said.append(TINY_WORDS[form.tiny])
    return ", ".join(said)


def _unlike(exact: Array, result: Array) -> str:
    """Return an exact number that became different ones in one run; '' where none did."""
    seen: dict[float, float] = {}
    for number, became in zip(exact, result, strict=True):
        first = seen.setdefault(float(number), float(became))
        if first != became and not (np.isnan(first) or np.isnan(became)):
            return f"{number:.9g} becomes {first:.9g} and {became:.9g}"
    return ""


def _contraction(run: Measured) -> Iterator[Property]:
    """Yield whether a product that is added comes in one rounding with the sum."""
    if (result := run.results.get("contracted")) is None:
        return
    x, y, z = (run.inputs[f"contracted/{letter}"].astype(np.float64) for letter in "xyz")
    form = format_of(run.precision)
    rounded = [dataclasses.replace(form, rounding=rounding) for rounding in ROUNDINGS]
    words = "neither stored before it is added nor added exactly"
    if any(np.array_equal(result, how.round(how.round(x * y) + z)) for how in rounded):
        words = "stored before it is added"
    elif any(np.array_equal(result, how.round(x * y + z)) for how in rounded):
        words = "added as it is: one rounding for both (a fused multiply-add, or kept wide)"
    yield Property(
        subject="a product in one program with a sum", precisions=[str(run.precision)], words=words
    )


def _fusion(run: Measured) -> Iterator[Property]:
    """Yield whether fusion changes results."""
    fused, broken = run.results.get("fused"), run.results.get("unfused")
    if fused is None or broken is None:
        return
    if np.array_equal(fused, broken):
        words = "the same bits as with the sum in between fetched"
    else:
        at = int(np.flatnonzero(fused != broken)[0])
        words = f"other bits than with the sum in between fetched: {fused[at]:g} for {broken[at]:g}"
    yield Property(subject="fused (x + y) − x", precisions=[str(run.precision)], words=words)


def _special(run: Measured) -> Iterator[Property]:
    """Yield what becomes of special values in each operator that gets them."""
    for name, subject in (
        ("special-identity", "Identity"),
        ("special-relu", "Relu"),
        ("special-maximum", "Maximum(x, -1)"),
        ("special-mul", "Mul by 1"),
    ):
        if (result := run.results.get(name)) is not None and result.size >= len(SPECIAL):
            became = ", ".join(
                f"{_number(value)} → {_number(seen)}" for value, seen in zip(SPECIAL, result, strict=False)
            )
            yield Property(
                subject=f"special values in {subject}", precisions=[str(run.precision)], words=became
            )


def _number(value: float) -> str:
    if value and abs(value) < 2.0**-14:
        return f"{'-' if value < 0 else ''}2^{np.log2(abs(value)):g}"
    return f"{value:g}"


def _repeats(run: Measured) -> Iterator[Property]:
    """Yield whether results are the same when they are computed again."""
    if not run.results:
        return
    words = "the same bits"
    if run.unstable:
        words = f"other bits in {len(run.unstable)} of {len(run.results)} results, such as {run.unstable[0]}"
    yield Property(subject="run again", precisions=[str(run.precision)], words=words)


def _places(run: Measured) -> Iterator[Property]:
    """Yield whether a result depends on its place in a batch."""
    differing = []
    for name, subject in (("places-sum", "Sum"), ("places-matmul", "MatMul"), ("places-exp", "Exp")):
        result = run.results.get(name)
        if result is not None and np.any(result != result[:1]):
            differing.append(subject)
    if any(name.startswith("places-") for name in run.results):
        words = f"other bits in {', '.join(differing)}" if differing else "the same bits in Sum, MatMul, Exp"
        yield Property(subject="places of a batch", precisions=[str(run.precision)], words=words)
