"""Reading the graph of a checkpoint: a meta graph, or a GraphDef, binary or text; nothing is imported."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError
from conformance.files import read_bytes
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.graph.frozen import GraphDef

META, TEXT, BINARY = ".meta", ".pbtxt", ".pb"


@dataclasses.dataclass(frozen=True)
class GraphFile:
    """A graph as it was written.

    Attributes:
        graph_def: all of it, training included.
        restore: the node that restores the checkpoint, as a meta graph says; '' where nothing says so.
        source: the file.
    """

    graph_def: GraphDef
    restore: str
    source: str


def read_graph(path: Path) -> GraphFile:
    """Read a ``.meta``, ``.pb`` or ``.pbtxt`` file.

    Raises:
        UsageError: it cannot be read, has another suffix, or holds no graph.
    """
    if path.suffix not in (META, TEXT, BINARY):
        raise UsageError(f"graph {path} is neither {META} nor {BINARY} nor {TEXT}; give one of these")
    data = read_bytes(path, "graph")
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    kinds = (MetaGraphDef,) if path.suffix == META else (tensorflow().compat.v1.GraphDef, MetaGraphDef)
    for kind in kinds:
        found = graph_of(_parsed(data, kind, as_text=path.suffix == TEXT), str(path))
        if found is not None:
            return found
    raise UsageError(f"graph {path} is damaged or holds no nodes; export the graph again")


def graph_of(message: Any, source: str) -> GraphFile | None:  # noqa: ANN401 - a protobuf message
    """Return the graph in a GraphDef or MetaGraphDef, or None if there are no nodes in it."""
    if message is None:
        return None
    meta = hasattr(message, "graph_def")
    graph_def = message.graph_def if meta else message
    restore = message.saver_def.restore_op_name if meta else ""
    return GraphFile(graph_def, restore, source) if graph_def.node else None


def _parsed(data: bytes, kind: Any, *, as_text: bool) -> Any:  # noqa: ANN401 - protobuf messages
    """Return a message, or None where the bytes are none of this kind."""
    from google.protobuf import text_format  # type: ignore[import-untyped]
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        if as_text:
            return text_format.Parse(data, kind(), allow_unknown_field=True)
        return kind.FromString(data)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError):
        return None
