"""Large constants, which lie beside a graph's structure as arrays: read once, shared, never copied about.

A Const node whose array lies beside it keeps its dtype and shape, has no content, and is marked as such: to
TensorFlow it would be zeros. The array may be of a narrower type than the node says, where every value is the
same: it is widened where it is used.

Source of the messages' layout: tensorflow/core/framework/{attr_value,tensor}.proto.
"""

from __future__ import annotations

import math
import mmap
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Array = np.ndarray[Any, Any]
Node = Any  # tensorflow.NodeDef

INLINE_BYTES = 1024
"""Constants up to this size stay in their nodes: TensorFlow infers shapes from them."""

OWN_PAGES_FROM = 2**16
"""Bytes from which the rest of a page does not count."""

APART = "_apart"
"""Attribute of nodes whose array lies beside the structure."""

ATTR_TENSOR = 8
TENSOR_CONTENT = 4
LENGTH_DELIMITED = 2


def is_apart(dtype: Any, size: int) -> bool:
    """Whether a constant of a TensorFlow dtype and ``size`` bytes lies beside the structure."""
    plain = dtype.is_floating or dtype.is_integer or dtype.is_bool or dtype.is_complex
    return bool(plain and not dtype.is_quantized and size > INLINE_BYTES)


def constant_shape(node: Node) -> tuple[int, ...]:
    """Return the shape that a Const node declares."""
    return tuple(dim.size for dim in node.attr["value"].tensor.tensor_shape.dim)


def parted(nodes: Iterable[Node]) -> tuple[list[Node], dict[str, Array]]:
    """Return nodes of which no constant is large, and the arrays of those that were, by name."""
    structure: list[Node] = []
    arrays: dict[str, Array] = {}
    for node in nodes:
        array = _content(node) if node.op == "Const" else None
        if array is not None:
            arrays[node.name] = array
        structure.append(node if array is None else _without_content(node))
    return structure, arrays


def _content(node: Node) -> Array | None:
    tensor = node.attr["value"].tensor
    content: bytes = tensor.tensor_content
    return array_of(node, content) if len(content) > INLINE_BYTES else None


def array_of(node: Node, content: Any) -> Array | None:
    """Return the array of a Const node whose content is this buffer; None where it stays in the node."""
    dtype = tensorflow().as_dtype(node.attr["value"].tensor.dtype)
    if not is_apart(dtype, len(content)):
        return None
    shape, kind = constant_shape(node), np.dtype(dtype.as_numpy_dtype)
    if math.prod(shape) * kind.itemsize != len(content):
        return None  # TensorFlow will say what is wrong with it
    array: Array = np.frombuffer(content, kind).reshape(shape)
    return array


def _without_content(node: Node) -> Node:
    """Return a copy of a Const node without its content, which is not copied on the way."""
    copy = type(node)(name=node.name, op=node.op, input=node.input, device=node.device)
    for key, value in node.attr.items():
        if key != "value":
            copy.attr[key].CopyFrom(value)
    tensor = node.attr["value"].tensor
    copy.attr["value"].tensor.dtype = tensor.dtype
    copy.attr["value"].tensor.tensor_shape.CopyFrom(tensor.tensor_shape)
    copy.attr["value"].tensor.version_number = tensor.version_number
    return marked(copy)


def marked(node: Node) -> Node:
    """Mark a Const node without content, and return it."""
    node.attr[APART].b = True
    return node


def fill(node: Node, array: Array) -> None:
    """Put the array of a Const node into it, as the type that it declares."""
    node.attr["value"].tensor.tensor_content = declared(node, array).tobytes()
    node.attr.pop(APART, None)


def declared(node: Node, array: Array) -> Array:
    """Return the array of a Const node in the type that the node declares."""
    dtype = tensorflow().as_dtype(node.attr["value"].tensor.dtype).as_numpy_dtype
    return np.ascontiguousarray(array, dtype)


def stored(node: Node, value: Array) -> tuple[Node, dict[str, Array]]:
    """Return a Const node like ``node`` that holds another value, and its array if that lies beside it.

    Args:
        node: a Const node; its dtype holds every number of the type of ``value``.
        value: any array.
    """
    tf = tensorflow()
    kind = tf.as_dtype(node.attr["dtype"].type)
    copy = type(node)()
    copy.CopyFrom(node)
    tensor = copy.attr["value"].tensor
    if not is_apart(tf.as_dtype(value.dtype), value.nbytes):
        tensor.CopyFrom(tf.make_tensor_proto(value.astype(kind.as_numpy_dtype)))
        copy.attr.pop(APART, None)
        return copy, {}
    tensor.Clear()
    tensor.dtype = kind.as_datatype_enum
    tensor.tensor_shape.CopyFrom(tf.TensorShape(value.shape).as_proto())
    return marked(copy), {node.name: read_only(value)}


def on_own_pages(array: Array) -> Array:
    """Return the same numbers in memory that a tensor can share, so that they are there once.

    NumPy's own memory is not aligned as TensorFlow wants it, and goes with its array. Small arrays stay.

    Source: mmap(2): anonymous pages begin at a multiple of their size.
    """
    if array.nbytes < OWN_PAGES_FROM:
        return array
    pages = mmap.mmap(-1, array.nbytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    copy: Array = np.frombuffer(pages, array.dtype).reshape(array.shape)
    copy[...] = array
    copy.flags.writeable = False
    return copy


def read_only(array: Array) -> Array:
    """Return a view of an array that cannot be written to; the array itself if it cannot be either."""
    if not array.flags.writeable:
        return array
    view: Array = array.view()
    view.flags.writeable = False
    return view


def same_numbers(array: Array) -> tuple[Array, tuple[Any, ...]]:
    """Return what owns the memory of an array, and a key that equal views of it have as long as it lives."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return owner, (array.ctypes.data, array.shape, array.strides, array.dtype.str)


def serialized_attribute(node: Node, key: str, arrays: Mapping[str, Array]) -> Iterator[bytes | memoryview]:
    """Yield, part by part, an attribute as it is serialised with the content that lies beside it."""
    value = node.attr[key]
    if key != "value" or node.name not in arrays:
        yield value.SerializeToString(deterministic=True)
        return
    content = declared(node, arrays[node.name]).reshape(-1).view(np.uint8).data
    head = value.tensor.SerializeToString(deterministic=True) + tagged(TENSOR_CONTENT, len(content))
    yield tagged(ATTR_TENSOR, len(head) + len(content)) + head
    yield content


def tagged(number: int, size: int) -> bytes:
    """Return what stands before a length-delimited field of a serialised message."""
    return _varint(number << 3 | LENGTH_DELIMITED) + _varint(size)


def _varint(value: int) -> bytes:
    groups = [value >> shift & 0x7F for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])
