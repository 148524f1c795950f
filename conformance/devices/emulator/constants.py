"""Constants of rewritten graphs: what is made of a network's weights is made once, and lies beside the graph.

Sessions of one process rewrite the same network again and again: at several precisions, cut, whole and
fused. What each makes of a filter is kept as long as the filter, so that TensorFlow, too, gets it once.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from conformance.graph.constants import on_own_pages, same_numbers, stored
from conformance.graph.editing import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from conformance.graph.constants import Array, Node

T = TypeVar("T")
_MADE: dict[tuple[Hashable, ...], Any] = {}


def made_of(array: Array, how: Hashable, make: Callable[[Array], T]) -> T:
    """Return ``make(array)``, computed once for the same numbers and the same ``how``.

    Args:
        array: never written to; the same one, or the same view of it, is recognised.
        how: everything else that the result depends on.
        make: makes something that is not written to either, and no view of the array.
    """
    owner, numbers = same_numbers(array)
    key = (*numbers, how)
    if key not in _MADE:
        made: Any = make(array)
        made = on_own_pages(made) if isinstance(made, np.ndarray) else made
        assert made is not owner, "what keeps an array alive cannot go with it"
        _MADE[key] = made
        weakref.finalize(owner, _MADE.pop, key, None)
    return cast("T", _MADE[key])


def contiguous(array: Array) -> Array:
    """Return an array row by row in memory: itself, or always the same copy."""
    return array if array.flags.c_contiguous else made_of(array, "contiguous", np.ascontiguousarray)


class Constants:
    """The constants of a graph that is being made.

    Attributes:
        arrays: of the large ones, by node.
    """

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def node(self, name: str, value: Array, dtype: Any = None) -> Node:
        """Return a Const node of these values.

        Args:
            name: of the node.
            value: never written to; of a type whose values ``dtype`` holds.
            dtype: what readers get; by default the type of ``value``.
        """
        return self.like(plain(name, "Const", [], dtype=value.dtype if dtype is None else dtype), value)

    def like(self, node: Node, value: Array) -> Node:
        """Return a Const node like another one, of the same dtype for readers, but of these values."""
        made, arrays = stored(node, contiguous(value))
        self.arrays |= arrays
        return made
