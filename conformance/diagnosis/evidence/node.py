"""The evidence of one node: its tensors, and what is asked of them by its operator and the precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.diagnosis.evidence.cancellation import cancellation, large_exponents, large_factors
from conformance.diagnosis.evidence.half_range import overflow, small_addend, small_divisor, underflow
from conformance.diagnosis.evidence.quantization_step import (
    FixedPointTensor,
    coarse_step,
    outliers,
    rounding,
    saturation,
    uneven_channels,
)
from conformance.diagnosis.evidence.running_sum import Terms, half_sum, terms_by_axis, window_terms_by_axis
from conformance.diagnosis.evidence.statement import Reason, Tensor
from conformance.graph.frozen import data_inputs, output_index, producer
from conformance.graph.operators import AVERAGES, FIXED_POINT, SUMS, known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from conformance.diagnosis.evidence.statement import Array
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.graph.operators import Operator
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Goldens = Callable[[str], np.ndarray[Any, Any]]


class _Operand(NamedTuple):
    """A floating-point input of a node; its values are None where there is no golden."""

    role: str
    values: Array | None
    constant: bool


class _Subject(NamedTuple):
    """A node with its tensors, and what is known of its operator."""

    name: str
    node: Node
    operator: Operator
    output: Array | None
    operands: list[_Operand]


def evidence_of(
    node: str,
    graph: FrozenGraph,
    precision: Precision,
    scales: QuantizationScales,
    values: Goldens,
) -> list[Reason]:
    """Return what a node's golden numbers show of why it suffers at a precision, strongest first.

    Nothing here knows a device: a sentence says what these numbers suffer if, say, a sum is kept in half.

    Args:
        node: its name.
        graph: the network.
        precision: fixed-point × float width.
        scales: of the network's fixed-point tensors, of the precision's width.
        values: returns the golden of a node's first output; raises KeyError where there is none, and
            what would need it is left unsaid.

    Raises:
        UsageError: the node is not in the graph.
        ValueError: the scales are of another width than the precision.
    """
    if scales.bits != precision.fixed_bits:
        raise ValueError(f"scales of {scales.bits} bits say nothing of {precision}")
    subject = _subject(node, graph, values)
    found = [
        *_fixed_point(subject, scales),
        *_cancellation(subject, precision),
        *_magnification(subject, precision),
    ]
    if precision.float_bits == 16:
        found += [*_in_half(subject), *_sums(subject, graph)]
    return sorted((item for item in found if item is not None), key=lambda item: -item.strength)


def _subject(name: str, graph: FrozenGraph, values: Goldens) -> _Subject:
    node = graph.require(name)
    operands = [_operand(index, tensor, graph, values) for index, tensor in enumerate(data_inputs(node))]
    return _Subject(name, node, known(node.op), _golden(name, graph, values), operands)


def _operand(index: int, tensor: str, graph: FrozenGraph, values: Goldens) -> _Operand:
    constant = graph.constant(tensor)
    value = _golden(tensor, graph, values) if constant is None else constant
    return _Operand(f"operand {index} ({producer(tensor)})", _judgeable(value), constant is not None)


def _golden(tensor: str, graph: FrozenGraph, values: Goldens) -> np.ndarray[Any, Any] | None:
    """Return the golden of a tensor, or of the one that it hands on."""
    if output_index(tensor):
        return None
    try:
        return _judgeable(values(producer(tensor)))
    except KeyError:
        node = graph.nodes[producer(tensor)]
        return _golden(node.input[0], graph, values) if known(node.op).hands_on == "tensor" else None


def _judgeable(value: np.ndarray[Any, Any] | None) -> np.ndarray[Any, Any] | None:
    """Return floating-point values that are there, all finite; of others nothing is said."""
    if value is None or value.dtype.kind != "f" or not value.size or not np.isfinite(value).all():
        return None
    return value


def _in_half(subject: _Subject) -> Iterator[Reason | None]:
    """Say what halves cannot hold of a node's tensors; filters are fixed point and never halves."""
    if subject.output is not None:
        output = Tensor("the output", subject.output)
        yield overflow(subject.name, output)
        yield underflow(subject.name, output)
    fixed = subject.node.op in FIXED_POINT
    for index, (role, value, constant) in enumerate(subject.operands):
        if value is not None and not (constant and fixed):
            yield overflow(subject.name, Tensor(role, value))
            yield _small_operand(subject, index, Tensor(role, value))


