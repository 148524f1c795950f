"""Graphs that are compiled and run by a worker process."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import numpy as np

from conformance.clock import LONGEST_SECONDS
from conformance.devices.base import Unsupported
from conformance.devices.worker.arena import not_shared
from conformance.errors import DeviceError, UsageError
from conformance.graph.editing import constant, placeholder, plain, portable
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.devices.worker.host import Launch, WorkerHost

Array = np.ndarray[Any, Any]
NUMBERS = itertools.count(1)


class Refusal(msgspec.Struct, frozen=True):
    """Why a device's session goes on without a fetch, as the protocol says it."""

    kind: str
    error: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What every answer about a session may say of it; see :class:`conformance.devices.base.SessionBase`."""

    notes: list[str] = []
    problems: dict[str, Refusal] = {}
    incidents: list[str] = []
    unmodelled: list[str] = []


class Ran(Facts, frozen=True, kw_only=True):
    """The answer to a run; where the tensors lie is the arena's to check."""

    seconds: Annotated[float, msgspec.Meta(ge=0, le=LONGEST_SECONDS)]
    results: list[Any]


F = TypeVar("F", bound=Facts)


class RemoteSession:
    """A graph in a worker; compiled again when the worker has been replaced.

    Args:
        host: starts workers.
        launch: the worker that it needs.
        graph: what is compiled.
        fetches: names of nodes whose first output is returned.
        opening: what the request to open says besides.

    Attributes:
        notes, problems, incidents, unmodelled: what the worker says of the session, as a session itself does.
    """

    def __init__(
        self,
        host: WorkerHost,
        launch: Launch,
        graph: FrozenGraph,
        fetches: Sequence[str],
        opening: Mapping[str, Any],
    ) -> None:
        self.graph, self.fetches = graph, tuple(fetches)
        self.notes: tuple[str, ...] = ()
        self.problems: dict[str, DeviceError] = {}
        self.incidents: tuple[str, ...] = ()
        self.unmodelled: tuple[str, ...] = ()
        self._host, self._launch, self._opening = host, launch, opening
        self._generation = 0
        self._number = next(NUMBERS)

    def open(self) -> None:
        """Compile the graph in the present worker unless it is there already.

        Raises:
            DeviceError: the worker refused or died over it; see :meth:`WorkerHost.ready` and
                :meth:`WorkerHost.request`.
        """
        if self._host.ready(self._launch) != self._generation:
            path = self._host.path / f"graph-{self._number}.pb"
            content = portable(self.graph).structure().SerializeToString()
            try:
                path.write_bytes(content)
            except OSError as error:
                raise not_shared(f"a graph of {len(content)} bytes", path.parent, error) from error
            names = {"graph": str(path), "feeds": self.graph.inputs, "fetches": self.fetches}
            constants = self._host.constants.of(self.graph)
            self._take_over(self._asked("open", Facts, **names, constants=constants, **self._opening))
            path.unlink(missing_ok=True)
            self._generation = self._host.generation

    def run(self, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], float]:
        """Return the results and the device seconds of one run; only the graph's own inputs are fed.

        Raises:
            DeviceError: as :meth:`open`; or the answer makes no sense.
        """
        self.open()
        fed, pool = self._host.arenas
        placed = fed.place({name: np.asarray(_fed(feeds, name)) for name in self.graph.inputs})
        arena = pool.free()
        ran = self._asked("run", Ran, arena=str(fed.path), feeds=placed, results=str(arena.path))
        self._take_over(ran)
        try:
            return arena.take(ran.results), ran.seconds
        except DeviceError as error:
            raise self._host.failed(f"answered 'run' with garbage ({error})") from None

    def close(self) -> None:
        """Free the session if its worker still lives; safe to call twice."""
        generation, self._generation = self._generation, 0
        if generation and generation == self._host.generation and self._host.alive:
            self.incidents = tuple(self._asked("close", Facts).incidents)

    def _asked(self, command: str, kind: type[F], **more: Any) -> F:
        """Send a request about this session; an answer that makes no sense ends the worker."""
        answer = self._host.request({"command": command, "session": self._number, **more})
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise self._host.failed(f"answered {command!r} with garbage ({error})") from None

    def _take_over(self, facts: Facts) -> None:
        self.notes, self.incidents = tuple(facts.notes), tuple(facts.incidents)
        self.unmodelled = tuple(facts.unmodelled)
        self.problems = {
            name: (Unsupported if refusal.kind == "unsupported" else DeviceError)(refusal.error)
            for name, refusal in facts.problems.items()
        }


def _fed(feeds: Mapping[str, Array], name: str) -> Array:
    if name not in feeds:
        raise UsageError(f"input {name} of the graph is not fed; feed it too")
    return feeds[name]


def probe(host: WorkerHost, launch: Launch, opening: Mapping[str, Any]) -> None:
    """Add two numbers in a worker.

    Raises:
        DeviceError: it cannot, or the sum is wrong.
    """
    session = RemoteSession(host, launch, _probe_graph(), ["sum"], opening)
    results, _ = session.run({"probe": np.full((1, 4), 0.5, np.float32)})
    session.close()
    total = results.get("sum")
    if total is None or total.shape != (1, 4) or not np.array_equal(total, np.full((1, 4), 2.0)):
        raise DeviceError(f"0.5 + 1.5 gave {total!r}")


def _probe_graph() -> FrozenGraph:
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.extend(
        [
            placeholder("probe", tf.float32, (1, 4)),
            constant("addend", np.full((1, 4), 1.5, np.float32)),
            plain("sum", "Add", ["probe", "addend"], T=tf.float32),
        ]
    )
    return FrozenGraph.of(graph_def, ["sum"], source="the probe")
