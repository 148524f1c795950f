"""Two probes held against each other: what changed in a device's arithmetic."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.probing.result import Answer, Probe

OPERATORS: dict[str, tuple[str, ...]] = {
    "fixed_point_rounding": ("Conv2D", "MatMul"),
    "fixed_point_range": ("Conv2D", "MatMul"),
    "fixed_point_scale": ("Conv2D", "MatMul"),
    "convolution_sums": ("Conv2D", "MatMul"),
    "depthwise_convolution": ("DepthwiseConv2dNative",),
    "half_products": ("Mul", "Square", "SquaredDifference"),
    "reduction_sum": ("Mean", "Sum", "AvgPool", "Softmax"),
    "reduction_order": ("Mean", "Sum", "AvgPool"),
    "average_pool_sum": ("AvgPool",),
    "batch_norm_steps": ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"),
    "resize_steps": ("ResizeBilinear", "ResizeBicubic"),
    "resize_nearest": ("ResizeNearestNeighbor",),
    "softmax_steps": ("Softmax",),
    "softmax_maximum": ("Softmax",),
    "real_div": ("RealDiv", "Div"),
    "round": ("Round",),
    "top_k_unsorted": ("TopK", "TopKV2"),
    "crop_and_resize": ("CropAndResize",),
    "tanh": ("Tanh",),
}
"""The operators whose results a switch decides; one that is not here decides many."""


class Changed(NamedTuple):
    """Something that two probes found differently.

    Attributes:
        subject: a switch, or the subject of a property.
        operators: whose results it decides; empty for many.
        before, after: what was found.
        precisions: at which; empty for all.
    """

    subject: str
    operators: tuple[str, ...]
    before: str
    after: str
    precisions: tuple[str, ...] = ()


def changes(before: Probe, after: Probe) -> list[Changed]:
    """Return what changed between two probes, switches first."""
    return [*_switches(before, after), *_properties(before, after)]


def _switches(before: Probe, after: Probe) -> Iterable[Changed]:
    for answer in after.answers:
        old = before.answer(answer.switch)
        if old is not None and (old.state, old.values) != (answer.state, answer.values):
            yield Changed(answer.switch, OPERATORS.get(answer.switch, ()), _words(old), _words(answer))


def _words(answer: Answer) -> str:
    if answer.values:
        return " = ".join(answer.values)
    return {"none": "none of the alternatives", "rests": "open", "lost": "no result"}.get(answer.state, "?")


def _properties(before: Probe, after: Probe) -> Iterable[Changed]:
    """Yield what is said otherwise of a subject, the precisions of a pair of words together."""
    found: dict[tuple[str, str, str], list[str]] = collections.defaultdict(list)
    for item in after.properties:
        for precision in item.precisions:
            old = before.property_of(item.subject, precision)
            if old is not None and old.words != item.words:
                found[item.subject, old.words, item.words].append(precision)
    for (subject, *words), precisions in found.items():
        yield Changed(subject, (subject,), words[0], words[1], tuple(precisions))
