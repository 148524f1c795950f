"""Variables of a TensorFlow 2 function become constants; the arrays of large ones lie beside the graph.

The steps are those of TensorFlow's own conversion, and so are all names and attributes. That one writes every
value into a GraphDef, which cannot be larger than 2 GiB, and copies it at every step.

Source: ``convert_variables_to_constants_v2`` in tensorflow/python/framework/convert_to_constants.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.constants import is_apart, marked, read_only
from conformance.graph.editing import plain
from conformance.graph.execution import array_of_tensor
from conformance.graph.frozen import FrozenGraph, producer
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from conformance.graph.constants import Array


def without_variables(function: Any, source: str) -> tuple[FrozenGraph, list[str]]:
    """Return the graph of a function, with its calls inlined and constants for its variables.

    Args:
        function: a ConcreteFunction, whose variables live.
        source: what the graph is called in errors.

    Returns:
        The graph, without outputs, and the nodes of the function's outputs in order. Arrays lie in the
        memory of the variables.
    """
    from tensorflow.python.framework.convert_to_constants import _construct_concrete_function as constructed
    from tensorflow.python.framework.convert_to_constants import _GraphDef as Convertible

    data = _inlined(function)
    graph = Convertible(data.graph_def)
    arrays: dict[str, Array] = {}
    for name, value in data.tensor_data.items():
        if _is_apart(value):
            _become_constant(graph.nodes[name], value)
            arrays[name] = read_only(value.numpy)
        else:
            graph.nodes[name].convert_variable_to_constant(None, value)
    captured = {value.index for value in data.tensor_data.values() if value.index is not None}
    frozen = constructed(function, graph.converted_self().graph_def, captured)
    whole = FrozenGraph.of(frozen.graph.as_graph_def(), (), source=source, arrays=arrays)
    return whole, [producer(tensor.name) for tensor in frozen.outputs]


def _inlined(function: Any) -> Any:
    """Return TensorFlow's data for a conversion: the inlined graph, and the value of whatever is captured."""
    from tensorflow.python.framework.convert_to_constants import _FunctionConverterDataInEager

    class Data(_FunctionConverterDataInEager):  # type: ignore[misc] # TensorFlow has no types
        def _eval(self, tensor: Any) -> Array:
            return array_of_tensor(tensorflow().convert_to_tensor(tensor))

    return Data(func=function, lower_control_flow=False, aggressive_inlining=False)


def _is_apart(value: Any) -> bool:
    """Whether a variable's array lies beside the graph; of other types TensorFlow lists the numbers."""
    dtype = tensorflow().as_dtype(value.dtype)
    return is_apart(dtype, value.numpy.nbytes) and (dtype.is_floating or dtype.is_integer)


def _become_constant(handle: Any, value: Any) -> None:
    """Make a Const node without content of a captured variable, and let what reads it read values."""
    node = plain(handle.node.name, "Const", [], dtype=value.dtype)
    node.attr["value"].tensor.dtype = value.dtype
    node.attr["value"].tensor.tensor_shape.CopyFrom(tensorflow().TensorShape(value.numpy.shape).as_proto())
    handle.converted_self().node.CopyFrom(marked(node))
    for edge in handle.outgoing_edges:
        edge.destination.convertible.convert_variable_to_constant(edge, value)
