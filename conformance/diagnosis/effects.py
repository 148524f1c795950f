"""What culprits do to the outputs, measured with goldens in their place; the largest effect comes first."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from conformance.diagnosis.model import Effect
from conformance.diagnosis.quality import decibels

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from conformance.diagnosis.model import Culprit, NodeErrors, Quality
    from conformance.graph.frozen import FrozenGraph


def stand_ins(
    culprit: Culprit, culprits: Sequence[Culprit], graph: FrozenGraph, judgeable: Sequence[str]
) -> list[str]:
    """Return the nodes whose goldens show a culprit's effect; empty where it is an output and nothing else.

    Of an operator type these are all nodes but for other culprits, also those that were not looked at. An
    output is left out: a golden in its place would be the whole result.
    """
    nodes = culprit.nodes if culprit.kind != "device" else []
    if culprit.kind == "operator":
        others = {name for other in culprits if other != culprit for name in other.nodes}
        nodes = [name for name in judgeable if graph.nodes[name].op == culprit.what and name not in others]
    return [name for name in nodes if name not in graph.outputs]


def with_effect(culprit: Culprit, before: Quality, after: Quality) -> Culprit:
    """Return the culprit with what was measured."""
    return msgspec.structs.replace(culprit, effect=Effect(before=before, after=after))


def farthest_off_first(culprits: Sequence[Culprit]) -> list[Culprit]:
    """Return the culprits, the one farthest above its bound first."""
    return sorted(culprits, key=_excess, reverse=True)


def largest_effect_first(
    culprits: Sequence[Culprit], errors: Mapping[str, NodeErrors], outputs: Collection[str]
) -> list[Culprit]:
    """Return the culprits, the largest gain of the outputs first, those without a measured one last.

    Of a culprit that is itself an output the gain is known: what reaches it is left.
    """
    return sorted(culprits, key=lambda item: (-_gain(item, errors, outputs), -_excess(item)))


def _gain(culprit: Culprit, errors: Mapping[str, NodeErrors], outputs: Collection[str]) -> float:
    """Return by how many decibels the outputs gain without a culprit."""
    if culprit.effect is not None:
        return decibels(culprit.effect.after) - decibels(culprit.effect.before)
    if culprit.worst in outputs and culprit.worst in errors:
        return _gain_of_output(errors[culprit.worst])
    return -math.inf


def _gain_of_output(item: NodeErrors) -> float:
    """Return the gain in decibels if an output added nothing to what reaches it."""
    if item.chained and item.inherited:
        return 20 * math.log10(item.chained / item.inherited)
    return math.inf


def _excess(culprit: Culprit) -> float:
    return math.inf if culprit.excess is None else culprit.excess
