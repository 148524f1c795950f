"""Running a graph on the CPU with TensorFlow's own kernels."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import InfrastructureError, UsageError
from conformance.graph.tensorflow import tensorflow

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

        def load() -> list[Any]:
            imported = tf.graph_util.import_graph_def(
                graph.copied_graph_def(), name="", return_elements=[_full(self.fetches[0])]
            )
            return list(imported)

        try:
            whole = tf.compat.v1.wrap_function(load, [])
            self._run = whole.prune(
                [whole.graph.get_tensor_by_name(_full(name)) for name in self.feeds],
                [whole.graph.get_tensor_by_name(_full(name)) for name in self.fetches],
            )
        except (ValueError, KeyError, tf.errors.OpError) as error:
            raise UsageError(f"TensorFlow cannot load {graph.source}: {_first_line(error)}") from error
        self._dtypes = {
            name: tensor.dtype for name, tensor in zip(self.feeds, self._run.inputs, strict=True)
        }

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
        started = time.perf_counter()
        try:
            results = [tensor.numpy() for tensor in self._run(*placed)]
        except tf.errors.InvalidArgumentError as error:
            raise UsageError(f"TensorFlow cannot run this graph on these inputs: {_first_line(error)}") from error
        except tf.errors.OpError as error:
            raise InfrastructureError(f"TensorFlow failed: {_first_line(error)}") from error
        self.seconds = time.perf_counter() - started
        return dict(zip(self.fetches, results, strict=True))

    def _placed(self, feeds: Mapping[str, Array]) -> list[Any]:
        if set(feeds) != set(self.feeds):
            wrong = sorted(set(feeds) ^ set(self.feeds))
            raise UsageError(f"inputs {', '.join(wrong)} are missing or unknown; feed {', '.join(self.feeds)}")
        tf = tensorflow()
        return [tf.constant(np.asarray(feeds[name], self._dtypes[name].as_numpy_dtype)) for name in self.feeds]


def _full(tensor: str) -> str:
    return tensor if ":" in tensor else f"{tensor}:0"


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith(("Graph execution", "Detected at", "Node:"))), "")