def _small_operand(subject: _Subject, index: int, operand: Tensor) -> Reason | None:
    """Say what becomes of a small operand: of a constant that is added, by what it is added to."""
    divisor = subject.operator.divisor
    if divisor is not None and index == divisor.position:
        return small_divisor(subject.name, operand, divisor.power)
    if subject.operator.combines and subject.operands[index].constant:
        others = [item for item in subject.operands if item.role != operand.role]
        if len(others) != 1 or others[0].values is None:
            return None
        return small_addend(subject.name, operand, Tensor(others[0].role, others[0].values))
    return underflow(subject.name, operand)


def _sums(subject: _Subject, graph: FrozenGraph) -> list[Reason]:
    """Say what a reduction suffers if its running sum is kept in half."""
    mean = subject.operator.running_sum == "mean"
    return [item for terms in _terms(subject, graph) for item in half_sum(subject.name, terms, mean=mean)]


def _terms(subject: _Subject, graph: FrozenGraph) -> Iterable[Terms]:
    """Return what a reduction with constant axes, or an average pool, adds up; nothing of other operators."""
    node, values = subject.node, subject.operands[0].values if subject.operands else None
    if values is None or values.ndim == 0:
        return []
    if node.op in AVERAGES and not _channels_first(node):
        window, strides = (tuple(attribute(node, key).list.i)[1:3] for key in ("ksize", "strides"))
        return window_terms_by_axis(values, window, strides, same=attribute(node, "padding").s == b"SAME")
    if node.op not in SUMS or (axes := graph.constant(node.input[1])) is None:
        return []
    return terms_by_axis(values, [int(axis) for axis in np.atleast_1d(axes)])


def _cancellation(subject: _Subject, precision: Precision) -> Iterator[Reason | None]:
    """Say where a sum or difference is much smaller than its operands."""
    values = [item.values for item in subject.operands if item.values is not None]
    if not subject.operator.combines or len(values) != len(subject.operands):
        return
    if subject.operator.combines == "difference":
        yield cancellation(subject.name, values, np.subtract(*values), precision.float_bits)
    elif subject.output is not None and not _channels_first(subject.node):
        yield cancellation(subject.name, values, subject.output, precision.float_bits)


def _magnification(subject: _Subject, precision: Precision) -> Iterator[Reason | None]:
    """Say where a reciprocal or an exponential makes errors larger."""
    half = precision.float_bits == 16
    if (divisor := subject.operator.divisor) is not None:
        _, values, constant = subject.operands[divisor.position]
        if values is not None and not constant:
            yield large_factors(subject.name, values, divisor.power)
    if subject.operator.exponential and half:
        exponents = subject.operands[0].values
        if exponents is not None and subject.output is not None:
            yield large_exponents(subject.name, exponents, subject.output)


def _fixed_point(subject: _Subject, scales: QuantizationScales) -> Iterator[Reason | None]:
    """Say what fixed point does to the input and the filter of a convolution or matmul."""
    if subject.node.op not in FIXED_POINT:
        return
    for role, position in zip(("input", "filter"), subject.operator.data_arguments, strict=True):
        scale = scales.scales.get(f"{subject.name}/{role}")
        values = subject.operands[position].values
        if scale is None or values is None or not values.any():
            continue
        axes = _channel_axes(subject.node, role)
        tensor = FixedPointTensor(role, _columns(values, axes), scale, scales.bits)
        found = rounding(tensor)
        for claim in (coarse_step, saturation, outliers, uneven_channels):
            yield claim(subject.name, tensor, found)


def _channel_axes(node: Node, role: str) -> tuple[int, ...]:
    """Return the axes of an input's channels, or of a filter's output channels."""
    if role == "input":
        return (1,) if _channels_first(node) else (-1,)
    return known(node.op).output_channel_axes


def _columns(values: Array, axes: Iterable[int]) -> Array:
    """Return ``values`` as (rows, channels) with ``axes`` as the channels."""
    if values.ndim == 1:
        return values.reshape(-1, 1)
    last = [axis % values.ndim for axis in axes]
    first = [axis for axis in range(values.ndim) if axis not in last]
    rows = int(np.prod([values.shape[axis] for axis in first], dtype=np.int64))
    columns: Array = values.transpose(*first, *last).reshape(rows, -1)
    return columns


def _channels_first(node: Node) -> bool:
    return "data_format" in node.attr and bool(attribute(node, "data_format").s.startswith(b"NC"))
