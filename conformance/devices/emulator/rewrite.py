"""Rewriting a graph so that TensorFlow computes it as the MLU would, one operator at a time.

Every node keeps its name; what takes it over stands under ``<name>/…``. The result is an ordinary graph,
which can be saved and looked at.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator import kernels
from conformance.devices.emulator.fixed_point import FixedPoint
from conformance.devices.emulator.library import Library
from conformance.devices.emulator.partial_sums import HalfPartialSums
from conformance.errors import UsageError
from conformance.graph.dataflow import TensorType, tensor_types
from conformance.graph.editing import cast, constant, copied
from conformance.graph.frozen import INPUT_OPERATORS, FrozenGraph, Node, output_index, producer
from conformance.graph.operators import ELEMENTWISE, EXACT, FIXED_POINT, MOVEMENT, SUMS, TRANSCENDENTAL
from conformance.graph.retype import to_float64
from conformance.graph.tensorflow import tensorflow
from conformance.numerics.half import round_to_half

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales


@dataclasses.dataclass(frozen=True)
class EmulatedGraph:
    """A rewritten graph and the nodes whose numerics the emulator does not model: they ran in float."""

    graph: FrozenGraph
    unmodelled: tuple[str, ...]


def emulate(
    graph: FrozenGraph,
    fetches: Sequence[str],
    *,
    precision: Precision,
    scales: QuantizationScales,
    profile: Profile,
    fuse: bool,
) -> EmulatedGraph:
    """Return ``graph`` rewritten to the numerics of ``profile`` at ``precision``.

    Args:
        graph: the network, whole or cut.
        fetches: nodes that will be fetched; fusion is broken there.
        precision: fixed-point × float width.
        scales: a scale per fixed-point operator's input and filter.
        profile: the numeric switches.
        fuse: whether intermediates may stay on chip, as the profile's ``fused_intermediates`` says.
    """
    if scales.bits != precision.fixed_bits:
        raise UsageError(f"quantisation scales are for {scales.bits} bits, but the precision is {precision}")
    return _Rewriter(graph.prune(fetches), set(fetches), precision, scales, profile, fuse).rewritten()


class _Rewriter:
    def __init__(
        self,
        graph: FrozenGraph,
        fetches: set[str],
        precision: Precision,
        scales: QuantizationScales,
        profile: Profile,
        fuse: bool,  # noqa: FBT001
    ) -> None:
        wide = profile.arithmetic == "float64"
        self.graph, narrow = to_float64(graph) if wide else (graph, ())
        self.dtype = tensorflow().float64 if wide else tensorflow().float32
        self.types: dict[str, list[TensorType]] = tensor_types(self.graph)
        self.precision, self.profile = precision, profile
        self.library = Library()
        fixed_point = HalfPartialSums if profile.convolution_sums == "fp16" else FixedPoint
        self.fixed_point = fixed_point(
            self.graph, scales, precision, profile, self.library, self.dtype.as_numpy_dtype
        )
        self.kept_wide = self._fused_intermediates(fetches) if fuse else frozenset()
        self.renamed: dict[str, str] = {}
        self.unmodelled: list[str] = list(narrow)

    def rewritten(self) -> EmulatedGraph:
        """Return the whole graph, rewritten."""
        nodes = [part for node in self.graph.graph_def.node for part in self._node(node)]
        nodes = [copied(node, inputs=[self._source(tensor, node) for tensor in node.input]) for node in nodes]
        graph = self.graph.replaced(nodes, functions=self.library.definitions).prune(self.graph.outputs)
        return EmulatedGraph(graph, tuple(dict.fromkeys([*self.unmodelled, *self.fixed_point.unmodelled])))

    def _node(self, node: Node) -> list[Node]:
        if not self._touches_float(node):
            return [node]
        if node.op in FIXED_POINT:
            return self.fixed_point.rewrite(node)
        if node.op in SUMS and (axes := self._constant_axes(node)) is not None:
            return [self._sum(node, axes)]
        if node.op == "ResizeNearestNeighbor":
            return [self._resized(node)]
        if node.op == "Tanh" and self.profile.tanh != "exact":
            return [self._tabulated(node)]
        if node.op in TRANSCENDENTAL:
            return self._transcendental(node)
        if node.op == "Const":
            return [self._constant(node)]
        if node.op in EXACT:
            return [node]
        if node.op not in ELEMENTWISE | INPUT_OPERATORS:
            self.unmodelled.append(node.name)
        return self._rounded(node)

    def _touches_float(self, node: Node) -> bool:
        tensors = [*self.types[node.name], *(self._type(tensor) for tensor in node.input if tensor[0] != "^")]
        return any(tensor.floating for tensor in tensors)

    def _type(self, tensor: str) -> TensorType:
        return self.types[producer(tensor)][output_index(tensor)]

    def _constant_axes(self, node: Node) -> tuple[int, ...] | None:
        """Return the reduced axes, counted from the front, or None where they are not constant."""
        axes = self.graph.constant(node.input[1])
        shape = self._type(node.input[0]).shape
        if axes is None or shape is None:
            return None
        return tuple(sorted(int(axis) % len(shape) for axis in np.atleast_1d(axes)))

    def _sum(self, node: Node, axes: tuple[int, ...]) -> Node:
        shape = self._type(node.input[0]).shape
        assert shape is not None  # noqa: S101 - _constant_axes has seen it
        one_pass = self.profile.reduction_order == "one-pass"
        return self.library.call(
            node.name,
            kernels.reduce,
            [node.input[0]],
            ((self.dtype, len(shape)),),
            self.dtype,
            passes=(axes,) if one_pass else tuple((axis,) for axis in axes),
            mean=node.op == "Mean",
            keep=bool(node.attr["keep_dims"].b),
            kind=self._running_sum_kind(),
            float_bits=self.precision.float_bits,
            profile=self.profile,
        )

    def _running_sum_kind(self) -> str:
        kind = self.profile.reduction_sum
        return self.precision.floating if kind == "float-type" else kind

    def _resized(self, node: Node) -> Node:
        resized = copied(node)
        if self.profile.resize_nearest == "half-pixel":
            resized.attr["half_pixel_centers"].b = True
        return resized

    def _tabulated(self, node: Node) -> Node:
        return self.library.call(
            node.name,
            kernels.tabulated_tanh,
            node.input,
            (self.dtype,),
            self.dtype,
            entries=int(self.profile.tanh.removeprefix("table-")),
            float_bits=self.precision.float_bits,
            profile=self.profile,
        )

    def _constant(self, node: Node) -> Node:
        """Return the constant rounded as the card stores it; filters of fixed-point operators do not pass here."""
        if self.precision.float_bits != 16:  # noqa: PLR2004 - fp16
            return node
        value: Any = tensorflow().make_ndarray(node.attr["value"].tensor)
        rounded = round_to_half(
            value,
            ties=self.profile.ties,  # type: ignore[arg-type]
            overflow=self.profile.half_overflow,  # type: ignore[arg-type]
            tiny=self.profile.half_tiny,  # type: ignore[arg-type]
        )
        return constant(node.name, rounded)

    def _rounded(self, node: Node) -> list[Node]:
        """Return the node as TensorFlow computes it, and a rounding of each float output to the float type."""
        exact_type = self.precision.float_bits == 32 and self.dtype == tensorflow().float32  # noqa: PLR2004
        if exact_type or node.name in self.kept_wide:
            return [node]
        if node.op in INPUT_OPERATORS:
            self.renamed[node.name] = f"{node.name}/stored"
            return [node, self._rounding(f"{node.name}/stored", node.name)]
        nodes = [copied(node, name=f"{node.name}/exact")]
        for index, kind in enumerate(self.types[node.name]):
            source, outer = f"{node.name}/exact:{index}", node.name if index == 0 else f"{node.name}/rounded_{index}"
            self.renamed[f"{node.name}:{index}"] = outer if kind.floating else source
            if kind.floating:
                nodes.append(self._rounding(outer, source))
        return nodes

    def _rounding(self, name: str, source: str) -> Node:
        return self._rounding_from(self.dtype, name, source)

    def _rounding_from(self, dtype: Any, name: str, source: str) -> Node:  # noqa: ANN401
        return self.library.call(
            name,
            kernels.rounded,
            [source],
            (dtype,),
            self.dtype,
            float_bits=self.precision.float_bits,
            profile=self.profile,
            out=self.dtype.name,
        )

    def _transcendental(self, node: Node) -> list[Node]:
        """Return the function computed in float64, where kernels are exact to far below float32, and rounded once."""
        double = tensorflow().float64
        wide = [cast(f"{node.name}/wide_{i}", source, self.dtype, double) for i, source in enumerate(node.input)]
        exact = copied(node, name=f"{node.name}/exact", inputs=[part.name for part in wide])
        exact.attr["T"].type = double.as_datatype_enum
        return [*wide, exact, self._rounding_from(double, node.name, exact.name)]

    def _source(self, tensor: str, reader: Node) -> str:
        renamed = self.renamed.get(tensor, tensor)
        return tensor if renamed == reader.name else renamed

    def _fused_intermediates(self, fetches: set[str]) -> frozenset[str]:
        """Return nodes that a fused kernel may keep in fp32: read by elementwise operators alone, not fetched."""
        if self.profile.fused_intermediates != "fp32":
            return frozenset()
        readers: dict[str, list[str]] = {}
        for node in self.graph.graph_def.node:
            for tensor in node.input:
                readers.setdefault(producer(tensor), []).append(node.op)
        fusable = ELEMENTWISE | (EXACT - MOVEMENT)
        return frozenset(
            name for name, ops in readers.items() if name not in fetches and all(op in fusable for op in ops)
        )
