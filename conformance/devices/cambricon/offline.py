"""Offline models: the fused network as the framework saves it, kept in the run directory and looked into.

Never run on a card. That the framework saves ``NAME.cambricon`` and ``NAME.cambricon_twins`` where it is
told to is public knowledge; whether it does so when the network is compiled or when the session closes is
not, so the files are looked for after the session was closed.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, Protocol

from conformance.devices.cambricon.twins import read_twins
from conformance.devices.worker.halving import SurvivingSession
from conformance.errors import ConformanceError, InfrastructureError
from conformance.files import mapped_bytes, sha256, write_json_atomically
from conformance.graph.cut import PREFIX
from conformance.graph.frozen import data_inputs, producer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

    from conformance.devices.cambricon.options import CambriconOptions
    from conformance.devices.cambricon.twins import Twins, TwinTensor
    from conformance.devices.worker.session import RemoteSession
    from conformance.graph.frozen import FrozenGraph

    Array = np.ndarray[Any, Any]

DIRECTORY = "offline"
MODEL, TWINS, WRITTEN = ".cambricon", ".cambricon_twins", ".json"
FLOATS = ("CNRT_FLOAT16", "CNRT_FLOAT32")


class Part(Protocol):
    """What compiles some of a graph's fetches, told what the request says besides."""

    def __call__(
        self, graph: FrozenGraph, fetches: Sequence[str], opening: Mapping[str, Any]
    ) -> RemoteSession:
        """Return the part; nothing is compiled yet."""
        ...


