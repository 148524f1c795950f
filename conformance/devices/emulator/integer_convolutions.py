"""Fixed-point operators as convolutions of 8-bit integers, which :mod:`.integer_kernels` computes.

An integer of 16 bits is two digits of 8; all four products of digits of an input and of a filter are summed.
Where the filter alone does not guarantee that sums of digits are exact, the sums are checked in every run.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.emulator import integer_kernels
from conformance.devices.emulator.digit_kernels import digits, rescale_digits
from conformance.devices.emulator.integer_filters import digits_of
from conformance.graph.editing import constant, reduced
from conformance.numerics.fixed_point import limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.devices.emulator.constants import Constants
    from conformance.devices.emulator.convolutions import Convolution
    from conformance.devices.emulator.integer_filters import DigitFilter
    from conformance.devices.emulator.rounding import Rounding
    from conformance.graph.frozen import Node

Array = np.ndarray[Any, Any]

INT32 = 2**31
"""Below it the kernel adds without overflow."""


@dataclasses.dataclass(frozen=True)
class IntegerConvolutions:
    """Rewrites fixed-point operators of one graph at one precision to integer kernels.

    Attributes:
        rounding: rounds results, by what is emulated.
        constants: collects the integers of filters.
        factor: makes the node of a factor.
        guards: scalars that are all finite if no operator read a NaN, which integers cannot express.
        checks: by operator, scalars that are finite if all of its sums of digits were exact.
    """

    rounding: Rounding
    constants: Constants
    factor: Callable[[str, float], Node]
    guards: list[str] = dataclasses.field(default_factory=list)
    checks: dict[str, str] = dataclasses.field(default_factory=dict)

    def rewrite(
        self, node: Node, source: str, convolution: Convolution, factors: tuple[float, float]
    ) -> list[Node] | None:
        """Return nodes that take over ``node``, or None where digits or sums are too large.

        Args:
            node: the operator.
            source: the tensor that it reads.
            convolution: what it computes.
            factors: of input and filter.
        """
        filters = digits_of(convolution.filters, convolution.groups, -self._limits[0])
        if filters is None or filters.largest_sum >= INT32:
            return None
        quantized = self._quantized(node.name, source, factors[0], convolution.spread)
        kernels, sums = self._kernels(node.name, filters.digits, convolution)
        rescaled = self._rescaled(node.name, sums, filters, convolution, factors[0] * factors[1])
        return [*quantized, *kernels, *rescaled]

    @property
    def _bits(self) -> int:
        return self.rounding.precision.fixed_bits

    @property
    def _digits(self) -> tuple[str, ...]:
        """Dtypes of an input's digits, the low one first."""
        return ("int8",) if self._bits == 8 else ("uint8", "int8")

    @property
    def _limits(self) -> tuple[int, int]:
        return limits(self._bits, self.rounding.profile.fixed_point_range)  # type: ignore[arg-type]

    def _quantized(self, name: str, source: str, factor: float, spread: tuple[int, ...]) -> list[Node]:
        limits = zip(("low", "high"), self._limits, strict=True)
        scalars = [
            self.factor(f"{name}/input/factor", factor),
            *(constant(f"{name}/input/{key}", np.float64(value)) for key, value in limits),
        ]
        nodes, read = self.rounding.narrowed(f"{name}/input/narrow", source)
        quantizing = self.rounding.library.call(
            f"{name}/input/quantized",
            digits,
            [read, *(scalar.name for scalar in scalars)],
            ("float32", "float64", "float64", "float64"),
            self._digits,
            bits=self._bits,
            spread=spread,
            profile=self.rounding.profile,
        )
        guard = f"{name}/input/sum"  # by TensorFlow's kernel: XLA's for sums of floats crashed now and then
        self.guards.append(guard)
        return [*scalars, *nodes, quantizing, *reduced(guard, "Sum", source, self.rounding.dtype)]

    def _kernels(self, name: str, filters: Array, convolution: Convolution) -> tuple[list[Node], list[str]]:
        """Return the kernels that sum digits, and their sums, one per digit of the input."""
        stored = self.constants.node(f"{name}/filter/integers", filters)
        nodes, sums = [stored], []
        for index, kind in enumerate(self._digits):
            sums.append(f"{name}/sum_{index}")
            nodes += integer_kernels.convolution(
                sums[-1],
                f"{name}/input/quantized:{index}",
                kind,
                stored.name,
                strides=convolution.strides,
                dilations=convolution.dilations,
                padding=convolution.padding,
                pads=convolution.pads,
            )
        return nodes, sums

    def _rescaled(
        self, name: str, sums: list[str], filters: DigitFilter, convolution: Convolution, divisor: float
    ) -> list[Node]:
        checks = filters.largest_sum > integer_kernels.EXACT
        arguments = [self.factor(f"{name}/divisor", divisor)]
        if negates := filters.negated is not None:
            arguments.insert(0, constant(f"{name}/negated", filters.negated))
        rescaling = self.rounding.rescaled(
            name,
            rescale_digits,
            [*sums, *(argument.name for argument in arguments)],
            (*(("int32", 4),) * len(sums), *(("bool",) if negates else ()), "float64"),
            groups=convolution.groups,
            negates=negates,
            checks=checks,
            squeeze=convolution.spread,
            interleave=convolution.interleave,
        )
        if not checks:
            return [*arguments, *rescaling]
        self.checks[name] = f"{name}/check"
        return [*arguments, *rescaling, *reduced(self.checks[name], "Sum", name, self.rounding.dtype)]
