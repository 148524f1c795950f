"""The enclosure of one node of a cut graph: its exact value and radius, from goldens that it is fed with."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance.devices.emulator import kernels
from conformance.expected.enclosing.elementwise import chosen, computed, moved
from conformance.expected.enclosing.fixed_point import FixedPointRule
from conformance.expected.enclosing.sums import LARGEST, SUMMING, largest
from conformance.expected.enclosing.tensors import Enclosed, FloatType, Unenclosed, applied, is_float
from conformance.graph.dataflow import topological
from conformance.graph.execution import array_of_tensor
from conformance.graph.frozen import INPUT_OPERATORS, data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import CONTROL_FLOW, ELEMENTWISE, EXACT, FIXED_POINT, MOVEMENT, known
from conformance.graph.retype import to_float64
from conformance.numerics.half import round_to_half

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Rule = Callable[[Node, Sequence[Enclosed], FloatType], list[Enclosed]]

Array = np.ndarray[Any, Any]
HALF = 16
SHAPES = frozenset({"Shape", "ShapeN", "Size", "Rank"})


class Enclosure(NamedTuple):
    """What right devices may give: within ``radius`` of ``value`` before it is stored; float64."""

    value: Array
    radius: Array


def unenclosed(part: FrozenGraph) -> str:
    """Return the first operator of a graph for which nothing is derived, or ''."""
    narrow = set(to_float64(part)[1])
    for node in part.nodes.values():
        if node.op in SHAPES or node.op in INPUT_OPERATORS or node.op == "Const":
            continue
        modelled = known(node.op).emulation is not None and node.op not in CONTROL_FLOW
        if not modelled or node.name in narrow or node.op not in RULED:
            return str(node.op)
    return ""


class NodeEnclosure:
    """The enclosure of the output of a cut graph, ready to run on one sample after the other.

    Args:
        part: the graph of one node, in which it is fed with goldens.
        precision: fixed-point × float width.
        scales: of the fixed-point operators.
        factor: lambda of Higham and Mary.
        ideal: the ideal profile, by whose rules the feeds are stored, and another right one.
    """

    def __init__(
        self,
        part: FrozenGraph,
        precision: Precision,
        scales: QuantizationScales,
        factor: float,
        ideal: tuple[Profile, Profile],
    ) -> None:
        tf = tensorflow()
        self._part, self._wide = part, to_float64(part)[0]
        self._kind, self._profiles = FloatType(precision.float_bits), ideal
        self._fixed_point = FixedPointRule(scales.bits, dict(scales.scales), factor)
        self._factor = factor
        self.feeds = part.inputs
        specs = [
            tf.TensorSpec(None, tf.as_dtype(part.nodes[name].attr["dtype"].type), name=f"feed_{index}")
            for index, name in enumerate(self.feeds)
        ]
        self._run = tf.compat.v1.wrap_function(self._load, specs)

    def __call__(self, feeds: Mapping[str, Array]) -> Enclosure:
        """Return the enclosure on these feeds."""
        tf = tensorflow()
        value, radius = self._run(*(tf.constant(feeds[name]) for name in self.feeds))
        return Enclosure(array_of_tensor(value), array_of_tensor(radius))

    def _load(self, *placed: Any) -> list[Any]:
        tf = tensorflow()
        fed = dict(zip(self.feeds, placed, strict=True))
        made: dict[str, list[Enclosed]] = {}
        filters = self._filters()
        for name in topological(self._wide):
            node = self._wide.nodes[name]
            if node.op in INPUT_OPERATORS:
                made[name] = [self._stored(fed[name])]
            elif node.op == "Const":
                made[name] = [] if name in filters else [self._constant(name)]
            else:
                made[name] = self._rule(node)(node, self._inputs(node, made), self._kind)
        (output,) = self._wide.outputs
        found = made[output][0]
        radius = tf.zeros_like(found.value) if found.radius is None else found.radius
        return [found.value, radius + tf.zeros_like(found.value)]

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
        for node in self._wide.nodes.values():
            for index, tensor in enumerate(data_inputs(node)):
                quantised = node.op in FIXED_POINT and index == known(node.op).data_arguments[1]
                readers.setdefault(producer(tensor), []).append(quantised)
        return {name for name, found in readers.items() if all(found)}

    def _stored(self, tensor: Any) -> Enclosed:
        """Return a fed tensor as right devices store it."""
        tf = tensorflow()
        if not tensor.dtype.is_floating:
            return Enclosed(tensor)
        wide = tf.cast(tensor, tf.float64)
        if self._kind.bits != HALF:
            return Enclosed(wide)
        one, other = (kernels.round_to_half(wide, profile) for profile in self._profiles)
        return Enclosed(one, tf.abs(one - other))

    def _constant(self, name: str) -> Enclosed:
        tf = tensorflow()
        value = self._part.constant(name)
        assert value is not None, "it is a constant"
        if value.dtype != np.float32 or self._kind.bits != HALF:
            wide = value.astype(np.float64) if value.dtype.kind == "f" else value
            return Enclosed(tf.constant(wide))
        one = round_to_half(value, ties="even", overflow="inf", tiny="nearest").astype(np.float64)
        other = round_to_half(value, ties="away", overflow="inf", tiny="smallest").astype(np.float64)
        apart = np.abs(one - other)
        return Enclosed(tf.constant(one), tf.constant(apart) if apart.any() else None)

    def _rule(self, node: Node) -> Rule:
        rules: tuple[tuple[frozenset[str], Rule], ...] = (
            (FIXED_POINT, self._fixed_point),
            (frozenset(SUMMING), functools.partial(_summing, factor=self._factor)),
            (LARGEST, largest),
            (SHAPES, _shape),
            (frozenset({"Cast"}), _converted),
            (MOVEMENT, moved),
            (ELEMENTWISE & EXACT, chosen),
            (ELEMENTWISE, computed),
        )
        return next(rule for operators, rule in rules if node.op in operators)


def _summing(node: Node, inputs: Sequence[Enclosed], kind: FloatType, *, factor: float) -> list[Enclosed]:
    return SUMMING[node.op](node, inputs, kind, factor=factor)


def _shape(node: Node, inputs: Sequence[Enclosed], _: FloatType) -> list[Enclosed]:
    return [Enclosed(value) for value in applied(node, [item.value for item in inputs])]


def _converted(node: Node, inputs: Sequence[Enclosed], kind: FloatType) -> list[Enclosed]:
    """Return what a cast makes: of floats the same, of integers what has to be stored."""
    if is_float(inputs[0].value):
        return moved(node, inputs, kind) if is_float(applied(node, [inputs[0].value])[0]) else _refused(node)
    (value,) = applied(node, [inputs[0].value])
    return [Enclosed(value, None, pending=is_float(value))]


def _refused(node: Node) -> list[Enclosed]:
    raise Unenclosed(node.op)


RULED = FIXED_POINT | LARGEST | MOVEMENT | ELEMENTWISE | frozenset(SUMMING)
