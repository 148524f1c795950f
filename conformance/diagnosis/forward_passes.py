"""The runs of a diagnosis: few, counted, each asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.base import Hosted, Hosts, Unsupported
from conformance.diagnosis.quality import quality_of
from conformance.diagnosis.splicing import Splice
from conformance.evaluation.evaluation import Evaluation
from conformance.evaluation.stopwatch import Stopwatch
from conformance.judging.comparison import compare_sample

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    import numpy as np

    from conformance.devices.base import Device
    from conformance.diagnosis.model import Quality
    from conformance.expected.expectations import Expectations
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.cases import Case
    from conformance.judging.findings import Finding
    from conformance.precision import Precision

    Watch = Callable[[Case, int, Any], None]


class ForwardPasses:
    """Runs a network on a device in the ways that a diagnosis needs.

    Args:
        device: what is diagnosed.
        expected: what it is held to.
        sample: the sample that is looked at.
        say: is told what runs next.

    Attributes:
        pictures: outputs of fused runs by precision and name, the last that were run.
        incidents: failures of the device that no node is to blame for.
        repeats: nodes that returned what is right for the sample that ran before, by node: (sample, before).
    """

    def __init__(
        self,
        device: Device,
        expected: Expectations,
        sample: int,
        say: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.device, self.expected, self.sample = device, expected, sample
        self.store = expected.store
        self.pictures: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        self.incidents: list[str] = []
        self.repeats: dict[str, tuple[int, int]] = {}
        self._say = say
        self._stopwatch = Stopwatch()

    @property
    def count(self) -> int:
        """How often the network, or a part of it, was run."""
        return self._stopwatch.runs

    @property
    def seconds(self) -> float:
        """Wall time that was spent inside these runs."""
        return self._stopwatch.seconds["device"]

    def own(self, precision: Precision, nodes: Sequence[str], samples: Sequence[int]) -> dict[str, Finding]:
        """Judge the own errors of nodes, on several samples one after the other.

        Raises:
            DeviceLost: the device is gone for good.
        """
        self._say(f"own errors of {len(nodes)} nodes at {precision}")
        watch = self._looking_for_repeats(samples, precision)
        evaluation = self._evaluation(self.device, nodes, samples, watch)
        return self._unless_lost(evaluation, evaluation.own(precision))

    def chained(
        self, precision: Precision, nodes: Sequence[str], samples: Sequence[int]
    ) -> tuple[dict[str, Finding], Quality]:
        """Measure the errors of nodes in the whole network; also how good its outputs are so.

        Raises:
            DeviceLost: the device is gone for good.
        """
        self._say(f"errors along the network at {precision}")
        outputs = [output.name for output in self.store.network.outputs]
        evaluation = self._evaluation(self.device, dict.fromkeys([*nodes, *outputs]), samples)
        found = self._unless_lost(evaluation, evaluation.chained(precision))
        return found, quality_of([found[name] for name in outputs], self.store.network.acceptance)

    def fused(
        self,
        precision: Precision,
        samples: Sequence[int],
        *,
        hosted: Hosted | None = None,
        goldens: Collection[str] = (),
        broken: Sequence[str] = (),
        rewritten: tuple[str, FrozenGraph] | None = None,
    ) -> Quality:
        """Run the network as it ships, with goldens for nodes, with fusion broken at nodes, or rewritten.

        Args:
            precision: fixed-point × float width.
            samples: which, one after the other.
            hosted: what is left to the host.
            goldens: nodes whose readers read the golden instead.
            broken: nodes at which fusion is broken.
            rewritten: how the network is written otherwise, in words, and what comes of it.

        Raises:
            Unsupported: the device cannot leave these operators to the host.
            DeviceLost: the device is gone for good.
        """
        device = self.device if hosted is None else _hosting(self.device, hosted)
        how = f"{precision} with {rewritten[0]}" if rewritten else ""
        self._say(how or _what(precision, hosted, goldens, broken))
        evaluation = self._evaluation(device, [], samples)
        if rewritten:
            found = evaluation.rewritten(precision, rewritten[1])
        elif goldens or broken:
            found = evaluation.restored(precision, goldens, broken)
        else:
            found = evaluation.fused(precision)
        return quality_of(self._unless_lost(evaluation, found).values(), self.store.network.acceptance)

    def spliced(self, precision: Precision, samples: Sequence[int], nodes: Sequence[str]) -> Quality | None:
        """Run the network with nodes computed exactly on what the device hands them, which it goes on with.

        Args:
            precision: fixed-point × float width.
            samples: which, one after the other.
            nodes: what is computed exactly; see :class:`conformance.diagnosis.splicing.Splice`.

        Returns:
            None where the device does not give what reaches them.

        Raises:
            DeviceLost: the device is gone for good.
        """
        self._say(f"{precision} with {len(nodes)} nodes computed exactly on what reaches them")
        evaluation = self._evaluation(self.device, [], samples)
        values = Splice(evaluation, precision, nodes).values()
        found = {} if values is None else evaluation.spliced(precision, values)
        self._unless_lost(evaluation, found)
        return quality_of(found.values(), self.store.network.acceptance) if found else None

    def _evaluation(
        self, device: Device, nodes: Iterable[str], samples: Sequence[int], watch: Watch | None = None
    ) -> Evaluation:
        return Evaluation(
            device,
            self.expected,
            tuple(nodes),
            samples=samples,
            watch=watch or self._keep_picture,
            stopwatch=self._stopwatch,
        )

    def _unless_lost(self, evaluation: Evaluation, found: dict[str, Finding]) -> dict[str, Finding]:
        """Return what was found, after a look at what the device said of itself."""
        if evaluation.lost is not None:
            raise evaluation.lost
        self.incidents += [text for text in evaluation.incidents if text not in self.incidents]
        return found

    def _looking_for_repeats(self, samples: Sequence[int], precision: Precision) -> Watch:
        """Return a watch that notes results which are right for the sample that ran before."""
        before = dict(zip(samples[1:], samples, strict=False))

        def watch(case: Case, sample: int, result: Any) -> None:
            node = case.node
            if sample in before:
                compared = compare_sample(self.store.get(node, before[sample]), result, node)
                if self.expected.judge(node, precision, [compared]).outcome == "conforms":
                    self.repeats[node] = (sample, before[sample])

        return watch

    def _keep_picture(self, case: Case, sample: int, result: Any) -> None:
        if case.mode == "fused" and sample == self.sample:
            self.pictures["last", case.node] = result

    def keep_pictures(self, precision: Precision) -> None:
        """Keep the outputs of the last fused run under a precision's name."""
        last = {node: value for (key, node), value in self.pictures.items() if key == "last"}
        self.pictures |= {(str(precision), node): value for node, value in last.items()}


def _what(
    precision: Precision, hosted: Hosted | None, goldens: Collection[str], broken: Sequence[str]
) -> str:
    if hosted:
        return f"{precision} with {', '.join([*sorted(hosted.operators), *sorted(hosted.nodes)])} on the host"
    if goldens:
        return f"{precision} with goldens in place of {len(goldens)} nodes"
    return (
        f"{precision} with fusion broken at {len(broken)} nodes"
        if broken
        else f"the fused network at {precision}"
    )


def _hosting(device: Device, hosted: Hosted) -> Device:
    if not isinstance(device, Hosts):
        raise Unsupported("the device cannot leave operators to the host")
    return device.hosting(hosted)
