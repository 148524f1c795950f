"""Key nodes: the nodes worth a golden and a verdict, found by the graph's structure or named, with reasons.

The rules find what an engineer looks at by hand: where branches meet, where many terms are summed, where
numbers become fixed point, what is rare, and where modules end. What structure does not show, such as the
state of a recurrent network, ``network.toml`` names. ``--nodes`` selects by the same reasons.
"""

from __future__ import annotations

import collections
import fnmatch
import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from conformance.errors import UsageError, near_names
from conformance.graph.operators import FIXED_POINT, FLOAT_PRODUCTS, REDUCTIONS
from conformance.graph.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph

OUTPUT = "output of the network"
FIXED = "fixed-point operator"
PRODUCTS = "sum of products"
REDUCTION = "reduction"
JOIN = "first join of branches from different inputs"
END = "end of a module"
RARE = "rare operator"
NAMED = "named in network.toml"
"""The reasons, as golden manifests keep them."""

KEY = "key"
ALL = "all"
REASON_CLASSES = {"outputs": OUTPUT, "joins": JOIN, "modules": END, "rare": RARE, "named": NAMED}
OPERATOR_CLASSES = {"reductions": REDUCTIONS, "fixed-point": FIXED_POINT}
OPERATOR = "op:"


class Described(Protocol):
    """A node that can be selected, such as an entry of a golden manifest."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def op(self) -> str:
        """Its operator type."""

    @property
    def reasons(self) -> Sequence[str]:
        """Why it is a key node; empty if it is none."""


class SelectableNode(NamedTuple):
    """A judgeable node of a graph; see :class:`Described`."""

    name: str
    op: str
    reasons: Sequence[str]


def judgeable_nodes(graph: FrozenGraph) -> list[str]:
    """Return the nodes whose first output is floating point and depends on an input, producers first."""
    return Structure(graph).judgeable


def key_nodes(graph: FrozenGraph, named: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the key nodes of ``graph``, producers first, each with the reasons why it was chosen.

    Args:
        graph: the network.
        named: names and globs of nodes that its user wants to be key nodes, too.

    Raises:
        UsageError: one of these means no judgeable node.
    """
    nodes = selectable_nodes(Structure(graph, named))
    return {node.name: list(node.reasons) for node in nodes if node.reasons}


def selectable_nodes(structure: Structure) -> list[SelectableNode]:
    """Return the judgeable nodes, producers first, with the reasons that make some of them key nodes."""
    reasons: dict[str, list[str]] = {name: [] for name in structure.judgeable}
    for chosen, reason in (
        (structure.graph.outputs, OUTPUT),
        (structure.of_operators(FIXED_POINT), FIXED),
        (structure.of_operators(FLOAT_PRODUCTS), PRODUCTS),
        (structure.of_operators(REDUCTIONS), REDUCTION),
        (structure.joins, JOIN),
        (structure.module_ends.keys() | structure.blocks.keys(), END),
        (structure.rare, RARE),
        (structure.named, NAMED),
    ):
        for name in dict.fromkeys(chosen):
            if name in reasons:
                reasons[name].append(reason)
    return [SelectableNode(name, structure.graph.nodes[name].op, why) for name, why in reasons.items()]


def node_classes(nodes: Iterable[Described]) -> dict[str, list[str]]:
    """Return the names that each class of ``--nodes`` means; a class without nodes is there, and empty.

    Needs no graph: the entries of a golden manifest will do.
    """
    described = list(nodes)
    classes = {ALL: [node.name for node in described], KEY: [node.name for node in described if node.reasons]}
    for word, reason in REASON_CLASSES.items():
        classes[word] = [node.name for node in described if reason in node.reasons]
    for word, operators in OPERATOR_CLASSES.items():
        classes[word] = [node.name for node in described if node.op in operators]
    of_type = collections.defaultdict(list)
    for node in described:
        of_type[OPERATOR + node.op].append(node.name)
    return {**classes, **of_type}


def select_nodes(pattern: str, nodes: Iterable[Described], source: str) -> list[str]:
    """Return the names of those ``nodes`` that ``--nodes pattern`` means, in their order.

    A pattern holds names, globs and classes, separated by commas. A word that is a class means the class; a
    node of the same name is meant by ``name:0``.

    Args:
        pattern: what the user wrote.
        nodes: every node that can be selected.
        source: what the nodes belong to, for errors.

    Raises:
        UsageError: a word of the pattern means none of them.
    """
    classes = node_classes(nodes)
    names = classes[ALL]
    words = [word.strip() for word in pattern.split(",")]
    if len(words) > 1 and "" in words:
        raise UsageError(f"--nodes {pattern!r} has nothing between two commas, or at an end; drop a comma")
    chosen: set[str] = set()
    for word in words:
        chosen.update(_meant(word, pattern, names, classes, source))
    return [name for name in names if name in chosen]


def _meant(
    word: str, pattern: str, names: Sequence[str], classes: Mapping[str, Sequence[str]], source: str
) -> Sequence[str]:
    """Return what one word of a pattern means."""
    meant = classes.get(word) or _matching(word, names, classes)
    if meant:
        return meant
    shown = f"--nodes {pattern!r}" if word == pattern else f"{word!r} of --nodes {pattern!r}"
    if word in classes:
        raise UsageError(f"{shown} matches no node of {source}: none is of this class; choose another")
    if (tensor := re.fullmatch(r"(.*):\d+", word)) and tensor[1] in names:
        raise UsageError(
            f"{shown} matches no node of {source}: only the first output of a node is judged; "
            f"write {tensor[1]!r}"
        )
    near = near_names(word, [*names, *classes]) or "; `mlu-conformance nodes` lists nodes and classes"
    raise UsageError(f"{shown} matches no node of {source}{near}")


def _matching(word: str, names: Sequence[str], classes: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the nodes that a name or a glob means; a glob after ``op:`` is one of operator types."""
    if word.startswith(OPERATOR):
        kinds = fnmatch.filter((kind for kind in classes if kind.startswith(OPERATOR)), word)
        return [name for kind in kinds for name in classes[kind]]
    return fnmatch.filter(names, word.removesuffix(":0"))