@dataclasses.dataclass(frozen=True)
class OfflineModel:
    """An offline model to be saved.

    Attributes:
        directory: where to, an absolute path.
        name: of its files, without suffix.
        core_num: how many cores it is to be built for.
        complete: whether all of the network is left to the card.
    """

    directory: Path
    name: str
    core_num: int
    complete: bool

    def file(self, suffix: str) -> Path:
        """Return the path of a file of the model."""
        return self.directory / f"{self.name}{suffix}"

    def make_room(self) -> None:
        """Delete older files: they are none that the next session saves."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for suffix in (MODEL, TWINS, WRITTEN):
            self.file(suffix).unlink(missing_ok=True)


def saving(
    graph: FrozenGraph,
    fetches: Sequence[str],
    part: Part,
    notes: Sequence[str],
    options: CambriconOptions,
    opening: Mapping[str, Any],
    directory: Path | None,
    name: str,
) -> SurvivingSession:
    """Return a session whose framework saves the network; of anything else, one that says why it does not.

    Args:
        graph: of :class:`SurvivingSession`.
        fetches: likewise.
        part: likewise; a part of the network, after a failure, is not saved.
        notes: likewise.
        options: of the device.
        opening: what each request to open says.
        directory: where the run keeps what the device leaves; None if nowhere.
        name: of the model.
    """
    why_not = not_whole(graph, fetches) if directory else "there is no run directory"
    if directory is None or why_not is not None:
        said = [f"no offline model is saved: {why_not}"] if why_not else []
        return SurvivingSession(graph, fetches, functools.partial(part, opening=opening), [*notes, *said])
    model = OfflineModel(
        (directory / DIRECTORY).resolve(), name, options.core_num, not options.optype_black_list
    )
    model.make_room()
    asked = {**opening, "offline": {"directory": str(model.directory), "name": name}}

    def saved(some: FrozenGraph, names: Sequence[str]) -> RemoteSession:
        return part(some, names, opening=asked if set(names) == set(fetches) else opening)

    return OfflineSession(model, graph, fetches, saved, notes)


def not_whole(graph: FrozenGraph, fetches: Iterable[str]) -> str | None:
    """Return why a graph is no network as it is shipped, in words; '' if that needs no word, None if it is.

    Own errors come from a graph that is cut, which nobody asks an offline model of.
    """
    if any(name.startswith(PREFIX) for name in graph.inputs):
        return ""
    read = {producer(tensor) for node in graph.nodes.values() for tensor in data_inputs(node)}
    broken = sorted(read & set(map(producer, fetches)))
    return f"fetching {broken[0]} breaks its fusion" if broken else None


class OfflineSession(SurvivingSession):
    """A session that leaves an offline model behind; what is wrong with that is an incident.

    Args:
        model: what is saved.
        arguments: of :class:`SurvivingSession`.
    """

    def __init__(self, model: OfflineModel, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._model = model
        self._inputs: dict[str, Array] = {}
        self._outputs: dict[str, Array] = {}
        self._kept: list[str] = []
        self._closed = False

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the device says of the runs, and what was kept."""
        return (*super().notes, *self._kept)

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run, and remember the shapes that the model must have; see :class:`SurvivingSession`."""
        results = super().run(feeds)
        self._inputs = {name: feeds[name] for name in self._graph.inputs}
        self._outputs = results
        return results

    def close(self) -> None:
        """Free every part, then look into what the framework saved; safe to call twice."""
        super().close()
        if self._closed or not self._outputs:
            return
        self._closed = True
        try:
            self._kept.append(self._keep())
        except ConformanceError as error:
            self.incidents.append(f"offline model {self._model.name}: {error}")

    def _keep(self) -> str:
        """Write down what was saved, and return a sentence on it."""
        model = self._model
        for suffix in (MODEL, TWINS):
            if not model.file(suffix).is_file():
                raise InfrastructureError(
                    f"the framework saved no {model.file(suffix)}; was the network fused at all?"
                )
        digests = {
            model.file(suffix).name: sha256(mapped_bytes(model.file(suffix), "offline model"))
            for suffix in (MODEL, TWINS)
        }
        twins = read_twins(model.file(TWINS))
        write_json_atomically(model.file(WRITTEN), {"sha256": digests, "twins": dataclasses.asdict(twins)})
        self._check(twins)
        first = digests[model.file(MODEL).name]
        return f"offline model {model.file(MODEL)} kept, SHA-256 {first}: {_described(twins)}"

    def _check(self, twins: Twins) -> None:
        """Hold a twins file against the network.

        Raises:
            InfrastructureError: it is of another one, or was built for other cores.
        """
        model = self._model
        if twins.model.rpartition("/")[2] != model.file(MODEL).name:
            raise InfrastructureError(
                f"{model.file(TWINS)} is of another model, {twins.model}; save the offline model again"
            )
        for function in twins.functions:
            if function.core_limit != model.core_num:
                raise InfrastructureError(
                    f"{model.file(TWINS)}: {function.name} was built for {function.core_limit} cores, but "
                    f"core-num is {model.core_num}; give --device-option core-num={function.core_limit}"
                )
        if len(twins.functions) == 1 and model.complete:
            (function,) = twins.functions
            self._match("takes", function.inputs, self._inputs)
            self._match("gives", function.outputs, self._outputs)

    def _match(self, verb: str, found: Iterable[TwinTensor], wanted: Mapping[str, Array]) -> None:
        """Demand the tensors of the network, in any order: a twins file does not name them."""
        network = collections.Counter(_ones_out(value.shape) for value in wanted.values())
        model = collections.Counter(_ones_out(tensor.shape) for tensor in found)
        if network != model:
            raise InfrastructureError(
                f"{self._model.file(TWINS)} is of another network, or of a part of this one: it {verb} "
                f"{_shapes(tensor.shape for tensor in found)}, the network {verb} "
                f"{_shapes(value.shape for value in wanted.values())}; save the offline model again"
            )
        strange = [tensor.dtype for tensor in found if tensor.dtype not in FLOATS]
        if strange and all(value.dtype.kind == "f" for value in wanted.values()):
            raise InfrastructureError(
                f"{self._model.file(TWINS)} is of another network: it {verb} {strange[0]}, this one {verb} "
                "floats; save the offline model again"
            )


def _ones_out(shape: Iterable[int]) -> tuple[int, ...]:
    """Return a shape without dimensions of 1: the framework makes every tensor one of four dimensions."""
    return tuple(size for size in shape if size != 1)


def _shapes(shapes: Iterable[tuple[int, ...]]) -> str:
    return ", ".join("x".join(map(str, shape)) or "a number" for shape in shapes) or "nothing"


def _described(twins: Twins) -> str:
    """Return what a twins file says of its functions, in words."""
    return "; ".join(
        f"{function.name} takes {_tensors(function.inputs)}, gives {_tensors(function.outputs)}, core limit "
        f"{function.core_limit}"
        for function in twins.functions
    )


def _tensors(tensors: Iterable[TwinTensor]) -> str:
    return ", ".join(
        f"{_shapes([tensor.shape])} {tensor.dtype.removeprefix('CNRT_')} {tensor.order.removeprefix('CNRT_')}"
        for tensor in tensors
    )
