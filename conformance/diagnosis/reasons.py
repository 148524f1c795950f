"""Why nodes fail, or add most: evidence in the goldens' numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from conformance.diagnosis.evidence import Reason, evidence_of, size_of
from conformance.diagnosis.measured import as_measured
from conformance.diagnosis.model import Contributor
from conformance.diagnosis.network_errors import branches_of, own_squares
from conformance.expected.limits import BEYOND
from conformance.expected.overflow import told_share
from conformance.graph.frozen import data_inputs, producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from conformance.diagnosis.model import Culprit, NodeErrors
    from conformance.expected.limits import Limits
    from conformance.expected.overflow import Overflow
    from conformance.goldens import GoldenStore
    from conformance.precision import Precision
    from conformance.probing.result import Probe
    from conformance.quantization.parameter_file import QuantizationScales

MOST_NODES = 4
"""Nodes of a culprit whose numbers are looked at."""

DOCUMENTED = "documented range"
"""Kind of the reason that a node leaves what the vendor documents: told of a culprit's worst node alone."""

OVERFLOWS = "ideal overflow"
"""Kind of the reason that a node overflows even on an ideal half device."""

ALIKE = 30.0
"""An error at most this many times larger or smaller than what a cause makes is explained by it."""

LOCAL = frozenset({"uneven channels"})
"""Causes that are far larger in some channels than in the whole tensor."""

MOST = 3
"""Nodes that are named, each with its reasons."""


