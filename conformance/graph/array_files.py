"""Arrays in files beside a graph's file, for graphs that one protocol buffer of 2 GiB cannot hold.

Beside ``graph.pb``, whose nodes say which arrays are missing in it, lies the directory ``graph.arrays`` with
one ``.npy`` per constant. They are mapped, not read.
"""

from __future__ import annotations

import functools
import urllib.parse
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from conformance.errors import UsageError
from conformance.graph.constants import constant_shape, declared
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import PurePath

    from conformance.graph.constants import Array, Node

    Writer = Callable[[BinaryIO], object]

SUFFIX = ".arrays"


def array_writers(
    graph: PurePath, nodes: Iterable[Node], arrays: Mapping[str, Array]
) -> dict[PurePath, Writer]:
    """Return what writes the array of each of these Const nodes, by the path of its file."""
    return {
        array_path(graph, node.name): functools.partial(_write, node=node, array=arrays[node.name])
        for node in nodes
        if node.name in arrays
    }


def _write(file: BinaryIO, node: Node, array: Array) -> None:
    np.save(file, declared(node, array))


def read_array(graph: Path, node: Node) -> Array:
    """Return the array of a Const node that lies beside the file ``graph``, read-only.

    Raises:
        UsageError: it is missing or damaged, or does not fit the node.
    """
    path = Path(array_path(graph, node.name))
    wanted = np.dtype(tensorflow().as_dtype(node.attr["dtype"].type).as_numpy_dtype)
    try:
        array: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(
            f"constant {node.name!r} of frozen graph {graph} cannot be read from {path}: {error}; keep the "
            "directory beside the graph"
        ) from error
    if array.dtype.kind == "V" and array.dtype.itemsize == wanted.itemsize:
        array = array.view(wanted)  # NumPy's files do not know TensorFlow's own types
    if (array.dtype, array.shape) != (wanted, constant_shape(node)):
        raise UsageError(
            f"constant {node.name!r} of frozen graph {graph} is {wanted} {constant_shape(node)}, but {path} "
            f"holds {array.dtype} {array.shape}; give the arrays of this graph"
        )
    return array


def array_path(graph: PurePath, name: str) -> PurePath:
    """Return where the array of a constant lies, beside the file ``graph``."""
    return graph.with_suffix(SUFFIX) / f"{urllib.parse.quote(name, safe='')}.npy"
