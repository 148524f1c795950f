"""Operators that a switch of the profile makes something else of than TensorFlow does."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, ClassVar

from conformance.devices.emulator import kernels
from conformance.graph.editing import copied, plain
from conformance.graph.retype import attribute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conformance.devices.emulator.fixed_point import FixedPoint
    from conformance.devices.emulator.rounding import Rounding
    from conformance.graph.frozen import Node


@dataclasses.dataclass(frozen=True)
class SwitchedOperators:
    """Rewrites them in one graph at one precision.

    Attributes:
        rounding: rounds what they return.
        fixed_point: for a depthwise convolution that is taken in fixed point.
        unmodelled: collects nodes whose numerics are not those that the profile asks for.
    """

    rounding: Rounding
    fixed_point: FixedPoint
    unmodelled: list[str]

    def rewrite(self, node: Node) -> list[Node]:
        """Return nodes that take over ``node``."""
        return self.of_operator[node.op](self, node)

    def _cropped(self, node: Node) -> list[Node]:
        """Return the crop with the attributes that count; its interpolation is TensorFlow's."""
        cropped = copied(node)
        if self.rounding.profile.crop_and_resize == "plain-bilinear":
            cropped.attr["method"].s, cropped.attr["extrapolation_value"].f = b"bilinear", 0.0
        self.unmodelled.append(node.name)
        return self.rounding.stock(cropped)

    def _depthwise(self, node: Node) -> list[Node]:
        """Return a depthwise convolution in fixed point, or in floats: a sum in float64, rounded once."""
        if self.rounding.profile.depthwise_convolution == "fixed-point":
            return self.fixed_point.rewrite(node)
        if self.fixed_point.rounds_partial_sums:
            self.unmodelled.append(node.name)
        return self.rounding.in_float64(node)

    def _divided(self, node: Node) -> list[Node]:
        if self.rounding.profile.real_div == "quotient":
            return self.rounding.stock(node)
        bits = self.rounding.stored_bits(node.name)
        return [self.rounding.by_kernel(node, kernels.divided, float_bits=bits)]

    def _resized(self, node: Node) -> list[Node]:
        resized = copied(node)
        shifted = self.rounding.profile.resize_nearest == "half-pixel"
        if shifted and not attribute(node, "align_corners").b:
            resized.attr["half_pixel_centers"].b = True
        return [resized]

    def _round(self, node: Node) -> list[Node]:
        if self.rounding.profile.round == "plain":
            return self.rounding.stock(node)
        return [self.rounding.by_kernel(node, kernels.rounded_through_half)]

    def _tanh(self, node: Node) -> list[Node]:
        table = self.rounding.profile.tanh
        if table == "exact":
            return self.rounding.in_float64(node)
        entries, bits = int(table.removeprefix("table-")), self.rounding.precision.float_bits
        return [self.rounding.by_kernel(node, kernels.tabulated_tanh, entries=entries, float_bits=bits)]

    def _top_k(self, node: Node) -> list[Node]:
        """Return the smallest values for the largest, where their order is not asked for."""
        if self.rounding.profile.top_k_unsorted == "largest" or attribute(node, "sorted").b:
            return self.rounding.stock(node)
        dtype = self.rounding.dtype
        turned = plain(f"{node.name}/negated", "Neg", node.input[:1], T=dtype)
        found = copied(node, name=f"{node.name}/smallest", inputs=[turned.name, *node.input[1:]])
        self.rounding.renamed[f"{node.name}:1"] = f"{found.name}:1"
        return [turned, found, plain(node.name, "Neg", [found.name], T=dtype)]

    of_operator: ClassVar[Mapping[str, Callable[[SwitchedOperators, Node], list[Node]]]] = {
        "CropAndResize": _cropped,
        "DepthwiseConv2dNative": _depthwise,
        "Div": _divided,
        "RealDiv": _divided,
        "ResizeNearestNeighbor": _resized,
        "Round": _round,
        "Tanh": _tanh,
        "TopK": _top_k,
        "TopKV2": _top_k,
    }
    """What rewrites each of them."""