class Explanations:
    """What the goldens of one sample show of nodes.

    Args:
        store: goldens of the network.
        precision: what is diagnosed.
        scales: of its fixed-point tensors, of the precision's width.
        sample: whose goldens are looked at.
        limits: what the vendor documents.
        overflow: what overflows even on an ideal half device.
        own: own errors by node, as root mean squares relative to their goldens', where they are known.
        probe: of the device, where there is one.
    """

    def __init__(
        self,
        store: GoldenStore,
        precision: Precision,
        scales: QuantizationScales,
        sample: int,
        limits: Limits,
        overflow: Overflow,
        own: Mapping[str, float | None],
        probe: Probe | None = None,
    ) -> None:
        self._store, self._graph, self._limits = store, store.network.graph, limits
        self._precision, self._scales, self._sample = precision, scales, sample
        self._overflow = overflow
        self._known = {node.name for node in store.manifest.nodes}
        self._own, self._probe = own, probe

    def with_reasons(self, culprits: Sequence[Culprit]) -> list[Culprit]:
        """Return the culprits with what goldens show of them, after the reasons that they have.

        A cause must be of the size of the error; of what fails only when fused its own error says nothing.
        """
        branches = branches_of(self._graph)
        wanted = {item.what: _looked_at(item, branches) for item in culprits if item.kind != "device"}
        found = self._of(dict.fromkeys(node for listed in wanted.values() for node in listed))
        return [
            msgspec.structs.replace(
                culprit,
                reasons=[
                    *culprit.reasons,
                    *(
                        reason
                        for index, node in enumerate(wanted.get(culprit.what, []))
                        for reason in found[node]
                        if (index == 0 or reason.kind != DOCUMENTED)
                        and (culprit.kind == "fused" or self._is_of_its_size(reason))
                    ),
                ],
            )
            for culprit in culprits
        ]

    def contributors(self, errors: Sequence[NodeErrors], culprits: Iterable[Culprit]) -> list[Contributor]:
        """Return the nodes that add most, with their reasons; none where culprits add more than all others.

        Own errors, relative to the nodes' goldens, have nothing to do with each other, so that they add as
        squares. What lies between a node and the output counts them for more or less: they are a ranking,
        and no measured effect.

        Args:
            errors: of the key nodes.
            culprits: what is to blame; the precision itself is no node.
        """
        blamed = {node for culprit in culprits if culprit.kind != "precision" for node in culprit.nodes}
        others = [item for item in errors if item.node not in blamed]
        total, of_others = own_squares(errors), own_squares(others)
        if total == 0 or 2 * of_others <= total:
            return []
        most = sorted(others, key=lambda item: -(item.own or 0.0))[:MOST]
        reasons = self._of([item.node for item in most])
        return [
            Contributor(
                node=item.node,
                op=item.op,
                own=item.own,
                share=item.own**2 / total,
                reasons=[reason for reason in reasons[item.node] if self._is_of_its_size(reason)],
            )
            for item in most
            if item.own
        ]

    def _is_of_its_size(self, reason: Reason) -> bool:
        """Return whether a cause can have made its node's own error; where a size is not known, it may."""
        error, size = self._own.get(reason.node), size_of(reason)
        if error is None or size is None:
            return True
        return 0 < error <= ALIKE * size and (reason.kind in LOCAL or size <= ALIKE * error)

    def _of(self, nodes: Iterable[str]) -> dict[str, list[Reason]]:
        """Return what goldens show of each node, strongest first."""
        chosen, graph = list(nodes), self._graph
        near = [name for node in chosen for name in (node, *map(producer, data_inputs(graph.nodes[node])))]
        self._store.ensure(name for name in near if name in self._known)
        found = {node: self._evidence(node) for node in chosen}
        return {
            node: [
                *self._overflowing(node),
                *self._beyond(node),
                *(msgspec.structs.replace(item, strength=0.0) for item in reasons),
            ]
            for node, reasons in found.items()
        }

    def _evidence(self, node: str) -> list[Reason]:
        """Return what golden numbers show of a node, as a probe measured it where there is one."""
        found = evidence_of(node, self._graph, self._precision, self._scales, self._values)
        if self._probe is None:
            return found
        return as_measured(found, self._graph.nodes[node].op, self._precision, self._probe)

    def _overflowing(self, node: str) -> list[Reason]:
        """Return that a node overflows on any half device, if it does."""
        share = self._overflow.share(node, self._precision)
        if not share:
            return []
        sentence = f"{node} {told_share(share)}: a half ends at 65504, and float32 does not."
        return [Reason(node=node, kind=OVERFLOWS, sentence=sentence, figures={"share": share})]

    def _beyond(self, node: str) -> list[Reason]:
        """Return which of the vendor's documented ranges a node leaves, in one reason."""
        outside = self._limits.outside([node], self._precision)
        if not outside:
            return []
        found, source = ", ".join(item.in_words for item in outside), outside[0].limit.source
        sentence = f"{node} is {BEYOND}: {found} ({source.partition(':')[0]})."
        figures: dict[str, float | int | str] = {item.limit.quantity: item.found for item in outside}
        return [Reason(node=node, kind=DOCUMENTED, sentence=sentence, figures=figures)]

    def _values(self, name: str) -> np.ndarray[Any, Any]:
        feeds = self._store.network.feeds(self._sample)
        if name in feeds:
            return feeds[name]
        if name not in self._known:
            raise KeyError(name)
        return self._store.get(name, self._sample)


def with_repeats(culprits: Sequence[Culprit], repeats: Mapping[str, tuple[int, int]]) -> list[Culprit]:
    """Return the culprits, those that hand out old results with a reason that says so.

    Args:
        culprits: what is to blame.
        repeats: nodes that returned what is right for the sample that ran before: (sample, before).
    """
    return [
        msgspec.structs.replace(
            culprit,
            reasons=[
                *(_old_result(node, *repeats[node]) for node in culprit.nodes if node in repeats),
                *culprit.reasons,
            ],
        )
        for culprit in culprits
    ]


def _old_result(node: str, sample: int, before: int) -> Reason:
    return Reason(
        node=node,
        kind="old result",
        sentence=f"For sample {sample}, {node} returned what is right for sample {before}, which ran before: "
        "it hands out an old result.",
        figures={"sample": sample, "before": before},
    )


def _looked_at(culprit: Culprit, branches: Mapping[str, str]) -> list[str]:
    """Return the worst node of a culprit, its first, and the first of every other branch."""
    firsts: dict[str, str] = {}
    for node in culprit.nodes:
        firsts.setdefault(branches.get(node, ""), node)
    return list(dict.fromkeys([culprit.worst, culprit.nodes[0], *firsts.values()]))[:MOST_NODES]
