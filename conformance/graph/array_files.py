"""Arrays in files beside a graph's file, for graphs that one protocol buffer of 2 GiB cannot hold.

Beside ``graph.pb``, whose nodes say which arrays are missing in it, lies the directory ``graph.arrays`` with
one ``.npy`` per constant. They are mapped, not read. To TensorFlow, which knows nothing of them, these
constants are zeros.
"""

from __future__ import annotations

import functools
import urllib.parse
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np

from conformance.errors import UsageError
from conformance.files import sha256
from conformance.graph.constants import constant_shape, declared
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.npy import map_npy, write_npy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from conformance.graph.constants import Array, Node

    Writer = Callable[[BinaryIO], object]

P = TypeVar("P", bound=PurePath)
SUFFIX = ".arrays"
LONGEST_NAME = 200
"""Characters of a file's name before ``.npy``; what is longer is cut, and told apart by a digest."""
DIGITS = 16


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
    write_npy(file, declared(node, array))


def read_array(graph: Path, node: Node) -> Array:
    """Return the array of a Const node that lies beside the file ``graph``, read-only.

    Raises:
        UsageError: it is missing or damaged, or does not fit the node.
    """
    path = Path(array_path(graph, node.name))
    wanted = np.dtype(tensorflow().as_dtype(node.attr["dtype"].type).as_numpy_dtype)
    try:
        array = map_npy(path)
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
    stem = urllib.parse.quote(name, safe="")
    if len(stem) > LONGEST_NAME:
        stem = f"{stem[:LONGEST_NAME]}-{sha256(name.encode())[:DIGITS]}"
    return array_directory(graph) / f"{stem}.npy"


def array_directory(graph: P) -> P:
    """Return where all arrays beside the file ``graph`` lie."""
    return graph.with_suffix(SUFFIX)


def check_no_arrays(graph: Path) -> None:
    """Demand that no arrays lie where those of the file ``graph`` would: they might be taken for its own.

    Raises:
        UsageError: there are some.
    """
    directory = array_directory(graph)
    if directory.exists():
        raise UsageError(
            f"{directory}, where arrays of {graph} would lie, is there already and is not overwritten; "
            "delete both, or name another file"
        )
