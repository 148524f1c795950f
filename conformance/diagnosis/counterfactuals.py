"""What a culprit does to the outputs: the network is run once more without what it adds.

The culprit is computed exactly on what reaches it. Its golden in place would take away what it inherits, too,
so that any bottleneck of a network would seem to be the cause of what comes out of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from conformance.devices.base import Hosted, Unsupported
from conformance.diagnosis.model import Effect
from conformance.diagnosis.splicing import levels
from conformance.errors import InfrastructureError, UsageError
from conformance.graph.operators import FIXED_POINT
from conformance.precision import parse_precision

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.model import Culprit, Quality
    from conformance.precision import Precision

How: TypeAlias = Literal["exact", "unfused", "wider", "golden"]
MOST_LEVELS = 3
"""Culprits that read each other, one after the other, so many times, are computed exactly on a device that
leaves no node to the host; each time takes a run. Of longer chains the goldens are put in place."""


class Counterfactuals:
    """Runs a network without what its culprits add.

    Args:
        passes: runs the network.
        precision: what is diagnosed.
        samples: what is run each time, in this order.

    Attributes:
        spent: passes beyond one per culprit.
    """

    def __init__(self, passes: ForwardPasses, precision: Precision, samples: Sequence[int]) -> None:
        self._passes, self._precision, self._samples = passes, precision, samples
        self.spent = 0

    def effect(self, culprits: Sequence[Culprit], nodes: Sequence[str], before: Quality) -> Effect:
        """Measure what some culprits do together.

        Args:
            culprits: what is repaired.
            nodes: theirs, but for outputs; not empty.
            before: the outputs as they are.

        Raises:
            DeviceLost: the device is gone for good.
        """
        started = self._passes.count
        how, after = self._repaired(culprits, nodes)
        self.spent += max(0, self._passes.count - started - len(self._samples))
        return Effect(before=before, after=after, how=how)

    def _repaired(self, culprits: Sequence[Culprit], nodes: Sequence[str]) -> tuple[How, Quality]:
        if self._is_the_float_type(culprits):
            wide = parse_precision(f"{self._precision.fixed}-fp32")
            return "wider", self._passes.fused(wide, self._samples)
        if all(culprit.kind == "fused" for culprit in culprits):
            return "unfused", self._passes.fused(self._precision, self._samples, broken=nodes)
        for hosted in self._hosted(nodes):
            try:
                quality = self._passes.fused(self._precision, self._samples, hosted=hosted)
            except Unsupported:
                continue
            if quality.offered:
                return "exact", quality
        if (spliced := self._spliced(nodes)) is not None:
            return "exact", spliced
        return "golden", self._passes.fused(self._precision, self._samples, goldens=nodes)

    def _is_the_float_type(self, culprits: Sequence[Culprit]) -> bool:
        """Return whether halves are to blame: what the host computes is stored as a half again."""
        graph = self._passes.store.network.graph
        return self._precision.float_bits == 16 and all(
            culprit.kind == "precision" and graph.nodes[culprit.worst].op not in FIXED_POINT
            for culprit in culprits
        )

    def _hosted(self, nodes: Sequence[str]) -> Iterator[Hosted]:
        """Yield the nodes, then their types where these are to blame, and no node of them is right."""
        yield Hosted(nodes=frozenset(nodes))
        store = self._passes.store
        types = {store.network.graph.nodes[name].op for name in nodes}
        alike = {node.name for node in store.manifest.nodes if node.op in types}
        if alike <= {*nodes, *store.network.graph.outputs}:
            yield Hosted(operators=frozenset(types))

    def _spliced(self, nodes: Sequence[str]) -> Quality | None:
        """Return the outputs with the nodes computed exactly; None where that takes too much, or fails."""
        if len(levels(self._passes.store.network.graph, nodes)) > MOST_LEVELS:
            return None
        try:
            return self._passes.spliced(self._precision, self._samples, nodes)
        except (UsageError, InfrastructureError):
            return None
