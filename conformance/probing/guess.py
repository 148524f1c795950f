"""What is taken for true of a device while a result is predicted: one value per switch."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.probing.formats import HALF, SINGLE, Format

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.precision import Precision
    from conformance.probing.formats import Doubles


class Unanswered(Exception):
    """A prediction rests on a switch whose value is not known."""

    def __init__(self, switch: str) -> None:
        super().__init__(switch)
        self.switch = switch


@dataclasses.dataclass(frozen=True)
class Guess:
    """Values of switches at one precision.

    Attributes:
        values: by switch; what is not known is not there.
        precision: at which the device runs.
        form: what results are stored as, where that was seen: perhaps in none of the ways of the switches.
    """

    values: Mapping[str, str]
    precision: Precision
    form: Format | None = None

    @property
    def float_bits(self) -> int:
        """Bits of what results are stored as: those of the precision, or more."""
        return 32 if self.form is not None and self.form.digits > HALF.digits else self.precision.float_bits

    @property
    def floating(self) -> str:
        """The same in words: ``fp16`` or ``fp32``."""
        return f"fp{self.float_bits}"

    def __getitem__(self, switch: str) -> str:
        """Return the value of a switch.

        Raises:
            Unanswered: it is not known.
        """
        if switch not in self.values:
            raise Unanswered(switch)
        return self.values[switch]

    def stored(self, x: Any, bits: int | None = None, *, product: bool = False) -> Doubles:
        """Return ``x`` as the device stores it: in the precision's float type, or in one of these bits.

        Switches are asked for only where ``x`` depends on them.

        Args:
            x: float64.
            bits: 16, 32, or 64 for what is not stored.
            product: whether ``x`` is the exact product of an elementwise operator.
        """
        bits = bits or self.float_bits
        if bits != 16:
            return SINGLE.round(x) if bits == 32 else np.asarray(x, np.float64)
        return self.half(x, product=product)

    def half(self, x: Any, *, product: bool = False) -> Doubles:
        """Return ``x`` as a half."""
        values = np.asarray(x, np.float64)
        if self.form is not None and "half_rounding" not in self.values:
            return self.form.round(values)
        known = HALF
        magnitudes = np.abs(values[~np.isnan(values)])
        if np.any((magnitudes > 0) & (magnitudes < HALF.smallest)):
            known = dataclasses.replace(known, tiny=self["half_tiny"])  # type: ignore[arg-type]
        if np.any(magnitudes > HALF.largest):
            known = dataclasses.replace(known, overflow=self["half_overflow"])  # type: ignore[arg-type]
        plain = known.round(values)
        if np.array_equal(plain, values, equal_nan=True) or np.all(np.isinf(values) | (plain == values)):
            return plain
        rounding = self["half_rounding"]
        if product and self["half_products"] != "as-conversions":
            rounding = self["half_products"]
        return dataclasses.replace(known, rounding=rounding).round(values)  # type: ignore[arg-type]

    def sum_format(self, kind: str) -> Format:
        """Return the format of a running sum: ``fp16``, ``fp32`` or ``exact``."""
        if kind != "fp16":
            return SINGLE if kind == "fp32" else Format(53, -1022, 1023)
        return dataclasses.replace(
            HALF,
            rounding=self["half_rounding"],  # type: ignore[arg-type]
            overflow=self["half_overflow"],  # type: ignore[arg-type]
            tiny=self["half_tiny"],  # type: ignore[arg-type]
        )
