"""Writing a frozen TensorFlow 1 graph node by node, as plain protocol buffers: the same bytes every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    Attribute = bool | int | str | list[int]

GraphDef: TypeAlias = Any
"""tensorflow.core.framework.graph_pb2.GraphDef: TensorFlow ships no types for it."""
PRODUCER = 27  # GraphDef version of TensorFlow 1.13: every consumer since, 2.x included, takes it


class GraphWriter:
    """Appends nodes to a GraphDef; every method returns the name of the node that holds the result.

    Args:
        prefix: what the names of :meth:`unique` begin with.
    """

    def __init__(self, prefix: str = "") -> None:
        from tensorflow.core.framework import graph_pb2

        self.prefix = prefix
        self.graph: GraphDef = graph_pb2.GraphDef()
        self.graph.versions.producer = PRODUCER
        self._counts: dict[str, int] = {}

    def node(self, name: str, op: str, inputs: Sequence[str] = (), **attributes: Attribute) -> str:
        """Append a node; ``attributes`` are those without a default value, type attributes apart."""
        node = self.graph.node.add(name=name, op=op, input=inputs)
        for key, value in attributes.items():
            _set_attribute(node.attr[key], value)
        return name

    def float_node(self, name: str, op: str, inputs: Sequence[str], **attributes: Attribute) -> str:
        """Append a node whose ``T`` is float32."""
        node = self.node(name, op, inputs, **attributes)
        self.graph.node[-1].attr["T"].type = _float()
        return node

    def placeholder(self, name: str, shape: Sequence[int]) -> str:
        """Append a float32 placeholder; -1 is a dimension of unknown size."""
        self.node(name, "Placeholder")
        attributes = self.graph.node[-1].attr
        attributes["dtype"].type = _float()
        for size in shape:
            attributes["shape"].shape.dim.add(size=size)
        return name

    def constant(self, name: str, value: float | list[int]) -> str:
        """Append a Const: int32 for integers, float32 otherwise."""
        array = np.asarray(value)
        tensor = self._constant_tensor(name, array.shape, is_float=array.dtype.kind == "f")
        if array.dtype.kind == "f":
            tensor.float_val.append(float(array))
        elif array.ndim:
            tensor.tensor_content = array.astype("<i4").tobytes()
        else:
            tensor.int_val.append(int(array))
        return name

    def variable(self, name: str, shape: Sequence[int]) -> str:
        """Append a frozen variable: a Const of ``shape`` without content and its ``read`` Identity."""
        return self.float_node(f"{name}/read", "Identity", [self.zeros(name, shape)])

    def zeros(self, name: str, shape: Sequence[int]) -> str:
        """Append a float32 Const of zeros, which TensorFlow reads where there is no content."""
        self._constant_tensor(name, shape, is_float=True)
        return name

    def unique(self, base: str) -> str:
        """Return ``base`` after the prefix, then ``base_1``, … as TensorFlow 1 numbers names."""
        count = self._counts.get(base, 0)
        self._counts[base] = count + 1
        return f"{self.prefix}{base}" + (f"_{count}" if count else "")

    def _constant_tensor(self, name: str, shape: Sequence[int], *, is_float: bool) -> Any:
        from tensorflow.core.framework import types_pb2

        dtype = types_pb2.DT_FLOAT if is_float else types_pb2.DT_INT32
        self.node(name, "Const")
        attributes = self.graph.node[-1].attr
        attributes["dtype"].type = dtype
        tensor = attributes["value"].tensor
        tensor.dtype = dtype
        tensor.tensor_shape.SetInParent()
        for size in shape:
            tensor.tensor_shape.dim.add(size=size)
        return tensor


def _float() -> int:
    from tensorflow.core.framework import types_pb2

    return int(types_pb2.DT_FLOAT)


def _set_attribute(attribute: Any, value: object) -> None:
    if isinstance(value, bool):
        attribute.b = value
    elif isinstance(value, int):
        attribute.i = value
    elif isinstance(value, str):
        attribute.s = value.encode()
    elif isinstance(value, list):
        attribute.list.i.extend(value)
    else:
        raise TypeError(f"no attribute holds {value!r}")


def serialize(graph: GraphDef) -> bytes:
    """Return the bytes of ``graph``, attributes in the order of their names."""
    return bytes(graph.SerializeToString(deterministic=True))
