"""The child's side of an isolated device: ``python -m conformance.devices.isolated.child FD``."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.devices.base import DeviceRequest, Hosted, Hosts, Unsupported
from conformance.devices.cambricon.worker import PROTOCOL, Refused, Worker, main, refusal
from conformance.devices.checked_run import checked_run, checked_session
from conformance.devices.registry import open_device
from conformance.errors import ConformanceError, UsageError
from conformance.files import mapped_bytes
from conformance.graph.constants import array_of
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.precision import parse_precision
from conformance.quantization.parameter_file import QuantizationScales

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.devices.base import Device, Session
    from conformance.graph.constants import Node

Array = np.ndarray[Any, Any]


class IsolatedSession:
    """A device's session, as the worker's protocol wants it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._unsendable: dict[str, dict[str, Any]] = {}

    def run(self, feeds: Mapping[str, Array]) -> tuple[dict[str, Array], float]:
        """Return the results that are arrays by name, and the device's own seconds."""
        with _refusing():
            results, seconds = checked_run(self._session, feeds)
        self._unsendable = {
            name: _said(
                "device", f"the device returned {_kind(value)} for {name}, but should return an array"
            )
            for name, value in results.items()
            if not _is_sendable(value)
        }
        return {name: value for name, value in results.items() if name not in self._unsendable}, seconds

    def facts(self) -> dict[str, Any]:
        """Return what the session says of itself, and what it returned that cannot be sent."""
        session = self._session
        declared = {
            name: _said(_kind_of_refusal(error), str(error)) for name, error in session.problems.items()
        }
        return {
            "notes": list(session.notes),
            "problems": declared | self._unsendable,
            "incidents": list(session.incidents),
            "unmodelled": list(session.unmodelled),
        }

    def close(self) -> None:
        """Close the device's session."""
        with _refusing():
            self._session.close()


class IsolatedWorker(Worker):
    """Serves a device of this project's interface."""

    device: Device

    def __init__(self, channel: Any) -> None:
        super().__init__(channel)  # type: ignore[no-untyped-call] # it is Python 3.5
        self._constants: dict[str, Array] = {}

    def hello(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Open the device and say what it is; load TensorFlow here, as compiling has a deadline."""
        asked = DeviceRequest(
            request["name"],
            profile=request["profile"],
            profiles=Path(request["profiles"]),
            options=request["options"],
        )
        with _refusing():
            self.device = open_device(asked)
            tensorflow()
            return {"protocol": PROTOCOL, "info": dataclasses.asdict(self.device.info())}

    def opened(self, request: Mapping[str, Any]) -> IsolatedSession:
        """Return the device's session for a graph."""
        self._constants = {path: array for path, array in self._constants.items() if Path(path).exists()}
        with _refusing():
            opened = self._hosting(request["hosted"]).open(
                load_frozen_graph(
                    Path(request["graph"]),
                    request["fetches"],
                    lambda node: self._constant(node, request["constants"][node.name]),
                ),
                request["fetches"],
                precision=parse_precision(request["precision"]),
                scales=_scales(**request["scales"]),
                fuse=request["fuse"],
            )
            return IsolatedSession(checked_session(opened))

    def _constant(self, node: Node, path: str) -> Array:
        """Return the array of a Const node that lies in a file, the same one as long as the file is there."""
        if path not in self._constants:
            array = array_of(node, mapped_bytes(Path(path), "constant"))
            assert array is not None, "it was large enough to be written into a file"
            self._constants[path] = array
        return self._constants[path]

    def _hosting(self, hosted: Mapping[str, list[str]]) -> Device:
        """Return the device that leaves these to the host; the device itself if there are none."""
        if not any(hosted.values()):
            return self.device
        if not isinstance(self.device, Hosts):
            raise Unsupported("the device cannot leave operators to the host")
        return self.device.hosting(Hosted(**{kind: frozenset(names) for kind, names in hosted.items()}))


@contextlib.contextmanager
def _refusing() -> Iterator[None]:
    """Make refusals of our own errors; whatever else is raised is described by the worker."""
    try:
        yield
    except ConformanceError as error:
        sentence = str(error) or f"the device raised {type(error).__name__} and said no more"
        raise Refused(_kind_of_refusal(error), sentence) from error


def _scales(convfirst: list[str], **more: Any) -> QuantizationScales:
    return QuantizationScales(convfirst=tuple(convfirst), **more)


def _kind_of_refusal(error: BaseException) -> str:
    kinds = {UsageError: "usage", Unsupported: "unsupported"}
    return next((kind for known, kind in kinds.items() if isinstance(error, known)), "device")


def _said(kind: str, sentence: str) -> dict[str, Any]:
    answer: dict[str, Any] = refusal(kind, sentence)
    return answer


def _is_sendable(value: object) -> bool:
    return (
        isinstance(value, (np.ndarray, np.generic)) and not value.dtype.hasobject and value.dtype.itemsize > 0
    )


def _kind(value: object) -> str:
    dtype = f" of {value.dtype}" if isinstance(value, (np.ndarray, np.generic)) else ""
    return f"a {type(value).__name__}{dtype}"


if __name__ == "__main__":
    sys.exit(main(sys.argv, IsolatedWorker))
