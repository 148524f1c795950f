"""The enclosure of one node of a cut graph: its exact value and radius, from goldens that it is fed with."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.expected.enclosing.batch_norms import normalised
from conformance.expected.enclosing.elementwise import chosen, computed, moved
from conformance.expected.enclosing.fixed_point import FixedPointRule
from conformance.expected.enclosing.products import multiplied_up
from conformance.expected.enclosing.resizing import resized
from conformance.expected.enclosing.sums import LARGEST, SUMMING, largest
from conformance.expected.enclosing.tensors import Enclosed, FloatType, Tensor, applied, is_float
from conformance.graph.dataflow import topological
from conformance.graph.execution import array_of_tensor
from conformance.graph.frozen import INPUT_OPERATORS, data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.loading import tensor_from
from conformance.graph.operators import CONTROL_FLOW, ELEMENTWISE, EXACT, FIXED_POINT, MOVEMENT, known
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Rule = Callable[[Node, Sequence[Enclosed], FloatType], list[Enclosed]]

Array = np.ndarray[Any, Any]
HALF = 16
SMALLEST_NORMAL_HALF_BITS = 0x38800000
"""Of 2^-14 as a float32."""
PIECE = 1 << 16
"""Numbers that are looked at together, so that what is worked out of them stays in a core's own cache."""
SORTING = frozenset({"TopK", "TopKV2"})
MULTIPLYING = frozenset({"Prod"})
"""Has a rule, though the emulator does not model in which order a card multiplies."""
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank"})
BATCH_NORMS = frozenset({"FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"})
RESIZES = frozenset({"ResizeBicubic", "ResizeBilinear"})


class Enclosure(NamedTuple):
    """What right devices may give: within ``radius`` of ``value`` before it is stored; float64.

    Attributes:
        value: of an ideal device, before its last rounding.
        radius: by how much right devices may differ from it.
        chance: of a function, the part of the radius that may go one way everywhere, and the standard
            deviation of the other, which is roundings; None of anything else.
    """

    value: Array
    radius: Array
    chance: tuple[Array, Array] | None = None


def enclosure(
    part: FrozenGraph,
    feeds: Mapping[str, Array],
    precision: Precision,
    scales: QuantizationScales,
    sum_factor: float,
    *,
    fixed_point: Rule | None = None,
) -> Enclosure:
    """Return the enclosure of the output of a cut graph, in which a node is fed with goldens.

    Args:
        part: the graph, in which nothing is :func:`unenclosed`.
        feeds: goldens and network inputs, by placeholder.
        precision: fixed-point × float width.
        scales: of the fixed-point operators.
        sum_factor: lambda of the allowance for sums.
        fixed_point: another rule for fixed-point operators, such as that of a device with a fault.
    """
    found = _Enclosing(part, precision, scales, sum_factor, fixed_point).enclosed(feeds)
    value = array_of_tensor(found.value)
    radius = np.zeros_like(value) if found.radius is None else array_of_tensor(found.radius)
    if found.chance is None:
        return Enclosure(value, np.broadcast_to(radius, value.shape))
    steady, deviation = map(array_of_tensor, found.chance)
    return Enclosure(value, radius, (steady, deviation))


def unenclosed(nodes: Iterable[Node]) -> str:
    """Return the first operator of these nodes for which nothing is derived, or ''."""
    for node in nodes:
        if node.op in SHAPES or node.op in INPUT_OPERATORS or node.op == "Const":
            continue
        modelled = known(node.op).emulation is not None and node.op not in CONTROL_FLOW
        if not (modelled or node.op in MULTIPLYING) or node.op not in RULED or _beyond_rules(node):
            return str(node.op)
    return ""


def _beyond_rules(node: Node) -> bool:
    """Whether a node of an operator with a rule trains, or makes integers of floats, which jump."""
    if node.op in BATCH_NORMS:
        return bool(attribute(node, "is_training").b)
    if node.op != "Cast":
        return False
    tf = tensorflow()
    source, made = (tf.as_dtype(attribute(node, key).type) for key in ("SrcT", "DstT"))
    return bool(source.is_floating and not made.is_floating)


