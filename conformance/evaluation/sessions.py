"""The sessions of a device on a network: what each computes, and its runs, one ahead of who judges them."""

from __future__ import annotations

import functools
import itertools
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from conformance.devices.base import RunsAhead
from conformance.evaluation.device_runs import DeviceRun
from conformance.expected.golden_feeds import golden_feeds
from conformance.graph.cut import cut, cut_input
from conformance.machine import helper_threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from conformance.devices.base import Device
    from conformance.evaluation.stopwatch import Stopwatch
    from conformance.expected.expectations import Expectations
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.cases import Mode
    from conformance.precision import Precision

Array = np.ndarray[Any, Any]
Values: TypeAlias = "Mapping[tuple[str, int], Array]"
"""By node and sample."""
NOTHING_FED: Values = MappingProxyType({})
Asked: TypeAlias = "tuple[Mode, Precision]"
"""A session that judges the whole network, and not some other graph."""


class Task(NamedTuple):
    """What a session computes on every sample.

    Attributes:
        graph: the network, cut or whole.
        fetches: nodes that are fetched.
        precision: fixed-point × float width.
        values: what is fed at some cuts; goldens are at all others.
    """

    graph: FrozenGraph
    fetches: tuple[str, ...]
    precision: Precision
    values: Values = NOTHING_FED


class Sampling:
    """A session that runs sample after sample.

    Where the device runs ahead, the next run goes on in a thread while results of one are judged, and the
    next session is compiled in another. Elsewhere each begins when its results are wanted.

    Args:
        task: what the session computes.
        run: of the device on it.
        feeds: gives what a sample is fed with.
        turns: the sample of each run, and which run of that sample it is.
        ahead: whether the device runs ahead.

    Attributes:
        following: returns the session after this one, if one was foreseen.
    """

    def __init__(
        self,
        task: Task,
        run: DeviceRun,
        feeds: Callable[[int], Mapping[str, Array]],
        turns: Sequence[tuple[int, int]],
        *,
        ahead: bool,
    ) -> None:
        self.task, self.run, self._feeds, self._turns = task, run, feeds, turns
        self.following: Callable[[], Sampling | None] = lambda: None
        self._after: Sampling | None = None
        self._beside = helper_threads("device", 1) if ahead else None
        self._begun = self._taken = 0

    def go_on(self) -> None:
        """Begin the next run, of this session or of the one after it; safe to call twice."""
        if self._taken < len(self._turns):
            self._begin()
        elif self._after is not None:
            self._after.go_on()

    def results(self) -> Iterator[tuple[int, int, dict[str, Any]]]:
        """Yield sample, turn and results of every run; who has judged some of them says :meth:`go_on`.

        Raises:
            Exception: whatever the device raises.
        """
        self.compile()
        self._after = self.following()
        for sample, turn in self._turns:
            self._begin()
            results = self.run.take()
            self._taken += 1
            yield sample, turn, results

    def compile(self) -> None:
        """Begin to compile after what is being compiled, if the device runs ahead; safe to call twice."""
        if self._beside is not None:
            self.run.compile(helper_threads("compiling", 1))

    def _begin(self) -> None:
        if self._begun == self._taken:
            sample, _ = self._turns[self._begun]
            self.run.start(functools.partial(self._feeds, sample), self._beside)
            self._begun += 1


