"""Evaluating a device on a network: one run per precision and mode judges every node."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np

from conformance.cached_methods import cached_method
from conformance.evaluation.device_runs import DeviceRun, sha256_of
from conformance.evaluation.modelling import not_modelled
from conformance.evaluation.stopwatch import Stopwatch
from conformance.expected.golden_feeds import golden_feeds
from conformance.graph.cut import cut, cut_input
from conformance.judging.bounds import ErrorValues
from conformance.judging.findings import Finding
from conformance.judging.verdicts import judge_comparisons, reached
from conformance.precision import parse_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from conformance.devices.base import Device, DeviceLost
    from conformance.evaluation.device_runs import Attempt
    from conformance.expected.expectations import Expectations
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.cases import Case, Mode
    from conformance.judging.comparison import Comparison
    from conformance.judging.verdicts import Verdict
    from conformance.network_file import Output
    from conformance.precision import Precision

Array = np.ndarray[Any, Any]
Digest: TypeAlias = "Future[list[str]]"
"""SHA-256 of a result, which a thread works out while others are compared."""
Values: TypeAlias = "Mapping[tuple[str, int], Array]"
"""By node and sample."""
NOTHING_FED: Values = MappingProxyType({})
NO_BOUND = ErrorValues(2.0, *(float(np.finfo(np.float64).max),) * 3)
"""What every error is within: for errors that are measured, not judged."""


class Evaluation:
    """A device on a network, held to what is expected of it.

    Every method runs the device at most once per precision; results are judged sample by sample, so that
    only one sample's tensors are in memory.

    Args:
        device: what is judged.
        expected: what it is held to.
        nodes: the judged nodes.
        fuse: False runs layer by layer, in every mode.
        samples: the samples that are judged; None for all.
        watch: is shown every result with its case and sample, before it is dropped; it must not raise.
        stopwatch: tells where the time goes.
        repeat: how many times each session runs each sample; all results must have the same bits.
        keep_fused: the session in which the fused network was judged stays open to be timed, until
            :meth:`rest`.

    Attributes:
        lost: set when the device is gone for good; nothing more can be judged.
        incidents: failures of the device that no node is to blame for.
    """

    def __init__(
        self,
        device: Device,
        expected: Expectations,
        nodes: Sequence[str],
        *,
        fuse: bool = True,
        samples: Sequence[int] | None = None,
        watch: Callable[[Case, int, Any], object] = lambda *_: None,
        stopwatch: Stopwatch | None = None,
        keep_fused: bool = False,
        repeat: int = 1,
    ) -> None:
        self.device, self.expected, self.nodes, self.fuse = device, expected, tuple(nodes), fuse
        self.store, self.network = expected.store, expected.network
        self.samples = tuple(range(self.network.samples)) if samples is None else tuple(samples)
        self.watch = watch
        self.stopwatch = stopwatch or Stopwatch()
        self.lost: DeviceLost | None = None
        self.incidents: list[str] = []
        self._keep_fused, self._repeat = keep_fused, repeat
        self._kept: dict[Precision, DeviceRun] = {}
        self._known: dict[tuple[object, ...], Comparison] = {}

    @cached_method
    def own(self, precision: Precision) -> dict[str, Finding]:
        """Judge the own error of every node: one run of the graph cut at all key nodes."""
        self.store.ensure([*self.expected.shapes, *self.nodes])
        self.expected.need(self.nodes)
        return self._found(precision, "own", self._cut, self.nodes, self.expected.judge)

    @functools.cached_property
    def _cut(self) -> FrozenGraph:
        """The graph cut at all key nodes."""
        return cut(self.network.graph, self.expected.shapes, self.nodes)

    @functools.cached_property
    def _whole(self) -> FrozenGraph:
        """The graph as far as judged nodes need it."""
        return self.network.graph.prune(self.nodes)

    @cached_method
    def chained(self, precision: Precision) -> dict[str, Finding]:
        """Measure the error of every node in the whole network, fusion broken at these nodes."""
        self.store.ensure(self.nodes)
        outputs = self.expected.outputs
        return self._found(
            precision,
            "chained",
            self._whole,
            self.nodes,
            lambda node, _, compared: _measured(compared, outputs.get(node)),
        )

    @cached_method
    def fused(self, precision: Precision) -> dict[str, Finding]:
        """Judge the outputs of the fused network: against its acceptance, and against right devices."""
        self.rest()
        return self._accepted(precision, self.network.graph, (), keep=self._keep_fused, held=True)

    @contextlib.contextmanager
    def fused_run(self, precision: Precision) -> Iterator[DeviceRun]:
        """Lend the run of the fused network, the judged one if it is open still, and close it in the end."""
        graph, outputs = self.network.graph, list(self.expected.outputs)
        self.store.ensure(outputs)
        run = self._kept.pop(precision, None) or self.run(graph, outputs, precision)
        with run:
            yield run
        self.learn(run)

    def rest(self) -> None:
        """Close what stayed open; a device that breaks over it has an incident."""
        while self._kept:
            _, run = self._kept.popitem()
            before = run.error
            run.close()
            self.learn(run)
            if run.error is not before:
                self.incidents.append(f"the device broke while it closed a session: {run.error}")

    def restored(
        self, precision: Precision, nodes: Collection[str], broken: Sequence[str] = ()
    ) -> dict[str, Finding]:
        """Judge the outputs of a network in which goldens stand in for some nodes.

        Args:
            precision: fixed-point × float width.
            nodes: whose readers read the golden instead.
            broken: fetched besides, so that fusion is broken there.
        """
        fetches = tuple(dict.fromkeys([*self.expected.outputs, *broken]))
        self.store.ensure([*fetches, *nodes])
        shapes = {name: self.store.node(name).samples[0].shape for name in nodes}
        return self._accepted(precision, cut(self.network.graph, shapes, fetches), broken)

    def spliced(self, precision: Precision, values: Values) -> dict[str, Finding]:
        """Judge the outputs of a network in which some nodes' readers read other values.

        Args:
            precision: fixed-point × float width.
            values: what they read, by node and sample.
        """
        shapes = {node: value.shape for (node, _), value in values.items()}
        graph = cut(self.network.graph, shapes, list(self.expected.outputs))
        return self._accepted(precision, graph, (), values=values)

    def computed(
        self, precision: Precision, graph: FrozenGraph, fetches: Sequence[str], values: Values
    ) -> list[dict[str, Any]]:
        """Return what the device gives on every sample, unjudged; on fewer where it fails.

        Args:
            precision: fixed-point × float width.
            graph: the network, cut at the nodes of ``values``.
            fetches: what is computed.
            values: what is fed there, by node and sample.
        """
        results = []
        with self.run(graph, fetches, precision) as run:
            for sample in self.samples:
                results.append(run(self._feeds(graph, sample, values)))  # noqa: PERF401 - what came is kept
        self.learn(run)
        return results

    def _feeds(self, graph: FrozenGraph, sample: int, values: Values) -> dict[str, Array]:
        """Return what a cut graph is fed with: these values, goldens elsewhere."""
        given = {cut_input(node): value for (node, at), value in values.items() if at == sample}
        others = [name for name in graph.inputs if name not in given]
        fed = {name: given[name] for name in graph.inputs if name in given}
        return golden_feeds(self.store, others, sample) | fed

    def rewritten(self, precision: Precision, graph: FrozenGraph) -> dict[str, Finding]:
        """Judge the outputs of a network that is written otherwise, with the same names and scales."""
        return self._accepted(precision, graph, ())

    def _accepted(
        self,
        precision: Precision,
        graph: FrozenGraph,
        broken: Sequence[str],
        *,
        keep: bool = False,
        held: bool = False,
        values: Values = NOTHING_FED,
    ) -> dict[str, Finding]:
        """Judge the outputs of a graph against the acceptance; ``broken`` is fetched besides.

        Where ``held``, against what right devices reach, too.
        """
        outputs, accept = self.expected.outputs, self.expected.accept
        held_at = precision if held else None
        fetches, first = tuple(dict.fromkeys([*outputs, *broken])), next(iter(outputs))
        self.store.ensure(fetches)
        found = self._found(
            precision,
            "fused",
            graph,
            fetches,
            lambda node, _, compared: accept(node if node in outputs else first, compared, held_at),
            keep=keep,
            values=values,
        )
        return {name: found[name] for name in outputs}

    def run(self, graph: FrozenGraph, fetches: Sequence[str], precision: Precision) -> DeviceRun:
        """Return a run of the device on a graph; nothing is compiled yet."""
        scales = self.expected.scales(precision.fixed_bits)
        return DeviceRun(
            lambda: self.device.open(graph, fetches, precision=precision, scales=scales, fuse=self.fuse),
            self.stopwatch,
        )

    def learn(self, run: Attempt) -> None:
        """Remember of what was asked what concerns the whole device: that it is lost, and incidents."""
        self.lost = self.lost or run.lost
        self.incidents += [text for text in run.incidents if text not in self.incidents]

    def fusion(self, mode: Mode) -> str:
        """Return how the graph of a mode is compiled, in words."""
        if not self.fuse:
            return "layer by layer"
        return "fused" if mode == "fused" else "broken at nodes"

    def _unjudged(self, case: Case) -> str:
        """Return why nothing is right at a node, where that is so."""
        if case.mode != "own":
            return ""
        return self.expected.overflow.unjudged(case.node, parse_precision(case.precision))

    def _compared(self, case: Case, sample: int, result: Any, digest: Digest) -> Comparison:
        """Return how far a result is from what it is held to.

        A node that does not quantise gives the same bits at both widths, which are compared once.
        """
        sha = digest.result()
        key = (case.node, sample, *sha, np.shape(result), getattr(result, "dtype", None))
        found = self._known.get(key) or self.expected.compare(case.node, sample, result)
        if case.mode == "own":
            if sha:
                self._known[key] = found
            found = self.expected.held(found, case, sample, result, sha)
        return found

    def _changed(
        self, case: Case, sample: int, turn: int, result: Any, digest: Digest, first: list[str]
    ) -> list[Comparison]:
        """Return what is wrong with the result of another run of a sample: nothing if bits are the same."""
        with self.stopwatch.during("judge"):
            if digest.result() == first:
                return []
            found = self._compared(case, sample, result, digest)
            said = f"{found.where} is unstable: run {turn + 1} of {self._repeat} gave other bits"
            return [dataclasses.replace(found, reasons=[*found.reasons, said])]

    def _found(
        self,
        precision: Precision,
        mode: Mode,
        graph: FrozenGraph,
        fetches: Sequence[str],
        judge: Callable[[str, Precision, Sequence[Comparison]], Verdict],
        *,
        keep: bool = False,
        values: Values = NOTHING_FED,
    ) -> dict[str, Finding]:
        """Run all samples and judge every fetch; what the device does wrong becomes findings, not errors."""
        cases = {node: self.expected.case(node, precision, mode) for node in fetches}
        compared: dict[str, list[Comparison]] = {node: [] for node in fetches}
        hashes: dict[str, list[str]] = {node: [] for node in fetches}
        run = self.run(graph, fetches, precision)
        if keep:
            self._kept[precision] = run
        with run.watched() if keep else run, ThreadPoolExecutor(1, "hashing") as hashing:
            for sample, turn in itertools.product(self.samples, range(self._repeat)):
                results = run(self._feeds(graph, sample, values))
                digests = {node: hashing.submit(sha256_of, results.get(node)) for node in cases}
                for node, case in cases.items():
                    result, digest = results.pop(node, None), digests.pop(node)
                    if turn:
                        compared[node] += self._changed(case, sample, turn, result, digest, hashes[node][-1:])
                        continue
                    with self.stopwatch.during("write"):
                        self.watch(case, sample, result)
                    with self.stopwatch.during("judge"):
                        compared[node].append(self._compared(case, sample, result, digest))
                        hashes[node] += digest.result()
        self.learn(run)
        problems = run.problems(fetches)
        unmodelled = not_modelled(graph, fetches, run.unmodelled, str(precision))
        return {
            node: Finding.of(case, problems[node])
            if node in problems
            else Finding(
                case,
                "measured" if mode == "chained" else "judged",
                judge(node, precision, compared[node]),
                sha256=tuple(hashes[node]),
                seconds=run.seconds,
                notes=run.notes,
                unmodelled=unmodelled.get(node, "") or self._unjudged(case),
            )
            for node, case in cases.items()
        }


def _measured(compared: Sequence[Comparison], output: Output | None) -> Verdict:
    """Return the errors of a node without a bound; of an output also what it reached."""
    verdict = judge_comparisons(compared, NO_BOUND)
    whole = output is not None and verdict.outcome == "conforms"
    found = reached(compared, output.span) if output is not None and whole else None
    return msgspec.structs.replace(verdict, bounds=None, needed=None, reached=found)
