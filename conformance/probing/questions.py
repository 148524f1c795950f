"""The questions of a probe: for each switch of the profile, which results decide it."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.experiments import choices, elementwise, fixed_point, steps, sums

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.precision import Precision
    from conformance.probing.guess import Guess

    Array = np.ndarray[Any, Any]
    Prediction = Callable[[Guess, Mapping[str, Array], str], Array]


def _at_all(_: Precision) -> bool:
    return True


def _at_fp16(precision: Precision) -> bool:
    return precision.float_bits == 16


def _at_fp32(precision: Precision) -> bool:
    return precision.float_bits == 32


def _with_wide_products(precision: Precision) -> bool:
    return precision.fixed_bits == 16 and precision.float_bits == 32


@dataclasses.dataclass(frozen=True)
class Observable:
    """A fetched node, what is predicted of it, and at which precisions it is there.

    Attributes:
        fetch: the node.
        predict: returns its result under a guess.
        what: what it is, in a few words.
        at: says whether a precision has it.
        seen: what counts of the result.
    """

    fetch: str
    predict: Prediction
    what: str
    at: Callable[[Precision], bool] = _at_all
    seen: Callable[[Array], Array] = np.asarray


@dataclasses.dataclass(frozen=True)
class Question:
    """What decides one switch."""

    switch: str
    observables: tuple[Observable, ...]


def _scaled(index: int) -> Observable:
    predict = functools.partial(fixed_point.multiplied_by_one, scale=fixed_point.SCALES[index])
    return Observable(f"scale-{index}", predict, f"a matmul by 1 with scale {fixed_point.SCALES[index]}")


def _by_one(name: str) -> tuple[Observable, ...]:
    predict = fixed_point.multiplied_by_one
    return (
        Observable(name, predict, "a matmul by 1"),
        Observable(f"conv-{name}", predict, "a convolution by 1"),
    )


QUESTIONS = (
    Question("half_rounding", (Observable("add-ties", elementwise.sums, "Add", _at_fp16),)),
    Question("half_overflow", (Observable("add-overflow", elementwise.sums, "Add", _at_fp16),)),
    Question("half_products", (Observable("mul", elementwise.products, "Mul", _at_fp16),)),
    Question("half_tiny", (Observable("mul-tiny", elementwise.products, "Mul", _at_fp16),)),
    Question("fixed_point_range", _by_one("ends")),
    Question("fixed_point_rounding", _by_one("ties")),
    Question("fixed_point_scale", tuple(map(_scaled, range(len(fixed_point.SCALES))))),
    Question(
        "depthwise_convolution",
        (Observable("depthwise", fixed_point.depthwise, "a depthwise convolution by 1"),),
    ),
    Question(
        "convolution_sums",
        (
            Observable("matmul-sums", fixed_point.matmul_sums, "a matmul of 192 terms"),
            Observable("conv-sums", fixed_point.convolution_sums, "a convolution of 9 × 1024 terms"),
            Observable("wide-sums", fixed_point.matmul_sums, "a matmul of 192 terms", _with_wide_products),
        ),
    ),
    Question(
        "reduction_sum",
        (
            Observable("sum", sums.totals, "Sum of 64 terms"),
            Observable("mean", sums.means, "Mean of 64 terms"),
        ),
    ),
    Question("reduction_order", (Observable("order", sums.ordered, "Sum over two axes"),)),
    Question(
        "average_pool_sum",
        (
            Observable("short-pool", sums.pooled, "AvgPool of 16 terms"),
            Observable("long-pool", sums.pooled, "AvgPool of 64 terms"),
        ),
    ),
    Question("real_div", (Observable("div", elementwise.quotients, "RealDiv"),)),
    Question("batch_norm_steps", (Observable("batch-norm", steps.batch_norm, "a batch normalisation"),)),
    Question("resize_steps", (Observable("resize", steps.resized, "linear interpolation"),)),
    Question("resize_nearest", (Observable("nearest", choices.nearest, "the nearest pixels of 4"),)),
    Question("top_k_unsorted", (Observable("top", choices.top, "TopKV2", seen=np.sort),)),
    Question("crop_and_resize", (Observable("crop", choices.cropped, "CropAndResize"),)),
    Question("round", (Observable("round", elementwise.rounds, "Round"),)),
    Question("tanh", (Observable("tanh", elementwise.tanhs, "Tanh"),)),
    Question(
        "fused_intermediates",
        (Observable("fused", elementwise.differences, "(x + y) − x in one program", _at_fp16),),
    ),
    Question("arithmetic", (Observable("add-three", elementwise.sums_of_three, "AddN of three"),)),
    Question(
        "softmax_maximum",
        (Observable("large-softmax", sums.large_shares, "Softmax of 64 times 800", seen=sums.overflowed),),
    ),
    Question("softmax_steps", (Observable("softmax", sums.shares, "Softmax of 64 terms"),)),
)
"""In the order in which they are answered: a later prediction may rest on earlier answers."""

EXPERIMENTS = (
    *elementwise.EXPERIMENTS,
    *fixed_point.EXPERIMENTS,
    *sums.EXPERIMENTS,
    *steps.EXPERIMENTS,
    *choices.EXPERIMENTS,
)
"""What all of them need."""
