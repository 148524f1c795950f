"""Convolutions and matmuls whose partial sums are kept in half.

Not documented at what granularity a card rounds; the emulator rounds after each kernel tap of a convolution
(all of its channels) and after each 64 terms of a matmul.

Source of the possibility: mlu-ops user guide, `compute_type`: a half output without it keeps partial sums in
half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance.devices.emulator import kernels
from conformance.devices.emulator.fixed_point import FixedPoint
from conformance.graph.dataflow import tensor_types
from conformance.graph.editing import constant, copied, plain

if TYPE_CHECKING:
    from conformance.graph.frozen import Node

MATMUL_TERMS = 64


class HalfPartialSums(FixedPoint):
    """Fixed-point operators that round a running sum to half; those not modelled keep exact sums."""

    def rewrite(self, node: Node) -> list[Node]:
        """Return nodes that take over ``node``; see :meth:`FixedPoint.rewrite`."""
        if self.precision.float_bits != 16:  # noqa: PLR2004 - halves only arise at fp16
            return super().rewrite(node)
        factors = [self._factor(f"{node.name}/{which}") for which in ("input", "filter")]
        filters = self._integer_filter(node, node.input[1], factors[1])
        if filters is None or not (self._plain_convolution(node) or self._plain_matmul(node)):
            self.unmodelled.append(node.name)
            return super().rewrite(node)
        quantized = self._quantized(f"{node.name}/input", node.input[0], factors[0], "float64")
        divisor = constant(f"{node.name}/divisor", np.float64(factors[0] * factors[1]))
        parts = self._taps(node, filters) if node.op == "Conv2D" else self._blocks(node, filters)
        return [*quantized, divisor, *(entry for part in parts for entry in part), *self._totals(node, parts)]

    def _plain_convolution(self, node: Node) -> bool:
        shape = tensor_types(self.graph)[node.name][0].shape
        known = shape is not None and None not in shape[1:]
        plain_form = node.attr["data_format"].s in (b"", b"NHWC") and set(node.attr["dilations"].list.i) <= {1}
        return node.op == "Conv2D" and known and plain_form and node.attr["padding"].s in (b"SAME", b"VALID")

    @staticmethod
    def _plain_matmul(node: Node) -> bool:
        return node.op == "MatMul" and not node.attr["transpose_a"].b

    def _taps(self, node: Node, filters: np.ndarray) -> list[list[Node]]:  # type: ignore[type-arg]
        """Return, per kernel tap, a 1×1 convolution of the shifted input; its last node is the sum."""
        types = tensor_types(self.graph)
        height, width = (types[node.input[0].partition(":")[0]][0].shape or ())[1:3]
        out_height, out_width = (types[node.name][0].shape or ())[1:3]
        strides = tuple(node.attr["strides"].list.i)[1:3]
        same = node.attr["padding"].s == b"SAME"
        pads = [
            _same_padding(size, out, stride, taps) if same else (0, 0)
            for size, out, stride, taps in zip(
                (height, width), (out_height, out_width), strides, filters.shape[:2], strict=True
            )
        ]
        name = f"{node.name}/padded"
        paddings = constant(f"{name}/paddings", np.array([(0, 0), *pads, (0, 0)], np.int32))
        padded = plain(name, "Pad", [f"{node.name}/input/quantized", paddings.name], T="float64", Tpaddings="int32")
        taps = [
            self._tap(node, filters, (row, column), (out_height, out_width), strides)
            for row in range(filters.shape[0])
            for column in range(filters.shape[1])
        ]
        return [[paddings, padded, *taps[0]], *taps[1:]]

    @staticmethod
    def _tap(node: Node, filters: np.ndarray, at: tuple[int, int], out: tuple, strides: tuple) -> list[Node]:  # type: ignore[type-arg]
        name = f"{node.name}/tap_{at[0]}_{at[1]}"
        begin = constant(f"{name}/begin", np.array([0, *at, 0], np.int32))
        reach = [start + (size - 1) * stride + 1 for start, size, stride in zip(at, out, strides, strict=True)]
        end = constant(f"{name}/end", np.array([0, *reach, 0], np.int32))
        steps = constant(f"{name}/strides", np.array([1, *strides, 1], np.int32))
        shifted = plain(
            f"{name}/shifted",
            "StridedSlice",
            [f"{node.name}/padded", begin.name, end.name, steps.name],
            T="float64",
            Index="int32",
        )
        shifted.attr["begin_mask"].i = shifted.attr["end_mask"].i = 0b1001
        integers = constant(f"{name}/integers", filters[at[0] : at[0] + 1, at[1] : at[1] + 1].astype(np.float64))
        kernel = copied(node, name=name, inputs=[shifted.name, integers.name])
        kernel.attr["T"].type = shifted.attr["T"].type
        kernel.attr["strides"].list.i[:] = [1, 1, 1, 1]
        kernel.attr["padding"].s = b"VALID"
        return [begin, end, steps, shifted, integers, kernel]

    @staticmethod
    def _blocks(node: Node, filters: np.ndarray) -> list[list[Node]]:  # type: ignore[type-arg]
        """Return, per block of terms, a matmul of that part of the input."""
        starts = range(0, filters.shape[0], MATMUL_TERMS)
        lengths = [min(MATMUL_TERMS, filters.shape[0] - start) for start in starts]
        sizes = constant(f"{node.name}/blocks/sizes", np.array(lengths, np.int32))
        axis = constant(f"{node.name}/blocks/axis", np.int32(-1))
        source = f"{node.name}/input/quantized"
        split = plain(f"{node.name}/blocks", "SplitV", [source, sizes.name, axis.name], T="float64", Tlen="int32")
        split.attr["num_split"].i = len(lengths)
        parts: list[list[Node]] = []
        for index, start in enumerate(starts):
            integers = constant(
                f"{node.name}/integers_{index}", filters[start : start + MATMUL_TERMS].astype(np.float64)
            )
            kernel = copied(node, name=f"{node.name}/block_{index}", inputs=[f"{split.name}:{index}", integers.name])
            kernel.attr["T"].type = split.attr["T"].type
            kernel.attr["transpose_b"].b = False
            parts.append([integers, kernel])
        return [[sizes, axis, split, *parts[0]], *parts[1:]]

    def _totals(self, node: Node, parts: list[list[Node]]) -> list[Node]:
        """Return the chain that adds the parts in half; the last one has the node's name."""
        divisor, total, chain = f"{node.name}/divisor", "", []
        for index, part in enumerate(parts):
            name = node.name if index == len(parts) - 1 else f"{node.name}/partial_{index}"
            inputs = [total, part[-1].name, divisor] if total else [part[-1].name, divisor]
            signature = (self.dtype, "float64", "float64") if total else ("float64", "float64")
            kernel = kernels.accumulate if total else kernels.rescale
            chain.append(
                self.library.call(
                    name, kernel, inputs, signature, self.dtype, float_bits=16, profile=self.profile, out=self.dtype
                )
            )
            total = name
        return chain


def _same_padding(size: int, out: int, stride: int, taps: int) -> tuple[int, int]:
    """Return TensorFlow's SAME padding before and after: as even as can be, the odd one after."""
    total = max((out - 1) * stride + taps - size, 0)
    return total // 2, total - total // 2
