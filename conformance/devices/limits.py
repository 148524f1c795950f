"""The ranges within which a vendor promises an operator to be right: the ``[limit.*]`` of a profile."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

if TYPE_CHECKING:
    from conformance.precision import Precision

Quantity = Literal[
    "elements",
    "mean",
    "deviation",
    "input",
    "divisor",
    "result",
    "magnitude",
    "channels",
    "padding",
    "type",
    "sorted",
    "extrapolation",
]
"""What a limit is about.

``elements``: how many numbers a reduction makes one number of. ``mean``: of the numbers that are reduced to
one. ``deviation``: of these from their mean. ``input``: the first argument. ``divisor``: what is divided by.
``result``: of the operator. ``magnitude``: of results but zeros. ``channels``: of the first argument.
``padding``: of a dilated convolution, in all directions together. ``type``: of the result. ``sorted``: 1
where the largest are asked for in their order, else 0. ``extrapolation``: what stands for pixels outside of
a picture.
"""

OF_VALUES: frozenset[Quantity] = frozenset({"mean", "deviation", "input", "divisor", "result", "magnitude"})
"""Quantities that depend on numbers, and not on the graph alone."""


class Limit(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A documented range.

    Attributes:
        operators: operator types that it holds for.
        quantity: what must lie within.
        source: who says so, and in which words.
        precisions: patterns of the precisions that it holds at.
        least, most: the ends of the range, themselves within.
        above, below: the ends of the range, themselves outside.
        types: the types that there are, where ``quantity`` is the type.
    """

    operators: Annotated[list[str], msgspec.Meta(min_length=1)]
    quantity: Quantity
    source: Annotated[str, msgspec.Meta(min_length=1)]
    precisions: tuple[str, ...] = ("*",)
    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = None
    types: list[str] = []

    def __post_init__(self) -> None:
        ends = [end for end in (self.least, self.most, self.above, self.below) if end is not None]
        if (self.quantity == "type") == bool(ends) or (self.quantity == "type") != bool(self.types):
            raise ValueError(
                f"a limit of {self.quantity} has {'types' if self.quantity == 'type' else 'ends'}"
            )

    def holds_at(self, precision: Precision) -> bool:
        """Return whether the limit is one of this precision."""
        return any(fnmatch.fnmatchcase(str(precision), pattern) for pattern in self.precisions)

    def admits(self, low: float, high: float) -> bool:
        """Return whether all numbers from ``low`` to ``high`` lie within; NaN never does."""
        return (
            (self.least is None or low >= self.least)
            and (self.most is None or high <= self.most)
            and (self.above is None or low > self.above)
            and (self.below is None or high < self.below)
        )

    @property
    def in_words(self) -> str:
        """What is documented, and where: ``less than 10,000 at fp16``, ``from -1 to 1``."""
        where = "" if "*" in self.precisions else f" at {', '.join(self.precisions).replace('*-', '')}"
        return f"{self._range}{where}"

    @property
    def _range(self) -> str:
        if self.types:
            return f"one of {', '.join(self.types)}"
        if self.least is not None and self.most is not None:
            return f"from {shown(self.least)} to {shown(self.most)}"
        ends = {
            "at least": self.least,
            "at most": self.most,
            "more than": self.above,
            "less than": self.below,
        }
        return " and ".join(f"{word} {shown(end)}" for word, end in ends.items() if end is not None)


def shown(number: float) -> str:
    """Return a number in few characters: whole ones in full, with commas."""
    return f"{number:,.0f}" if float(number).is_integer() and abs(number) < 1e9 else f"{number:.3g}"
