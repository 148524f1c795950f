"""Running a graph on the CPU with TensorFlow's own kernels."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import breadcrumbs
from conformance.errors import ConformanceError, InfrastructureError, UsageError
from conformance.graph.dataflow import placeholder_type
from conformance.graph.frozen import full_name
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.loading import captured, importable, tensor_from

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph

Array = np.ndarray[Any, Any]


class GraphRunner:
    """A graph made ready to run: feeds in, fetches out.

    The graph runs in TensorFlow's eager context, whose one device keeps what XLA has compiled for as long
    as the process lives; two runners that call the same function on the same shapes compile it once.

    Args:
        graph: the graph; its placeholders are the feeds.
        fetches: tensors to return, ``node`` or ``node:k``.

    Raises:
        UsageError: TensorFlow refuses the graph.
    """

    def __init__(self, graph: FrozenGraph, fetches: Sequence[str]) -> None:
        tf = tensorflow()
        self.fetches = tuple(dict.fromkeys(fetches))
        self.feeds = graph.inputs
        self.seconds = 0.0

        graph_def, arrays = importable(graph)
        specs = [_specification(graph, name, f"feed_{index}") for index, name in enumerate(self.feeds)]

        def load(*placed: Any) -> list[Any]:
            fed = {
                key: tensor
                for name, tensor in zip(self.feeds, placed, strict=True)
                for key in (full_name(name), f"^{name}")
            }
            imported = tf.graph_util.import_graph_def(
                graph_def,
                name="",
                input_map=fed | captured(arrays),
                return_elements=[full_name(name) for name in self.fetches],
            )
            return list(imported)

        try:
            self._run = tf.compat.v1.wrap_function(load, specs)
        except (ValueError, KeyError, tf.errors.OpError) as error:
            raise UsageError(f"TensorFlow cannot load {graph.source}: {_first_line(error)}") from error
        self._specs = dict(zip(self.feeds, specs, strict=True))
        self._one_by_one = graph if breadcrumbs.to_run_one_by_one(self.fetches) else None

    def close(self) -> None:
        """Free the graph; its large constants live as long as their arrays."""
        self._run = None

    def __call__(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Run once; ``seconds`` is then the time between the feeds being placed and the fetches being there.

        Args:
            feeds: one array per placeholder, cast to its dtype.

        Returns:
            One array per fetch.

        Raises:
            UsageError: a feed is missing, unknown or of a wrong shape.
            InfrastructureError: a kernel failed.
        """
        tf = tensorflow()
        placed = self._placed(feeds)
        if self._one_by_one is not None:
            _run_one_by_one(self._one_by_one, feeds)
        breadcrumbs.tell(self.fetches)
        started = time.perf_counter()
        try:
            results = [array_of_tensor(tensor) for tensor in self._run(*placed)]
        except tf.errors.InvalidArgumentError as error:
            raise UsageError(
                f"TensorFlow cannot run this graph on these inputs: {_first_line(error)}"
            ) from error
        except tf.errors.OpError as error:
            raise InfrastructureError(f"TensorFlow failed: {_first_line(error)}") from error
        self.seconds = time.perf_counter() - started
        return dict(zip(self.fetches, results, strict=True))

    def _placed(self, feeds: Mapping[str, Array]) -> list[Any]:
        if set(feeds) != set(self.feeds):
            wrong = sorted(set(feeds) ^ set(self.feeds))
            raise UsageError(
                f"inputs {', '.join(wrong)} are missing or unknown; feed {', '.join(self.feeds)}"
            )
        return [_placed(name, feeds[name], spec) for name, spec in self._specs.items()]


def _run_one_by_one(graph: FrozenGraph, feeds: Mapping[str, Array]) -> None:
    """Run every node of a graph by itself, in the order in which they depend on each other."""
    for name in graph.nodes:
        if name not in graph.inputs:
            part = graph.prune([name])
            with contextlib.suppress(ConformanceError):  # of a node without results, for one
                GraphRunner(part, [name])({feed: feeds[feed] for feed in part.inputs})


def _specification(graph: FrozenGraph, name: str, argument: str) -> Any:
    """Return dtype and shape of a placeholder as a function argument."""
    dtype, shape = placeholder_type(graph, name)
    return tensorflow().TensorSpec(shape, dtype, name=argument)


def _placed(name: str, value: Array, spec: Any) -> Any:
    """Return a feed as a tensor of the placeholder's dtype; TensorFlow itself does not check the shape."""
    if not spec.shape.is_compatible_with(np.shape(value)):
        raise UsageError(f"input {name!r} has shape {np.shape(value)}, but the graph wants {spec.shape}")
    try:
        return tensor_from(np.asarray(value, spec.dtype.as_numpy_dtype))
    except (TypeError, ValueError) as error:
        raise UsageError(f"input {name!r} cannot be fed as {spec.dtype.name}: {error}") from error


def array_of_tensor(tensor: Any) -> Array:
    """Return a tensor as an array, where it lies if NumPy knows its type; it is read-only then."""
    known = np.dtype(tensor.dtype.as_numpy_dtype).kind in "fiub"
    array: Array = np.asarray(memoryview(tensor)) if known else tensor.numpy()
    return array


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    headings = ("Graph execution", "Detected at", "Node:", "<stack traces")
    return next((line for line in lines if not line.startswith(headings)), "")
