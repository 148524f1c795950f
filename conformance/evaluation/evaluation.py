"""Evaluating a device on a network: one run per precision and mode judges every node."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from conformance.devices.base import DeviceLost
from conformance.errors import GoldenError
from conformance.evaluation.device_runs import Problem, Stopwatch, digest, problem_of, problems_of
from conformance.expected.attainable import AttainableFile, check_scales, read_attainable
from conformance.expected.golden_feeds import golden_feeds
from conformance.expected.preparation import scales_directory
from conformance.graph.cut import cut
from conformance.graph.operators import known
from conformance.judging.bounds import Attainable, ErrorLimits, Margins, bound
from conformance.judging.cases import Case, Mode
from conformance.judging.comparison import Comparison, compare_sample
from conformance.judging.verdicts import Verdict, accept_comparisons, judge_comparisons, reached
from conformance.quantization.files import read_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from conformance.devices.base import Device, Session
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.answers import Answers
    from conformance.networks import Output
    from conformance.numerics.metrics import Metrics
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]


@dataclasses.dataclass(frozen=True)
class Finding:
    """What came out for one case: a verdict, or why there is none.

    Attributes:
        case: what was judged.
        state: ``judged``, ``measured`` (chained errors have no bound), ``unsupported`` or ``broken``.
        verdict: the verdict, or the errors of a measured case; None where nothing could be compared.
        reason: why there is no verdict.
        sha256: of the outputs, one per sample.
        seconds: device time over all samples of the run that the case was part of.
        notes: what the device says of its run.
    """

    case: Case
    state: Literal["judged", "measured", "unsupported", "broken"]
    verdict: Verdict | None = None
    reason: str = ""
    sha256: tuple[str, ...] = ()
    seconds: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def metrics(self) -> Metrics | None:
        """The errors, where there are any."""
        return self.verdict.metrics if self.verdict else None

    @property
    def outcome(self) -> str:
        """``conforms`` or ``deviates`` where it was judged, else its state."""
        return self.verdict.outcome if self.state == "judged" and self.verdict else self.state

    @classmethod
    def of(cls, case: Case, problem: Problem) -> Finding:
        """Return the finding of a case that the device could not run."""
        return cls(case, problem.state, reason=problem.reason)


class Evaluation:
    """A device, a network and its goldens, ready to be judged.

    Every method runs the device at most once per precision; results are judged sample by sample, so that
    only one sample's tensors are in memory.

    Args:
        device: what is judged.
        store: the goldens.
        margins: margin per operator class.
        nodes: the judged nodes.
        fuse: False runs layer by layer, in every mode.
        samples: the samples that are judged; None for all.
        watch: is shown every result with its case and sample, before it is dropped; it must not raise.

    Attributes:
        lost: set when the device is gone for good; nothing more can be judged.
        incidents: failures of the device that no node is to blame for.
    """

    def __init__(
        self,
        device: Device,
        store: GoldenStore,
        margins: Margins,
        nodes: Sequence[str],
        *,
        fuse: bool = True,
        samples: Sequence[int] | None = None,
        watch: Callable[[Case, int, Any], object] = lambda *_: None,
    ) -> None:
        self.device, self.store, self.nodes, self.fuse = device, store, tuple(nodes), fuse
        self.lost: DeviceLost | None = None
        self.incidents: list[str] = []
        self.network = store.network
        self.samples = tuple(range(self.network.samples)) if samples is None else tuple(samples)
        self.watch = watch
        self.stopwatch = Stopwatch()
        self._margins = margins
        self._shapes = {node.name: node.samples[0].shape for node in store.manifest.key}
        self._ops = {node.name: node.op for node in store.manifest.nodes}

    @functools.cached_property
    def attainable(self) -> AttainableFile:
        """What an ideal device attains at each node."""
        return read_attainable(self.store)

    @functools.cache  # noqa: B019 - an evaluation lives as long as its run
    def scales(self, bits: int) -> QuantizationScales:
        """The network's quantisation scales of this width.

        Raises:
            UsageError: the parameter file is missing or wrong.
            GoldenError: attainable errors, and so the bounds, were made with other scales.
        """
        scales = read_scales(scales_directory(self.store), bits, self.network.graph)
        check_scales(self.attainable, scales, self.store)
        return scales

    def case(self, node: str, precision: Precision, mode: Mode) -> Case:
        """Return the case of a node at a precision in a mode."""
        return Case(
            network=self.network.name, node=node, op=self._ops[node], precision=str(precision), mode=mode
        )

    def attains(self, node: str, precision: Precision) -> Attainable:
        """Return the attainable error of a node.

        Raises:
            GoldenError: it is not known.
        """
        try:
            return self.attainable.nodes[node][str(precision)]
        except KeyError as error:
            raise GoldenError(
                f"node {node!r} has no attainable error at {precision} in {self.store.directory}; "
                f"{self.store.remedy}"
            ) from error

    def limits(self, node: str, precision: Precision) -> ErrorLimits:
        """Return the bound of a node's own error.

        Raises:
            GoldenError: its attainable error is not known.
        """
        attainable = self.attains(node, precision)
        deciding = self.attainable.operators.get(node, self._ops[node])
        return bound(attainable, known(deciding).margin_class, self._margins)

    @functools.cache  # noqa: B019
    def own(self, precision: Precision) -> dict[str, Finding]:
        """Judge the own error of every node: one run of the graph cut at all key nodes."""
        graph = cut(self.network.graph, self._shapes, self.nodes)
        self.store.ensure([*self._shapes, *self.nodes])
        return self._found(
            precision,
            "own",
            graph,
            self.nodes,
            lambda sample: golden_feeds(self.store, graph.inputs, sample),
            lambda node, compared: judge_comparisons(compared, self.limits(node, precision)),
        )

    @functools.cache  # noqa: B019
    def chained(self, precision: Precision) -> dict[str, Finding]:
        """Measure the error of every node in the whole network, fusion broken at these nodes."""
        self.store.ensure(self.nodes)
        outputs = {output.name: output for output in self.network.outputs}
        graph = self.network.graph.prune(self.nodes)
        return self._found(
            precision,
            "chained",
            graph,
            self.nodes,
            lambda sample: self._inputs(graph, sample),
            lambda node, compared: _measured(compared, outputs.get(node)),
        )

    @functools.cache  # noqa: B019
    def fused(self, precision: Precision) -> dict[str, Finding]:
        """Judge the outputs of the fused network against its acceptance."""
        outputs = {output.name: output for output in self.network.outputs}
        self.store.ensure(outputs)
        return self._found(
            precision,
            "fused",
            self.network.graph,
            tuple(outputs),
            lambda sample: self._inputs(self.network.graph, sample),
            lambda node, compared: self.accept(outputs[node], compared),
        )

    def restored(
        self, precision: Precision, nodes: Collection[str], broken: Sequence[str] = ()
    ) -> dict[str, Finding]:
        """Judge the outputs of a network in which goldens stand in for some nodes, as if these were exact.

        Args:
            precision: fixed-point × float width.
            nodes: whose readers read the golden instead.
            broken: fetched besides, so that fusion is broken there.
        """
        outputs = {output.name: output for output in self.network.outputs}
        self.store.ensure([*outputs, *nodes, *broken])
        shapes = {name: self.store.node(name).samples[0].shape for name in nodes}
        fetches = tuple(dict.fromkeys([*outputs, *broken]))
        graph = cut(self.network.graph, shapes, fetches) if shapes else self.network.graph.prune(fetches)
        found = self._found(
            precision,
            "fused",
            graph,
            fetches,
            lambda sample: golden_feeds(self.store, graph.inputs, sample),
            lambda node, compared: self.accept(outputs.get(node, self.network.outputs[0]), compared),
        )
        return {name: found[name] for name in outputs}

    def accept(self, output: Output, compared: Sequence[Comparison]) -> Verdict:
        """Return the verdict of an output against the network's acceptance."""
        return accept_comparisons(compared, self.network.acceptance, output.span)

    def open_fused(self, precision: Precision) -> Session:
        """Compile the network as it ships, for timing; the caller closes it."""
        return self.device.open(
            self.network.graph,
            [output.name for output in self.network.outputs],
            precision=precision,
            scales=self.scales(precision.fixed_bits),
            fuse=self.fuse,
        )

    def run(self, session: Session, feeds: Mapping[str, Array]) -> tuple[dict[str, Any], float]:
        """Run a session; return what it returned and its device time in seconds."""
        return self.stopwatch.run(session, feeds)

    def compare(self, node: str, sample: int, result: Any, where: str = "") -> Comparison:
        """Compare a device's result with the golden, whatever it is, and its answers with the truth."""
        name = node if self.network.samples == 1 else f"{node} (sample {sample})"
        found = compare_sample(self.store.get(node, sample), result, where or name)
        answering = self._answering.get(node)
        if answering is None or found.metrics is None:
            return found
        return dataclasses.replace(found, answers=answering.count(result, self._truth(node, sample)))

    @functools.cached_property
    def _answering(self) -> dict[str, Answers]:
        return {item.name: item.answers for item in self.network.outputs if item.answers is not None}

    @functools.cache  # noqa: B019
    def _truth(self, node: str, sample: int) -> Array:
        output = next(item for item in self.network.outputs if item.name == node)
        return self.network.truth(output, sample, self.store.node(node).samples[sample].shape)

    def check_truths(self) -> None:
        """Read the true answers of all samples.

        Raises:
            UsageError: some cannot be read, or do not fit their output.
        """
        for node in self._answering:
            for sample in self.samples:
                self._truth(node, sample)

    def _inputs(self, graph: FrozenGraph, sample: int) -> dict[str, Array]:
        feeds = self.network.feeds(sample)
        return {name: feeds[name] for name in graph.inputs}

    def _found(
        self,
        precision: Precision,
        mode: Mode,
        graph: FrozenGraph,
        fetches: Sequence[str],
        feeds: Callable[[int], Mapping[str, Array]],
        judge: Callable[[str, Sequence[Comparison]], Verdict],
    ) -> dict[str, Finding]:
        """Run all samples and judge every fetch; what the device does wrong becomes findings, not errors."""
        scales = self.scales(precision.fixed_bits)
        cases = {node: self.case(node, precision, mode) for node in fetches}
        try:
            with self.device.open(
                graph, fetches, precision=precision, scales=scales, fuse=self.fuse
            ) as session:
                compared, digests, seconds = self._compared(session, cases, feeds)
                notes = tuple(getattr(session, "notes", ()))
            problems = self.heard(session)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - what a device raises is a finding about it
            problem = self.problem(error)
            return {node: Finding.of(case, problem) for node, case in cases.items()}
        state: Literal["judged", "measured"] = "measured" if mode == "chained" else "judged"
        return {
            node: Finding.of(case, problems[node])
            if node in problems
            else Finding(case, state, judge(node, compared[node]), "", tuple(digests[node]), seconds, notes)
            for node, case in cases.items()
        }

    def fusion(self, mode: Mode) -> str:
        """Return how the graph of a mode is compiled, in words."""
        if not self.fuse:
            return "layer by layer"
        return "fused" if mode == "fused" else "broken at nodes"

    def problem(self, error: BaseException) -> Problem:
        """Return what an exception out of the device means, and remember a device that is lost."""
        if isinstance(error, DeviceLost):
            self.lost = error
        return problem_of(error)

    def heard(self, session: Session) -> dict[str, Problem]:
        """Return a session's problems by fetch, and remember its incidents."""
        self.incidents += [text for text in getattr(session, "incidents", ()) if text not in self.incidents]
        return problems_of(session)

    def _compared(
        self,
        session: Session,
        cases: Mapping[str, Case],
        feeds: Callable[[int], Mapping[str, Array]],
    ) -> tuple[dict[str, list[Comparison]], dict[str, list[str]], float]:
        compared: dict[str, list[Comparison]] = {node: [] for node in cases}
        digests: dict[str, list[str]] = {node: [] for node in cases}
        total = 0.0
        for sample in self.samples:
            results, seconds = self.run(session, feeds(sample))
            total += seconds
            for node, case in cases.items():
                result = results.pop(node, None)
                self.watch(case, sample, result)
                compared[node].append(self.compare(node, sample, result))
                digests[node] += digest(result)
        return compared, digests, total


def _measured(compared: Sequence[Comparison], output: Output | None) -> Verdict:
    """Return the errors of a node without a bound; of an output also what it reached."""
    limitless = ErrorLimits(2.0, *(np.finfo(np.float64).max,) * 3)
    verdict = judge_comparisons(compared, limitless)
    whole = output is not None and verdict.outcome == "conforms"
    found = reached(compared, output.span) if output is not None and whole else None
    return msgspec.structs.replace(verdict, bounds=None, needed=None, reached=found)
