"""Orders in which terms are added: the trees that kernels are known to have, in words and as sums."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Literal, Union

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.probing.formats import Doubles

    Round = Callable[[Doubles], Doubles]

Plain = Literal["forward", "backward", "pairs", "halves", "at once"]
Order = Union["Plain", "Grouped"]

WORDS: dict[str, str] = {
    "forward": "one after the other",
    "backward": "one after the other, the last one first",
    "pairs": "in pairs of neighbours, and pairs of pairs",
    "halves": "the first half to the second, again and again",
    "at once": "at once, without rounding in between",
}
PICTURES: dict[str, str] = {
    "forward": "((t0 + t1) + t2) + …",
    "backward": "… + (t2 + (t1 + t0))",
    "pairs": "((t0 + t1) + (t2 + t3)) + …",
    "halves": "(t0 + tn/2) + (t1 + tn/2+1) + …",
    "at once": "(t0 + t1 + t2 + …)",
}


@dataclasses.dataclass(frozen=True)
class Grouped:
    """Terms that are added in groups, and the groups' sums after that.

    Attributes:
        kind: ``blocks`` are neighbours; a term is in lane ``i mod size``.
        size: terms of a block, or how many lanes there are.
        inner: how a group is added.
        outer: how the groups' sums are.
    """

    kind: Literal["blocks", "lanes"]
    size: int
    inner: Order
    outer: Order


def words(order: Order) -> str:
    """Return an order in words."""
    if not isinstance(order, Grouped):
        return WORDS[order]
    if order.kind == "blocks":
        return f"in blocks of {order.size}, each {words(order.inner)}, the blocks {words(order.outer)}"
    return f"in {order.size} lanes, each {words(order.inner)}, the lanes {words(order.outer)}"


def picture(order: Order) -> str:
    """Return the tree of an order as a formula of its first terms."""
    if not isinstance(order, Grouped):
        return PICTURES[order]
    size = order.size
    if order.kind == "blocks":
        groups = f"[t0…t{size - 1}], [t{size}…t{2 * size - 1}], …"
    else:
        groups = f"[t0, t{size}, …], [t1, t{size + 1}, …], … [t{size - 1}, t{2 * size - 1}, …]"
    return f"{groups}; each {picture(order.inner)}; of these {picture(order.outer)}"


def total(order: Order, terms: Doubles, rounded: Round) -> Doubles:
    """Return sums along the first axis.

    Args:
        order: of adding.
        terms: (terms, …), float64.
        rounded: returns a sum of two as the accumulator has it.
    """
    if isinstance(order, Grouped):
        return total(order.outer, _groups(order, terms, rounded), rounded)
    if order == "at once":
        return rounded(terms.sum(axis=0))
    if order in ("forward", "backward"):
        ordered = terms if order == "forward" else terms[::-1]
        return functools.reduce(lambda sum_, term: rounded(sum_ + term), ordered[1:], rounded(ordered[0]))
    terms = rounded(terms)
    while len(terms) > 1:
        terms = _paired(terms, rounded) if order == "pairs" else _halved(terms, rounded)
    first: Doubles = terms[0]
    return first


def _groups(order: Grouped, terms: Doubles, rounded: Round) -> Doubles:
    """Return the sums of groups; zeros, which add nothing, fill the last ones."""
    missing = -len(terms) % order.size
    filled = np.concatenate([terms, np.zeros((missing, *terms.shape[1:]))]) if missing else terms
    if order.kind == "lanes":
        return total(order.inner, filled.reshape(-1, order.size, *terms.shape[1:]), rounded)
    blocks = filled.reshape(-1, order.size, *terms.shape[1:])
    return total(order.inner, np.swapaxes(blocks, 0, 1), rounded)


def _paired(terms: Doubles, rounded: Round) -> Doubles:
    even = len(terms) // 2 * 2
    return np.concatenate([rounded(terms[:even:2] + terms[1:even:2]), terms[even:]])


def _halved(terms: Doubles, rounded: Round) -> Doubles:
    half = (len(terms) + 1) // 2
    rest = len(terms) - half
    return np.concatenate([rounded(terms[:rest] + terms[half:]), terms[rest:half]])


SIZES = (2, 4, 8, 16, 32, 64, 128)


def _known_orders() -> tuple[Order, ...]:
    plain: tuple[Plain, ...] = ("forward", "backward", "pairs", "halves", "at once")
    inner: tuple[Plain, ...] = ("forward", "pairs", "halves", "at once")
    outer: tuple[Plain, ...] = ("forward", "pairs", "halves")
    grouped = [
        Grouped(kind, size, first, second)
        for size in SIZES
        for kind in ("blocks", "lanes")
        for first in inner
        for second in outer
        if not (first == second == "halves" or (first == second == "pairs" and kind == "blocks"))
    ]
    of_numpy = Grouped("blocks", 128, Grouped("lanes", 8, "forward", "pairs"), "pairs")
    of_packets = [
        Grouped("lanes", times * width, "forward", Grouped("lanes", width, first, second))
        for width in (4, 8, 16)
        for times in (2, 4)
        for first in outer
        for second in outer
    ]
    return (*plain, *grouped, of_numpy, *of_packets)


ORDERS = _known_orders()
"""From the simplest to the least simple: of several that give the same sums, the first one is named."""

BY_WORDS: dict[str, Order] = {words(order): order for order in ORDERS}
"""The same by their words, which no two share."""
