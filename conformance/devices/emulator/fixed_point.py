"""Convolutions and matmuls in fixed point: integers in float kernels, exact by a bound on their sums.

A float32 kernel adds integers exactly as long as no partial sum leaves ±2^24, a float64 kernel up to ±2^53,
in whatever order it adds. The bound is taken from the filter at hand: the largest sum of |filter| over one
output, times the largest input integer. Where it is too large for float32, input channels are split into
groups whose sums fit, and the groups are added in float64.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import Unsupported
from conformance.devices.emulator import kernels
from conformance.devices.emulator.constants import made_of
from conformance.devices.emulator.convolutions import as_convolution
from conformance.devices.emulator.integer_convolutions import IntegerConvolutions
from conformance.devices.emulator.integer_filters import (
    Quantization,
    channel_magnitudes,
    groups,
    magnitudes,
    quantized,
)
from conformance.errors import UsageError
from conformance.graph.editing import cast, constant, copied, placeholder, plain, split
from conformance.graph.operators import known
from conformance.graph.retype import attribute
from conformance.graph.sums import TRANSPOSING, static_shapes, transposes
from conformance.numerics.fixed_point import limits, position_and_scale

if TYPE_CHECKING:
    from conformance.devices.emulator.constants import Constants
    from conformance.devices.emulator.profile import Profile
    from conformance.devices.emulator.rounding import Rounding
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]

FLOAT32_EXACT = 2**24
FLOAT64_EXACT = 2**53
SPLITS_AT_MOST = 8
"""A float64 kernel takes about 2.5 times a float32 one; many small groups take longer than that."""
CONTRACTED_AXIS = {"Conv2D": 2, "MatMul": 0}
"""The filter axis that is summed over and can be split, where splitting is modelled."""


def effective_factor(scale: float, bits: int, profile: Profile) -> float:
    """Return what a tensor is multiplied by before it is rounded to integers.

    ``file`` and ``position-scale`` use the scale of the parameter file as a float32; ``position`` keeps only
    the power of two below it.
    """
    if profile.fixed_point_scale != "position":
        return float(np.float32(scale))
    position, _ = position_and_scale((2 ** (bits - 1) - 1) / scale, bits)
    return float(2.0**-position)


def fed_factors(
    name: str, scales: QuantizationScales, precision: Precision, profile: Profile
) -> dict[str, float]:
    """Return what is fed to a rewritten operator whose factors are not constants, by what follows its name.

    Args:
        name: of the operator.
        scales: of its input and filter.
        precision: fixed-point × float width.
        profile: the numeric switches.
    """
    factors = {
        which: effective_factor(scales.scales[f"{name}/{which}"], precision.fixed_bits, profile)
        for which in ("input", "filter")
    }
    product = factors["input"] * factors["filter"]
    return {"divisor": product, **{f"{which}/factor": factor for which, factor in factors.items()}}


@dataclasses.dataclass(frozen=True)
class FixedPoint:
    """Rewrites fixed-point operators of one graph at one precision.

    Attributes:
        graph: the graph, in the arithmetic's dtype.
        rounding: rounds results, by what is emulated.
        scales: a scale per input and filter.
        constants: collects the integers of filters.
        integers_from: how many products an operator must have for integer kernels to sum it; None: none may.
        in_floats: operators that float kernels must sum. No bit depends on either.
        unmodelled: nodes whose numerics are not those that the profile asks for.
        factors_fed: whether factors are placeholders.
    """

    graph: FrozenGraph
    rounding: Rounding
    scales: QuantizationScales
    constants: Constants
    integers_from: int | None = None
    in_floats: frozenset[str] = frozenset()
    unmodelled: list[str] = dataclasses.field(default_factory=list)
    factors_fed: bool = False

    @property
    def rounds_partial_sums(self) -> bool:
        """Whether sums of products are rounded before they are whole."""
        return False

    @functools.cached_property
    def convolutions(self) -> IntegerConvolutions:
        """What rewrites operators to integer kernels."""
        return IntegerConvolutions(self.rounding, self.constants, self.factor)

    def rewrite(self, node: Node) -> list[Node]:
        """Return nodes that take over ``node``: quantise, sum integers exactly, rescale and round once.

        Raises:
            UsageError: a scale is missing.
            Unsupported: sums of this operator cannot be kept exact.
        """
        input_at, filter_at = known(node.op).data_arguments
        factors = [self._factor(f"{node.name}/{which}") for which in ("input", "filter")]
        filters = self._integer_filter(node, node.input[filter_at], factors[1])
        parts = []
        if filters is not None:
            largest = self._largest_sum(node, filters)
            if nodes := self._in_integers(node, filters, (factors[0], factors[1])):
                return nodes
            parts = self._groups(node, filters, largest)
        work = "float32" if parts else "float64"
        nodes = self._quantized(f"{node.name}/input", node.input[input_at], factors[0], work)
        if filters is None:
            nodes += self._quantized(f"{node.name}/filter", node.input[filter_at], factors[1], work)
        sums = self._sums(node, (input_at, filter_at), filters, parts or [slice(None)], work)
        total = sums[-1].name
        return [*nodes, *sums, *self._rescaled(node.name, total, factors[0] * factors[1], sums[-1])]

    def factor(self, name: str, value: float) -> Node:
        """Return the node of a factor: a constant, or a placeholder where it is fed."""
        return placeholder(name, np.float64, ()) if self.factors_fed else constant(name, np.float64(value))

    def _factor(self, key: str) -> float:
        if key not in self.scales.scales:
            raise UsageError(
                f"quantisation scales have none for {key!r}; make them again with `mlu-conformance prepare`"
            )
        return effective_factor(
            self.scales.scales[key], self.rounding.precision.fixed_bits, self.rounding.profile
        )

    def _integer_filter(self, node: Node, tensor: str, factor: float) -> Array | None:
        """Return the integers of a constant filter, int8 or int16, not transposed any more."""
        value = self.graph.constant(tensor)
        if value is None:
            return None
        how = Quantization(
            factor,
            self.rounding.precision.fixed_bits,
            product_rounds=self.rounding.profile.fixed_point_scale == "position-scale",  # as of inputs
            rounding=self.rounding.profile.fixed_point_rounding,
            range_=self.rounding.profile.fixed_point_range,
        )
        integers = made_of(value, how, lambda value: quantized(value, how))
        return np.swapaxes(integers, -2, -1) if transposes(node, 1) else integers

    def _in_integers(self, node: Node, filters: Array, factors: tuple[float, float]) -> list[Node] | None:
        """Return nodes that take over ``node`` by integer kernels, or None where float kernels must."""
        if self.integers_from is None or node.name in self.in_floats or _strides_differ(node):
            return None
        source = node.input[known(node.op).data_arguments[0]]
        convolution = as_convolution(node, filters, static_shapes(self.rounding.types))
        if convolution is None or convolution.products < self.integers_from:
            return None
        return self.convolutions.rewrite(node, source, convolution, factors)

    def _largest_sum(self, node: Node, filters: Array) -> int:
        """Return the most that a sum of products can be, in magnitude, whatever the input.

        Raises:
            Unsupported: not even float64 holds it exactly.
        """
        axes = known(node.op).summed_axes
        sums = made_of(filters, ("magnitudes", axes), lambda filters: magnitudes(filters, axes))
        largest = int(sums.max(initial=0)) * self._largest_input
        if largest >= FLOAT64_EXACT:
            raise Unsupported(
                f"sums of {node.name!r} could leave ±2^53, where the emulator is no longer exact"
            )
        return largest

    @property
    def _largest_input(self) -> int:
        return -limits(self.rounding.precision.fixed_bits, self.rounding.profile.fixed_point_range)[0]  # type: ignore[arg-type]

    def _groups(self, node: Node, filters: Array, largest_sum: int) -> list[slice]:
        """Return slices of the contracted axis whose sums are exact in float32; none means: use float64."""
        if self._broadcasts(node, filters) or _strides_differ(node):
            return []
        if largest_sum <= FLOAT32_EXACT:
            return [slice(None)]
        if largest_sum > FLOAT32_EXACT * SPLITS_AT_MOST:
            return []
        found = self._split(filters, node)
        return found if len(found) <= SPLITS_AT_MOST else []

    def _broadcasts(self, node: Node, filters: Array) -> bool:
        """Whether a matmul multiplies many matrices with fewer: oneDNN's float32 kernel then may be wrong.

        Found with TensorFlow 2.21: BatchMatMulV2 of (3, 1, 6, 17) and (17, 5); some other shapes crash.
        """
        shape = static_shapes(self.rounding.types)(node.input[0])
        return node.op.startswith("BatchMatMul") and (shape is None or len(shape) > filters.ndim)

    def _split(self, filters: Array, node: Node) -> list[slice]:
        """Return the fewest groups of channels, greedily filled, or none where that is not modelled."""
        axis = CONTRACTED_AXIS.get(node.op)
        if axis is None or not self._splittable(node, filters):
            return []
        shares = channel_magnitudes(filters, axis, known(node.op).summed_axes)
        return groups((share * self._largest_input for share in shares), FLOAT32_EXACT, filters.shape[axis])

    def _splittable(self, node: Node, filters: Array) -> bool:
        """Whether input and filter can be cut along the contracted axis, which comes last in the input."""
        if not known(node.op).window_axes:
            return not transposes(node, 0)
        return self._channels_last(node) and self._input_channels(node) == filters.shape[2]

    @staticmethod
    def _channels_last(node: Node) -> bool:
        return bool(attribute(node, "data_format").s == b"NHWC")

    def _input_channels(self, node: Node) -> int | None:
        """Return the channels of the input; a grouped convolution's filter has fewer."""
        shape = static_shapes(self.rounding.types)(node.input[0])
        return shape[-1] if shape else None

    def _quantized(self, name: str, source: str, factor: float, work: str) -> list[Node]:
        low, high = limits(self.rounding.precision.fixed_bits, self.rounding.profile.fixed_point_range)  # type: ignore[arg-type]
        scalars = [
            self.factor(f"{name}/factor", factor),
            *(constant(f"{name}/{key}", np.float64(value)) for key, value in (("low", low), ("high", high))),
        ]
        nodes, read = self.rounding.narrowed(f"{name}/narrow", source)
        quantizing = self.rounding.library.call(
            f"{name}/quantized",
            kernels.quantize,
            [read, *(scalar.name for scalar in scalars)],
            ("float32", "float64", "float64", "float64"),
            work,
            profile=self.rounding.profile,
            out=work,
        )
        return [*scalars, *nodes, quantizing]

    def _sums(
        self,
        node: Node,
        positions: tuple[int, int],
        filters: Array | None,
        groups: list[slice],
        work: str,
    ) -> list[Node]:
        """Return the kernels that sum integers; the last node's output is the whole sum."""
        quantized = f"{node.name}/input/quantized"
        if filters is None:
            return [self._kernel(node, "sum", positions, quantized, f"{node.name}/filter/quantized", work)]
        axis, name = CONTRACTED_AXIS.get(node.op, 0), f"{node.name}/input/split"
        parts = [filters[(slice(None),) * axis + (group,)] for group in groups]
        several = len(parts) > 1
        nodes = split(name, quantized, [part.shape[axis] for part in parts], work) if several else []
        sums = []
        for index, part in enumerate(parts):
            integers = self.constants.node(f"{node.name}/filter/integers_{index}", part, work)
            data = f"{name}:{index}" if several else quantized
            kernel = self._kernel(node, f"sum_{index}", positions, data, integers.name, work)
            nodes += [integers, kernel]
            sums.append(kernel.name)
        return nodes + _added(node.name, sums, work)

    @staticmethod
    def _kernel(
        node: Node, suffix: str, positions: tuple[int, int], data: str, filters: str, work: str
    ) -> Node:
        inputs = list(node.input)
        inputs[positions[0]], inputs[positions[1]] = data, filters
        kernel = copied(node, name=f"{node.name}/{suffix}", inputs=inputs)
        kernel.attr["T"].type = plain("", "", [], T=work).attr["T"].type
        if filters.startswith(f"{node.name}/filter/integers"):  # which are transposed already
            for key in TRANSPOSING[1]:
                if key in kernel.attr:
                    kernel.attr[key].b = False
        return kernel

    def _rescaled(self, name: str, total: str, divisor: float, last: Node) -> list[Node]:
        scalar = self.factor(f"{name}/divisor", divisor)
        kinds = (last.attr["T"].type, "float64")
        return [scalar, *self.rounding.rescaled(name, kernels.rescale, [total, scalar.name], kinds)]


def _strides_differ(node: Node) -> bool:
    """Whether strides along rows and columns differ: oneDNN's kernels then may be wrong.

    Found with TensorFlow 2.21: one input channel, strides of (1, 2) and an output one column wide, as of a
    filter of (1, 2) on (3, 3); rows come out two apart.
    """
    if known(node.op).window_axes != 2:
        return False
    rows = 1 if attribute(node, "data_format").s == b"NHWC" else 2
    strides = attribute(node, "strides").list.i
    return bool(strides[rows] != strides[rows + 1])


def _added(name: str, sums: list[str], work: str) -> list[Node]:
    """Return nodes that add the groups' sums in float64, where integers up to 2^53 are exact."""
    if len(sums) == 1:
        return []
    wide = [cast(f"{source}/wide", source, work, "float64") for source in sums]
    total = plain(f"{name}/sum", "AddN", [node.name for node in wide], T="float64")
    total.attr["N"].i = len(wide)
    return [*wide, total]
