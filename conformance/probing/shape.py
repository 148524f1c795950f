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
    whole = _tree(order, terms)
    assert whole is not None, "there are terms"
    return whole


def _tree(order: Order, terms: Sequence[Tree | None]) -> Tree | None:
    """Return the tree of terms of which some are none: a zero, which fills a group and adds nothing."""
    if isinstance(order, Grouped):
        return _tree(order.outer, [_tree(order.inner, group) for group in _filled(order, terms)])
    present = [term for term in terms if term is not None]
    if order == "at once" and len(present) > 1:
        return tuple(present)
    if order in ("at once", "forward", "backward"):
        return functools.reduce(_joined, present if order == "forward" else present[::-1], None)
    left = list(terms)
    while len(left) > 1:
        left = _halved(left) if order == "halves" else _paired(left)
    return left[0]


def _joined(first: Tree | None, second: Tree | None) -> Tree | None:
    if first is None or second is None:
        return second if first is None else first
    return (first, second)


def _paired(terms: Sequence[Tree | None]) -> list[Tree | None]:
    even = len(terms) // 2 * 2
    return [*map(_joined, terms[:even:2], terms[1:even:2]), *terms[even:]]


def _halved(terms: Sequence[Tree | None]) -> list[Tree | None]:
    half = (len(terms) + 1) // 2
    rest = len(terms) - half
    return [*map(_joined, terms[:rest], terms[half:]), *terms[rest:half]]


def _filled(order: Grouped, terms: Sequence[Tree | None]) -> list[Sequence[Tree | None]]:
    """Return groups of one length: all lanes there are, or whole blocks."""
    filled = [*terms, *[None] * (-len(terms) % order.size)]
    return _groups(order, filled)


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
