"""A session that goes on when a part of its graph breaks the device: halving finds the node to blame."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from conformance.devices.base import DeviceLost, SessionBase, Unsupported
from conformance.errors import DeviceError
from conformance.graph.dataflow import topological
from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from conformance.devices.worker.session import RemoteSession
    from conformance.graph.frozen import FrozenGraph

    Array = np.ndarray[Any, Any]

MOST_ALONE = 8
"""Nodes that may break alone, one after the other and none running, before the rest is not tried."""


class SurvivingSession(SessionBase):
    """Runs all fetches at once; when that breaks the device, halves them until what breaks it is alone.

    A node that breaks the device when fetched alone is to blame, and whatever depends on it is not run. A
    failure that does not come back when the fetches are halved is an incident: no node's fault, but no device
    that passes has one.

    Args:
        graph: its placeholders are the feeds.
        fetches: names of nodes whose first output is returned.
        part: compiles some of the fetches.
        notes: what a reader of the report should know.

    Raises:
        Unsupported, UsageError, DeviceLost: the device says so when everything is compiled at once.
    """

    def __init__(
        self,
        graph: FrozenGraph,
        fetches: Sequence[str],
        part: Callable[[FrozenGraph, Sequence[str]], RemoteSession],
        notes: Sequence[str] = (),
    ) -> None:
        self.problems: dict[str, DeviceError] = {}
        self.incidents: list[str] = []
        self._graph, self._part, self._notes = graph, part, tuple(notes)
        self._fetches = _producers_first(graph, fetches)
        self._seconds = 0.0
        self._failures: list[tuple[frozenset[str], str]] = []
        self._broken: set[str] = set()
        self._alone, self._ran = 0, False
        first = part(graph, self._fetches)
        self._parts: list[RemoteSession] = [first]
        try:
            first.open()
        except (Unsupported, DeviceLost):
            raise
        except DeviceError as error:
            self._parts = self._divided(first, error)

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the device says of the runs, and how they were divided."""
        notes = [note for part in self._parts for note in part.notes]
        parts = [f"compiled in {len(self._parts)} parts"] if len(self._parts) > 1 else []
        return tuple(dict.fromkeys([*self._notes, *notes, *parts]))

    @property
    def unmodelled(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the parts say that they do not model."""
        return tuple(dict.fromkeys(name for part in self._parts for name in part.unmodelled))

    @property
    def device_seconds(self) -> float:
        """Device time of the last run, in seconds, summed over the parts."""
        return self._seconds

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Return the results of the fetches that do not break the device; ``problems`` names the others.

        Raises:
            Unsupported: the device says so of everything at once.
            DeviceLost: the device is gone for good.
        """
        results: dict[str, Array] = {}
        waiting = collections.deque(self._parts)
        done: list[RemoteSession] = []
        self._seconds = 0.0
        try:
            while waiting:
                found = self._attempted(waiting[0], feeds)
                part = waiting.popleft()
                if isinstance(found, DeviceError):
                    waiting.extendleft(reversed(self._divided(part, found)))
                    waiting = self._without_blamed(waiting)
                else:
                    done.append(part)
                    results |= found
        finally:
            self._parts = [*done, *waiting]
        self._settle_incidents()
        return results

    def close(self) -> None:
        """Free every part; a device that breaks over it has an incident."""
        for part in self._parts:
            self._close(part)

    def _attempted(self, part: RemoteSession, feeds: Mapping[str, Array]) -> dict[str, Array] | DeviceError:
        """Run a part and listen to what it says of itself; return its results, or why there are none."""
        try:
            results, seconds = part.run(feeds)
        except DeviceLost:
            raise
        except DeviceError as error:
            if isinstance(error, Unsupported) and part.fetches == self._fetches:
                raise
            return error
        self._ran = True
        self._seconds += seconds
        self._listen(part)
        return results

    def _close(self, part: RemoteSession) -> None:
        try:
            part.close()
        except DeviceError as error:
            self.incidents.append(f"the device broke while it closed a session: {error}")
        self._listen(part)

    def _listen(self, part: RemoteSession) -> None:
        self.problems |= part.problems
        self.incidents += [incident for incident in part.incidents if incident not in self.incidents]

    def _divided(self, part: RemoteSession, error: DeviceError) -> list[RemoteSession]:
        """Return two halves of a part that failed, or nothing, with the blame on the one fetch it had."""
        self._close(part)  # a worker that refused has it still
        if len(part.fetches) == 1:
            self._blame(part.fetches[0], error)
            return []
        if not isinstance(error, Unsupported):
            self._failures.append((frozenset(part.fetches), str(error)))
        middle = len(part.fetches) // 2
        return [self._some_of(part.fetches[:middle]), self._some_of(part.fetches[middle:])]

    def _some_of(self, fetches: Sequence[str]) -> RemoteSession:
        return self._part(self._graph.prune(fetches), fetches)

    def _blame(self, node: str, error: DeviceError) -> None:
        self.problems[node] = error
        self._alone += 1
        kind = Unsupported if isinstance(error, Unsupported) else DeviceError
        needs = kind(f"not run, because it needs {node}, which failed: {error}")
        for dependent in _dependents(self._graph, node) & set(self._fetches):
            self.problems.setdefault(dependent, needs)
        if kind is DeviceError:
            self._broken |= {node, *_dependents(self._graph, node)}

    def _without_blamed(self, waiting: Iterable[RemoteSession]) -> collections.deque[RemoteSession]:
        """Return the waiting parts without what need not be tried any more."""
        waiting = list(waiting)
        if self._alone >= MOST_ALONE and not self._ran:
            last = f"not run, because {self._alone} others failed one by one and none ran"
            for name in (name for part in waiting for name in part.fetches):
                self.problems.setdefault(name, DeviceError(last))
                self._broken.add(name)
        return collections.deque(kept for part in waiting if (kept := self._good_part(part)))

    def _good_part(self, part: RemoteSession) -> RemoteSession | None:
        """Return a part, compiled anew if some of its fetches are blamed, or None if all are."""
        names = [name for name in part.fetches if name not in self.problems]
        if len(names) == len(part.fetches):
            return part
        self._close(part)
        return self._some_of(names) if names else None

    def _settle_incidents(self) -> None:
        """Turn failures that neither a broken node nor a failure of fewer nodes explains into incidents."""
        left = [(names, error) for names, error in self._failures if not names & self._broken]
        for names, error in left:
            if not any(fewer < names for fewer, _ in left):
                self.incidents.append(
                    f"the device broke while {len(names)} nodes ran at once, and not again when they were "
                    f"halved: {error}"
                )
        self._failures.clear()


def _producers_first(graph: FrozenGraph, fetches: Sequence[str]) -> tuple[str, ...]:
    """Return the fetches so that what stands upstream of a fault is found good before the fault itself."""
    places = {name: place for place, name in enumerate(topological(graph))}
    return tuple(sorted(fetches, key=lambda name: places.get(producer(name), -1)))


def _dependents(graph: FrozenGraph, node: str) -> set[str]:
    """Return the nodes that need ``node``, by whatever way."""
    import networkx as nx

    edges = nx.DiGraph()
    edges.add_nodes_from([*graph.nodes, node])
    for reader in graph.nodes.values():
        edges.add_edges_from((producer(tensor), reader.name) for tensor in reader.input)
    return set(nx.descendants(edges, node))
