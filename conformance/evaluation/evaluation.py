"""Evaluating a device on a network: one run per precision and mode judges every node."""

from __future__ import annotations

import contextlib
import dataclasses
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np

from conformance.cached_methods import cached_method
from conformance.evaluation.device_runs import sha256_of
from conformance.evaluation.modelling import not_modelled
from conformance.evaluation.sessions import NOTHING_FED, Sessions, Task
from conformance.evaluation.stopwatch import Stopwatch
from conformance.graph.cut import cut
from conformance.judging.bounds import ErrorValues
from conformance.judging.findings import Finding
from conformance.judging.verdicts import judge_comparisons, reached
from conformance.precision import parse_precision

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from conformance.devices.base import Device, DeviceLost
    from conformance.evaluation.device_runs import Attempt, DeviceRun
    from conformance.evaluation.sessions import Asked, Sampling, Values
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
BEGUN = 1 / 3
"""The share of a sample's results that is judged before the next run begins, so that few are in memory."""
NO_BOUND = ErrorValues(2.0, *(float(np.finfo(np.float64).max),) * 3)
"""What every error is within: for errors that are measured, not judged."""


class Evaluation:
    """A device on a network, held to what is expected of it.

    Every method runs the device at most once per precision. Results are judged sample by sample: only one
    sample's tensors are in memory, or two where the device runs ahead.

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
        self._sessions = Sessions(
            device,
            expected,
            self.nodes,
            fuse=fuse,
            samples=self.samples,
            stopwatch=self.stopwatch,
            repeat=repeat,
        )
        self._kept: dict[Precision, DeviceRun] = {}
        self._known: dict[tuple[object, ...], Comparison] = {}

    @cached_method
    def own(self, precision: Precision) -> dict[str, Finding]:
        """Judge the own error of every node: one run of the graph cut at all key nodes."""
        self.store.ensure([*self.expected.shapes, *self.nodes])
        self.expected.need(self.nodes)
        sampling = self._sessions.asked("own", precision)
        return self._found("own", sampling, self.expected.judge)

    @cached_method
    def chained(self, precision: Precision) -> dict[str, Finding]:
        """Measure the error of every node in the whole network, fusion broken at these nodes."""
        self.store.ensure(self.nodes)
        outputs = self.expected.outputs
        return self._found(
            "chained",
            self._sessions.asked("chained", precision),
            lambda node, _, compared: _measured(compared, outputs.get(node)),
        )

    @cached_method
    def fused(self, precision: Precision) -> dict[str, Finding]:
        """Judge the outputs of the fused network: against its acceptance, and against right devices."""
        self.rest()
        self.store.ensure(self.expected.outputs)
        sampling = self._sessions.asked("fused", precision)
        return self._accepted(sampling, keep=self._keep_fused, held=True)

    def foresee(self, order: Iterable[Asked | None]) -> None:
        """Say in which order :meth:`own`, :meth:`chained` and :meth:`fused` will be called.

        Args:
            order: mode and precision of each call; None for what else runs the device, and wants it alone.
        """
        self._sessions.foresee(order)

    @contextlib.contextmanager
    def fused_run(self, precision: Precision) -> Iterator[DeviceRun]:
        """Lend the run of the fused network, the judged one if it is open still, and close it in the end.

        Nothing goes on beside it.
        """
        self._sessions.rest()
        self.store.ensure(self.expected.outputs)
        run = self._kept.pop(precision, None) or self._sessions.run(self._sessions.task("fused", precision))
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

    def close(self) -> None:
        """Close what stayed open, and what was begun and never asked for."""
        self.rest()
        for run in self._sessions.take_begun():
            run.close()
            self.learn(run)

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
        return self._accepted(self._task(cut(self.network.graph, shapes, fetches), precision, broken))

    def spliced(self, precision: Precision, values: Values) -> dict[str, Finding]:
        """Judge the outputs of a network in which some nodes' readers read other values.

        Args:
            precision: fixed-point × float width.
            values: what they read, by node and sample.
        """
        shapes = {node: value.shape for (node, _), value in values.items()}
        graph = cut(self.network.graph, shapes, list(self.expected.outputs))
        return self._accepted(self._task(graph, precision, values=values))

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
        sampling, results = self._sessions.of(Task(graph, tuple(fetches), precision, values), repeat=1), []
        with sampling.run as run:
            for _, _, result in sampling.results():
                results.append(result)
        self.learn(run)
        return results

    def rewritten(self, precision: Precision, graph: FrozenGraph) -> dict[str, Finding]:
        """Judge the outputs of a network that is written otherwise, with the same names and scales."""
        return self._accepted(self._task(graph, precision))

    def _task(
        self,
        graph: FrozenGraph,
        precision: Precision,
        broken: Sequence[str] = (),
        values: Values = NOTHING_FED,
    ) -> Sampling:
        """Return a session of the outputs of some graph; ``broken`` is fetched besides."""
        fetches = tuple(dict.fromkeys([*self.expected.outputs, *broken]))
        self.store.ensure(fetches)
        return self._sessions.of(Task(graph, fetches, precision, values))

    def _accepted(self, sampling: Sampling, *, keep: bool = False, held: bool = False) -> dict[str, Finding]:
        """Judge the outputs of a network against the acceptance.

        Where ``held``, against what right devices reach, too.
        """
        outputs, accept = self.expected.outputs, self.expected.accept
        held_at, first = sampling.task.precision if held else None, next(iter(outputs))
        found = self._found(
            "fused",
            sampling,
            lambda node, _, compared: accept(node if node in outputs else first, compared, held_at),
            keep=keep,
        )
        return {name: found[name] for name in outputs}

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
        mode: Mode,
        sampling: Sampling,
        judge: Callable[[str, Precision, Sequence[Comparison]], Verdict],
        *,
        keep: bool = False,
    ) -> dict[str, Finding]:
        """Run all samples and judge every fetch; what the device does wrong becomes findings, not errors."""
        run, task = sampling.run, sampling.task
        cases = {node: self.expected.case(node, task.precision, mode) for node in task.fetches}
        compared: dict[str, list[Comparison]] = {node: [] for node in cases}
        hashes: dict[str, list[str]] = {node: [] for node in cases}
        if keep:
            self._kept[task.precision] = run
        with run.watched() if keep else run, ThreadPoolExecutor(1, "hashing") as hashing:
            for sample, turn, results in sampling.results():
                digests = {node: hashing.submit(sha256_of, results.get(node)) for node in cases}
                for index, (node, case) in enumerate(cases.items(), 1):
                    result, digest = results.pop(node, None), digests.pop(node)
                    if index > BEGUN * len(cases):
                        sampling.go_on()
                    if turn:
                        compared[node] += self._changed(case, sample, turn, result, digest, hashes[node][-1:])
                        continue
                    with self.stopwatch.during("write"):
                        self.watch(case, sample, result)
                    with self.stopwatch.during("judge"):
                        compared[node].append(self._compared(case, sample, result, digest))
                        hashes[node] += digest.result()
                        self.store.let_go(node, sample)
        self.learn(run)
        problems = run.problems(task.fetches)
        unmodelled = not_modelled(task.graph, task.fetches, run.unmodelled, str(task.precision))
        return {
            node: Finding.of(case, problems[node])
            if node in problems
            else Finding(
                case,
                "measured" if mode == "chained" else "judged",
                judge(node, task.precision, compared[node]),
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
