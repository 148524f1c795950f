"""A GraphDef that other versions of TensorFlow read, too."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from conformance.graph.tensorflow import op_definition

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph


def portable_graph_def(graph: FrozenGraph) -> Any:  # noqa: ANN401 - a protobuf GraphDef
    """Return a copy of the GraphDef without devices, colocations, and attributes that have their default.

    Its functions, too, are without such attributes.

    An older TensorFlow refuses an attribute that it does not know, even at its default, which is how newer
    ones extend operators; it fills in what is left out.

    Source: "TensorFlow version compatibility", rule for new attributes with defaults.
    """
    graph_def = graph.copied_graph_def()
    functions = graph_def.library.function
    for node in itertools.chain(graph_def.node, *(function.node_def for function in functions)):
        _drop_defaults(node)
    return graph_def


def _drop_defaults(node: Any) -> None:  # noqa: ANN401 - a protobuf NodeDef
    definition = op_definition(node.op)
    for attribute in definition.attr if definition else ():  # a call of a function has none
        present = attribute.name in node.attr and attribute.HasField("default_value")
        if present and node.attr[attribute.name] == attribute.default_value:
            del node.attr[attribute.name]