class _Enclosing:
    """Works out the enclosure of the output of a cut graph."""

    def __init__(
        self,
        part: FrozenGraph,
        precision: Precision,
        scales: QuantizationScales,
        sum_factor: float,
        fixed_point: Rule | None,
    ) -> None:
        self._part, self._kind = part, FloatType(precision.float_bits)
        self._fixed_point = fixed_point or FixedPointRule(scales.bits, scales.scales, sum_factor)
        self._factor = sum_factor

    def enclosed(self, feeds: Mapping[str, Array]) -> Enclosed:
        """Return the output on these feeds."""
        made: dict[str, list[Enclosed]] = {}
        filters, (output,) = self._filters(), self._part.outputs
        for name in self._read_by(output):
            node = self._part.nodes[name]
            if node.op in INPUT_OPERATORS:
                made[name] = [self._stored(feeds[name])]
            elif node.op == "Const":
                made[name] = [] if name in filters else [self._constant(name)]
            else:
                made[name] = self._rule(node)(node, self._inputs(node, made), self._kind)
        return made[output][0]

    def _read_by(self, output: str) -> list[str]:
        """Return the nodes whose values the output depends on, producers first, not what just runs before."""
        needed, waiting = {output}, [output]
        while waiting:
            sources = {producer(tensor) for tensor in data_inputs(self._part.nodes[waiting.pop()])}
            waiting += sources - needed
            needed |= sources
        return [name for name in topological(self._part) if name in needed]

    def _inputs(self, node: Node, made: Mapping[str, Sequence[Enclosed]]) -> list[Enclosed]:
        tf = tensorflow()
        inputs = []
        filter_at = known(node.op).data_arguments[1] if node.op in FIXED_POINT else None
        for index, tensor in enumerate(data_inputs(node)):
            value = self._part.constant(tensor) if index == filter_at else None
            if value is not None:
                inputs.append(Enclosed(tf.constant(value.astype(np.float64))))
            else:
                inputs.append(made[producer(tensor)][output_index(tensor)])
        return inputs

    def _filters(self) -> set[str]:
        """Return the constants that fixed-point operators alone read: they are quantised as they are."""
        readers: dict[str, list[bool]] = {}
        for node in self._part.nodes.values():
            for index, tensor in enumerate(data_inputs(node)):
                quantised = node.op in FIXED_POINT and index == known(node.op).data_arguments[1]
                readers.setdefault(producer(tensor), []).append(quantised)
        return {name for name, found in readers.items() if all(found)}

    def _stored(self, array: Array) -> Enclosed:
        """Return a fed tensor as right devices store it: ties go either way, what is tiny may be zero."""
        tf = tensorflow()
        tensor = tensor_from(np.asarray(array))
        if not tensor.dtype.is_floating:
            return Enclosed(tensor)
        if self._kind.bits != HALF:
            return Enclosed(tf.cast(tensor, tf.float64))
        nearest = tf.cast(tf.cast(tensor, tf.float16), tf.float64)
        apart = _apart_at_ties(np.asarray(array, np.float32, order="C"))  # a scalar stays one
        return Enclosed(nearest, apart)

    def _constant(self, name: str) -> Enclosed:
        value = self._part.constant(name)
        assert value is not None, "it is a constant"
        if self._part.nodes[name].attr["dtype"].type == tensorflow().float32:
            return self._stored(value.astype(np.float32))
        return Enclosed(tensorflow().constant(value))

    def _rule(self, node: Node) -> Rule:
        rules: tuple[tuple[frozenset[str], Rule], ...] = (
            (FIXED_POINT, self._fixed_point),
            (frozenset(SUMMING), functools.partial(_summing, factor=self._factor)),
            (LARGEST, largest),
            (MULTIPLYING, multiplied_up),
            (SHAPES, _shape),
            (frozenset({"Cast"}), _converted),
            (BATCH_NORMS, normalised),
            (RESIZES, resized),
            (MOVEMENT, moved),
            (ELEMENTWISE & EXACT, chosen),
            (ELEMENTWISE, computed),
        )
        return next(rule for operators, rule in rules if node.op in operators)


def _summing(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    return SUMMING[node.op](node, inputs, kind, factor=factor)


def _apart_at_ties(array: Array) -> Tensor | None:
    """Return how far apart the two halves are that a float32 may be rounded to; None if there is no tie.

    Below the normal halves two neighbours are taken for every number.
    """
    flat = array.reshape(-1)
    pieces = [start + _ties(flat[start : start + PIECE]) for start in range(0, flat.size, PIECE)]
    places = np.concatenate([np.empty(0, np.int64), *pieces])
    if not places.size:
        return None
    exponents = np.frexp(np.abs(flat[places]))[1]
    apart = np.maximum(np.ldexp(1.0, exponents - 11), 2.0**-24)
    tf = tensorflow()
    return tf.reshape(tf.scatter_nd(places[:, None], apart, [flat.size]), array.shape)


def _ties(flat: Array) -> Array:
    """Return where float32 numbers lie between two halves, or below the normal ones."""
    bits = flat.view(np.int32)
    tie = (bits & 0x1FFF) == 0x1000
    tie |= ((bits & 0x7FFFFFFF) - 1).view(np.uint32) < SMALLEST_NORMAL_HALF_BITS - 1  # zero is above
    return np.flatnonzero(tie)


def _shape(node: Node, inputs: Sequence[Enclosed], _: FloatType) -> list[Enclosed]:
    return [Enclosed(value) for value in applied(node, [item.value for item in inputs])]


def _converted(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what a cast makes: of floats the same, of integers what has to be stored."""
    if is_float(inputs[0].value):
        return moved(node, inputs, kind)
    (value,) = applied(node, [inputs[0].value])
    return [Enclosed(value, None, pending=is_float(value))]


RULED = (
    FIXED_POINT
    | LARGEST
    | MULTIPLYING
    | MOVEMENT - SORTING
    | ELEMENTWISE
    | BATCH_NORMS
    | RESIZES
    | frozenset(SUMMING)
)
