"""An order of adding as a tree of terms, and as much of it as a picture has room for."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, TypeVar, Union

from conformance.probing.orders import Grouped

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from conformance.probing.orders import Order

Tree = Union["int", "tuple[Tree, ...]"]
"""The number of a term, or what is added: two trees, or all of ``at once``."""
T = TypeVar("T")

MOST_LEAVES = 32
"""Terms of a picture."""


def tree(order: Order, terms: Sequence[Tree]) -> Tree:
    """Return in which order terms are added; :func:`conformance.probing.orders.total` adds them so."""
    if isinstance(order, Grouped):
        return tree(order.outer, [tree(order.inner, group) for group in _groups(order, terms)])
    if order == "at once":
        return tuple(terms) if len(terms) > 1 else terms[0]
    if order in ("forward", "backward"):
        ordered = terms if order == "forward" else terms[::-1]
        return functools.reduce(lambda sum_, term: (sum_, term), ordered)
    left = list(terms)
    while len(left) > 1:
        left = _halved(left) if order == "halves" else _paired(left)
    return left[0]


def _paired(terms: Sequence[Tree]) -> list[Tree]:
    even = len(terms) // 2 * 2
    return [*zip(terms[:even:2], terms[1:even:2], strict=True), *terms[even:]]


def _halved(terms: Sequence[Tree]) -> list[Tree]:
    half = (len(terms) + 1) // 2
    rest = len(terms) - half
    return [*zip(terms[:rest], terms[half:], strict=True), *terms[rest:half]]


def _groups(order: Grouped, terms: Sequence[T]) -> list[Sequence[T]]:
    if order.kind == "lanes":
        return [terms[lane :: order.size] for lane in range(min(order.size, len(terms)))]
    return [terms[start : start + order.size] for start in range(0, len(terms), order.size)]


def shown(order: Order, terms: int) -> list[int]:
    """Return which terms tell an order best: the first and the last of each of its groups, not too many."""
    for few in (8, 6, 4, 3):
        if len(chosen := _telling(order, range(terms), few)) <= MOST_LEAVES:
            return sorted(chosen)
    return sorted(_telling(order, range(terms), 2))


def _telling(order: Order, terms: Sequence[int], few: int) -> set[int]:
    if isinstance(order, Grouped):
        groups = _groups(order, terms)
        which = _telling(order.outer, range(len(groups)), few)
        return set().union(*(_telling(order.inner, groups[group], few) for group in which))
    if order == "halves":
        half = (len(terms) + 1) // 2
        return {*terms[: few // 2], *terms[half : half + few // 2]}
    return {*terms[: few - 1], terms[-1]}


def without(whole: Tree, kept: Collection[int]) -> Tree | None:
    """Return a tree without the terms that are not kept; None where nothing is left."""
    if isinstance(whole, int):
        return whole if whole in kept else None
    left = [part for part in (without(part, kept) for part in whole) if part is not None]
    return left[0] if len(left) == 1 else tuple(left) or None
