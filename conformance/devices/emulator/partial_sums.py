"""Convolutions and matmuls whose partial sums are kept in a float type.

Not documented at what granularity a card rounds; the emulator rounds after each kernel tap of a convolution
(all of its channels) and after each 64 terms of a matmul.

Source of the possibility: mlu-ops user guide, `compute_type`: a half output without it keeps partial sums in
half; float32 gives partial sums in float32 and one final cast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator import kernels
from conformance.devices.emulator.fixed_point import FixedPoint
from conformance.graph.editing import constant, copied, plain, split
from conformance.graph.frozen import producer
from conformance.graph.retype import attribute
from conformance.graph.sums import same_padding

if TYPE_CHECKING:
    from conformance.graph.frozen import Node

Array = np.ndarray[Any, Any]
MATMUL_TERMS = 64


class PartialSums(FixedPoint):
    """Fixed-point operators that round a running sum; those not modelled keep exact sums and are reported."""

    @property
    def sum_bits(self) -> int:
        """Bits of the partial sums' float type."""
        return int(self.rounding.profile.convolution_sums.removeprefix("fp"))

    @property
    def rounds_partial_sums(self) -> bool:
        """Whether sums of products are rounded before they are whole: halves only arise at fp16."""
        return self.sum_bits >= self.rounding.precision.float_bits

    def rewrite(self, node: Node) -> list[Node]:
        """Return nodes that take over ``node``; see :meth:`FixedPoint.rewrite`."""
        if not self.rounds_partial_sums:
            return super().rewrite(node)
        factors = [self._factor(f"{node.name}/{which}") for which in ("input", "filter")]
        filters = self._integer_filter(node, node.input[1], factors[1])
        if filters is None or not (self._plain_convolution(node, filters) or self._plain_matmul(node)):
            self.unmodelled.append(node.name)
            return super().rewrite(node)
        quantized = self._quantized(f"{node.name}/input", node.input[0], factors[0], "float64")
        divisor = self.factor(f"{node.name}/divisor", factors[0] * factors[1])
        parts = self._taps(node, filters) if node.op == "Conv2D" else self._blocks(node, filters)
        nodes = [*quantized, divisor, *(entry for part in parts for entry in part)]
        return nodes + self._totals(node.name, [part[-1].name for part in parts])

    def _plain_convolution(self, node: Node, filters: Array) -> bool:
        if node.op != "Conv2D" or attribute(node, "padding").s not in (b"SAME", b"VALID"):
            return False
        shapes = [self.rounding.types[name][0].shape for name in (producer(node.input[0]), node.name)]
        known = all(shape is not None and None not in shape[1:] for shape in shapes)
        undilated = set(attribute(node, "dilations").list.i) <= {1}
        return (
            known
            and undilated
            and self._channels_last(node)
            and self._input_channels(node) == filters.shape[2]
        )

    @staticmethod
    def _plain_matmul(node: Node) -> bool:
        return node.op == "MatMul" and not attribute(node, "transpose_a").b

    def _taps(self, node: Node, filters: Array) -> list[list[Node]]:
        """Return, per kernel tap, a 1×1 convolution of the shifted input; its last node is the sum."""
        size, out = self._image(producer(node.input[0])), self._image(node.name)
        strides = tuple(attribute(node, "strides").list.i)[1:3]
        pads = [(0, 0), (0, 0)]
        if attribute(node, "padding").s == b"SAME":
            pads = list(map(same_padding, size, filters.shape[:2], strides))
        name = f"{node.name}/padded"
        paddings = constant(f"{name}/paddings", np.array([(0, 0), *pads, (0, 0)], np.int32))
        padded = plain(
            name, "Pad", [f"{node.name}/input/quantized", paddings.name], T="float64", Tpaddings="int32"
        )
        taps = [
            self._tap(node, filters, (row, column), out, strides)
            for row, column in np.ndindex(filters.shape[:2])
        ]
        return [[paddings, padded, *taps[0]], *taps[1:]]

    def _image(self, name: str) -> tuple[int, int]:
        """Return height and width of a node's output."""
        shape = self.rounding.types[name][0].shape or ()
        height, width = (int(length or 0) for length in shape[1:3])
        return height, width

    def _blocks(self, node: Node, filters: Array) -> list[list[Node]]:
        """Return, per block of terms, a matmul of that part of the input."""
        starts = range(0, filters.shape[0], MATMUL_TERMS)
        lengths = [min(MATMUL_TERMS, filters.shape[0] - start) for start in starts]
        name = f"{node.name}/blocks"
        splitting = split(name, f"{node.name}/input/quantized", lengths, "float64")
        parts = [
            self._block(node, index, filters[start : start + MATMUL_TERMS], f"{name}:{index}")
            for index, start in enumerate(starts)
        ]
        return [[*splitting, *parts[0]], *parts[1:]]

    def _totals(self, name: str, sums: list[str]) -> list[Node]:
        """Return the chain that adds the sums one by one; its last node is called ``name``."""
        apart = self.rounding.shared(name) and self.sum_bits != self.rounding.precision.float_bits
        whole = f"{name}/exact" if apart else name
        names = [*(f"{name}/partial_{index}" for index in range(len(sums) - 1)), whole]
        chain = []
        for index, part in enumerate(sums):
            inputs = [*names[:index][-1:], part, f"{name}/divisor"]
            chain.append(
                self.rounding.library.call(
                    names[index],
                    kernels.accumulate,
                    inputs,
                    (self.rounding.dtype, "float64", "float64")[-len(inputs) :],
                    self.rounding.dtype,
                    sum_bits=self.sum_bits,
                    float_bits=self.rounding.precision.float_bits if names[index] == name else self.sum_bits,
                    profile=self.rounding.profile,
                    out=self.rounding.dtype.name,
                )
            )
        return [*chain, *self.rounding.rounding(name, whole)] if apart else chain

    def _tap(
        self, node: Node, filters: Array, at: tuple[int, ...], out: tuple[int, ...], strides: tuple[int, ...]
    ) -> list[Node]:
        """Return the nodes of one kernel tap: where it starts and ends, its input, its filter, its sum."""
        name = f"{node.name}/tap_{at[0]}_{at[1]}"
        end = [start + (size - 1) * stride + 1 for start, size, stride in zip(at, out, strides, strict=True)]
        bounds = [
            constant(f"{name}/{key}", np.array([outer, *value, outer], np.int32))
            for key, value, outer in (("begin", at, 0), ("end", end, 0), ("strides", strides, 1))
        ]
        source = [f"{node.name}/padded", *(entry.name for entry in bounds)]
        shifted = plain(f"{name}/shifted", "StridedSlice", source, T="float64", Index="int32")
        shifted.attr["begin_mask"].i = shifted.attr["end_mask"].i = 0b1001
        integers = self.constants.node(f"{name}/integers", filters[at[0], at[1]][None, None], "float64")
        kernel = copied(node, name=name, inputs=[shifted.name, integers.name])
        kernel.attr["T"].type = shifted.attr["T"].type
        kernel.attr["strides"].list.i[:] = [1, 1, 1, 1]
        kernel.attr["padding"].s = b"VALID"
        return [*bounds, shifted, integers, kernel]

    def _block(self, node: Node, index: int, filters: Array, source: str) -> list[Node]:
        """Return the nodes of one block of a matmul: its filter, and its sum."""
        integers = self.constants.node(f"{node.name}/integers_{index}", filters, "float64")
        kernel = copied(node, name=f"{node.name}/block_{index}", inputs=[source, integers.name])
        kernel.attr["T"].type = integers.attr["dtype"].type
        kernel.attr["transpose_b"].b = False
        return [integers, kernel]