class Sessions:
    """All sessions of a device on a network.

    Args:
        device: what runs.
        expected: what knows the network, its goldens and scales.
        nodes: the judged nodes.
        fuse: False runs layer by layer, in every mode.
        samples: the samples that are run.
        stopwatch: tells where the time goes.
        repeat: how many times each session runs each sample.
    """

    def __init__(
        self,
        device: Device,
        expected: Expectations,
        nodes: Sequence[str],
        *,
        fuse: bool,
        samples: Sequence[int],
        stopwatch: Stopwatch,
        repeat: int,
    ) -> None:
        self._device, self._expected, self._nodes = device, expected, tuple(nodes)
        self._fuse, self._stopwatch = fuse, stopwatch
        self._samples, self._repeat = tuple(samples), repeat
        self._ahead = isinstance(device, RunsAhead)
        self._next: dict[Asked, tuple[Asked, bool]] = {}
        self._begun: dict[Asked, Sampling] = {}

    def foresee(self, order: Iterable[Asked | None]) -> None:
        """Say in which order sessions will be asked for; a device that runs ahead begins the next in time.

        Args:
            order: mode and precision of each; None where something comes between that needs the device alone:
                the session after it is compiled before, and not run.
        """
        last, alone, seen = None, False, set()
        for one in order:
            if one is None:
                alone = True
            elif one not in seen:  # what was asked for before is known
                if last is not None:
                    self._next[last] = one, alone
                last, alone = one, False
                seen.add(one)

    def rest(self) -> None:
        """Wait until nothing is compiled."""
        for sampling in self._begun.values():
            sampling.run.wait_until_compiled()

    def asked(self, mode: Mode, precision: Precision) -> Sampling:
        """Return the session of a mode, begun already where it was foreseen."""
        found = self._begun.pop((mode, precision), None) or self.of(self.task(mode, precision))
        found.following = functools.partial(self._after, mode, precision)
        return found

    def of(self, task: Task, repeat: int | None = None) -> Sampling:
        """Return a session on any graph; nothing is compiled yet.

        Args:
            task: what it computes.
            repeat: how many times it runs each sample; None: as often as all.
        """
        turns = tuple(itertools.product(self._samples, range(repeat or self._repeat)))
        return Sampling(task, self.run(task), functools.partial(self._feeds, task), turns, ahead=self._ahead)

    def run(self, task: Task) -> DeviceRun:
        """Return a run of the device; nothing is compiled yet."""
        scales = self._expected.scales(task.precision.fixed_bits)
        opened = functools.partial(
            self._device.open,
            task.graph,
            task.fetches,
            precision=task.precision,
            scales=scales,
            fuse=self._fuse,
        )
        return DeviceRun(opened, self._stopwatch)

    def take_begun(self) -> list[DeviceRun]:
        """Return, and forget, the runs that were begun and never asked for."""
        begun, self._begun = self._begun, {}
        return [sampling.run for sampling in begun.values()]

    def task(self, mode: Mode, precision: Precision) -> Task:
        """Return what is computed in a mode."""
        if mode == "own":
            return Task(self._cut, self._nodes, precision)
        if mode == "chained":
            return Task(self._whole, self._nodes, precision)
        return Task(self._expected.network.graph, tuple(self._expected.outputs), precision)

    @functools.cached_property
    def _cut(self) -> FrozenGraph:
        """The graph cut at all key nodes."""
        return cut(self._expected.network.graph, self._expected.shapes, self._nodes)

    @functools.cached_property
    def _whole(self) -> FrozenGraph:
        """The graph as far as judged nodes need it."""
        return self._expected.network.graph.prune(self._nodes)

    def _after(self, mode: Mode, precision: Precision) -> Sampling | None:
        """Begin to compile the session that comes next; return it where it may run before it is asked for."""
        following, alone = self._next.get((mode, precision), (None, False))
        if following is None or not self._ahead:
            return None
        begun = self._begun[following] = self.of(self.task(*following))
        begun.compile()
        return None if alone else begun

    def _feeds(self, task: Task, sample: int) -> dict[str, Array]:
        """Return what a graph is fed with: a task's values where it has some, goldens at all other cuts."""
        given = {cut_input(node): value for (node, at), value in task.values.items() if at == sample}
        others = [name for name in task.graph.inputs if name not in given]
        fed = {name: given[name] for name in task.graph.inputs if name in given}
        return golden_feeds(self._expected.store, others, sample) | fed
