"""Operators that make one number out of many, with a running sum: Mean, Sum, AvgPool, Softmax."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator import kernels, pooling
from conformance.graph.editing import constant
from conformance.graph.frozen import output_index, producer
from conformance.graph.operators import SUMS
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from conformance.devices.emulator.library import Library
    from conformance.devices.emulator.profile import Profile
    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import Precision


@dataclasses.dataclass(frozen=True)
class Reductions:
    """Rewrites reductions of one graph at one precision.

    Attributes:
        graph: the graph, in the arithmetic's dtype.
        types: its tensors' types, by node.
        precision, profile: what to emulate.
        library: collects the compiled kernels.
        dtype: of float tensors.
    """

    graph: FrozenGraph
    types: dict[str, list[TensorType]]
    precision: Precision
    profile: Profile
    library: Library
    dtype: Any

    def rewrite(self, node: Node) -> list[Node] | None:
        """Return nodes that take over ``node``, or None where it is no reduction that is modelled."""
        if node.op in SUMS and (axes := self._constant_axes(node)) is not None:
            return self._sum(node, axes)
        if node.op == "AvgPool" and self._slides_over_images(node):
            return self._average_pool(node)
        if node.op == "Softmax" and self._shape(node) is not None:
            return [self._softmax(node)]
        return None

    @property
    def _settings(self) -> dict[str, Any]:
        """What every running sum needs to know."""
        kind = self.profile.reduction_sum
        return {
            "kind": self.precision.floating if kind == "float-type" else kind,
            "float_bits": self.precision.float_bits,
            "profile": self.profile,
        }

    def _passes(self, axes: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        return (axes,) if self.profile.reduction_order == "one-pass" else tuple((axis,) for axis in axes)

    def _shape(self, node: Node) -> tuple[int | None, ...] | None:
        """Return the shape of the reduced tensor; None where its rank is not known."""
        return self.types[producer(node.input[0])][output_index(node.input[0])].shape

    def _constant_axes(self, node: Node) -> tuple[int, ...] | None:
        """Return the reduced axes, counted from the front, or None where they are not constant."""
        axes, shape = self.graph.constant(node.input[1]), self._shape(node)
        if axes is None or shape is None:
            return None
        return tuple(sorted(int(axis) % len(shape) for axis in np.atleast_1d(axes)))

    def _sum(self, node: Node, axes: tuple[int, ...]) -> list[Node]:
        one = constant(f"{node.name}/one", np.float64(1))
        reducing = self.library.call(
            node.name,
            kernels.reduce,
            [node.input[0], one.name],
            ((self.dtype, len(self._shape(node) or ())), ("float64", 0)),
            self.dtype,
            passes=self._passes(axes),
            mean=node.op == "Mean",
            keep=bool(attribute(node, "keep_dims").b),
            **self._settings,
        )
        return [one, reducing]

    @staticmethod
    def _slides_over_images(node: Node) -> bool:
        """Whether a pool is one over rows and columns, channels last: TensorFlow runs no other on a CPU."""
        ends = {tuple(attribute(node, key).list.i)[at] for key in ("ksize", "strides") for at in (0, 3)}
        return ends == {1} and bool(attribute(node, "data_format").s == b"NHWC")

    def _average_pool(self, node: Node) -> list[Node]:
        one = constant(f"{node.name}/one", np.float64(1))
        pooled = self.library.call(
            node.name,
            pooling.average_pool,
            [node.input[0], one.name],
            ((self.dtype, 4), ("float64", 0)),
            self.dtype,
            passes=self._passes((pooling.ROWS, pooling.COLUMNS)),
            window=tuple(attribute(node, "ksize").list.i)[1:3],
            strides=tuple(attribute(node, "strides").list.i)[1:3],
            same=bool(attribute(node, "padding").s == b"SAME"),
            **self._settings,
        )
        return [one, pooled]

    def _softmax(self, node: Node) -> Node:
        bits = {"rounded": self.precision.float_bits, "fp32": 32, "exact": 64}
        return self.library.call(
            node.name,
            pooling.softmax,
            [node.input[0]],
            ((self.dtype, len(self._shape(node) or ())),),
            self.dtype,
            step_bits=bits[self.profile.softmax_steps],
            **self._settings,
        )
