"""A frozen graph's file, of which only the structure is parsed: large constants are mapped where they lie.

Source of the layout: protobuf's "Encoding" (keys, varints, length-delimited fields), and
tensorflow/core/framework/{graph,node_def,attr_value,tensor}.proto.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, NamedTuple

from conformance.errors import UsageError
from conformance.files import mapped_bytes
from conformance.graph.array_files import read_array
from conformance.graph.constants import (
    APART,
    ATTR_TENSOR,
    INLINE_BYTES,
    TENSOR_CONTENT,
    array_of,
    marked,
    tagged,
)
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.lowering import without_functions
from conformance.graph.vendor_nodes import with_plain_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from conformance.graph.constants import Array
    from conformance.graph.frozen import Node

GRAPH_NODE, NODE_ATTR, ENTRY_VALUE = 1, 5, 2
CONTENT = (NODE_ATTR, ENTRY_VALUE, ATTR_TENSOR, TENSOR_CONTENT)
"""Fields, from the outermost, in which the content of a Const node lies."""
VARINT, LENGTH_DELIMITED = 0, 2
FIXED_WIDTHS = {1: 8, 5: 4}
"""Wire types of values of a fixed width, with the bytes that they take."""


class DamagedGraph(UsageError):
    """A file is no GraphDef."""


def load_frozen_graph(
    path: Path, outputs: Sequence[str], read: Callable[[Node], Array] | None = None
) -> FrozenGraph:
    """Read a binary GraphDef and prune it to ``outputs``.

    Functions stand in the place of what calls them; quantised nodes of Cambricon's become TensorFlow's.

    Args:
        path: the file.
        outputs: names of nodes.
        read: returns the array of a Const node that is missing in the file; by default it is read from its
            file beside the graph.

    Raises:
        UsageError: the file is missing, empty or no GraphDef, or an output is not in it; and see
            :func:`conformance.graph.vendor_nodes.with_plain_nodes` and
            :func:`conformance.graph.lowering.without_functions`.
    """
    try:
        graph = read_mapped(path, read)
    except DamagedGraph as error:
        raise UsageError(f"frozen graph {path} is not a GraphDef: {error}") from error
    if not graph.nodes:
        raise UsageError(f"frozen graph {path} holds no nodes; give a frozen .pb")
    return without_functions(with_plain_nodes(graph), outputs).prune(outputs)


def read_mapped(path: Path, read: Callable[[Node], Array] | None = None) -> FrozenGraph:
    """Return the whole graph in a file, without outputs, so that nothing is demanded of its nodes yet.

    Raises:
        DamagedGraph: the file is no GraphDef.
        UsageError: it cannot be read, or an array that should lie beside it cannot.
    """
    data = mapped_bytes(path, "frozen graph")
    tensorflow()  # silences what the next import would say
    from google.protobuf.message import DecodeError

    try:
        return _parsed(data, path, read or functools.partial(read_array, path))
    except (DecodeError, ValueError, IndexError) as error:
        raise DamagedGraph(str(error)) from error


def _parsed(data: memoryview, path: Path, read: Callable[[Node], Array]) -> FrozenGraph:
    nodes: list[Node] = []
    arrays: dict[str, Array] = {}
    rest = bytearray()
    for field in _fields(data):
        if field.number == GRAPH_NODE:
            node, array = _node(field.value)
            if APART in node.attr and array is None:
                array = read(node)
            nodes.append(node)
            arrays |= {} if array is None else {node.name: array}
        else:
            rest += field.whole
    graph_def = tensorflow().compat.v1.GraphDef.FromString(bytes(rest))
    return FrozenGraph(
        nodes, (), source=str(path), arrays=arrays, library=graph_def.library, versions=graph_def.versions
    )


def _node(data: memoryview) -> tuple[Node, Array | None]:
    """Return a node, and the array of a constant that is large enough to lie beside it."""
    kind = tensorflow().compat.v1.NodeDef
    if len(data) > INLINE_BYTES:
        rest, content = _cut_out(data, CONTENT)
        node = kind.FromString(rest)
        array = array_of(node, content) if node.op == "Const" and content is not None else None
        if array is not None:
            return marked(node), array
    return kind.FromString(bytes(data)), None


def _cut_out(data: memoryview, path: Sequence[int]) -> tuple[bytes, memoryview | None]:
    """Return a message without the large field at the end of ``path``, and this field's value."""
    kept = bytearray()
    content = None
    for field in _fields(data):
        if field.number != path[0] or len(field.value) <= INLINE_BYTES:
            kept += field.whole
        elif len(path) == 1:
            content = field.value
        else:
            inner, content = _cut_out(field.value, path[1:])
            kept += tagged(field.number, len(inner)) + inner
    return bytes(kept), content


class _Field(NamedTuple):
    """A field of a message: its number, its value if that is length-delimited, and all of its bytes."""

    number: int
    value: memoryview
    whole: memoryview


def _fields(data: memoryview) -> Iterator[_Field]:
    """Yield the fields of a serialised message.

    Raises:
        ValueError, IndexError: it is none.
    """
    at = 0
    while at < len(data):
        key, start = _varint(data, at)
        size, start = _extent(data, key & 7, start)
        if not key >> 3 or start + size > len(data):
            raise ValueError(f"the field at byte {at} is damaged")
        value = data[start : start + size] if key & 7 == LENGTH_DELIMITED else data[:0]
        yield _Field(key >> 3, value, data[at : start + size])
        at = start + size


def _extent(data: memoryview, wire: int, at: int) -> tuple[int, int]:
    """Return how long a field's value is and where it starts."""
    if wire == LENGTH_DELIMITED:
        return _varint(data, at)
    if wire == VARINT:
        return _varint(data, at)[1] - at, at
    if wire in FIXED_WIDTHS:
        return FIXED_WIDTHS[wire], at
    raise ValueError(f"byte {at} starts a value of the unknown type {wire}")


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where the next value starts."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
