"""Devices of which one operator is broken, each in a way of its own."""

import functools
import os
import signal

import numpy as np
from support.right_device import right_device

from conformance.devices.base import DeviceInfo, SessionBase
from conformance.graph.composing import reference_graph
from conformance.graph.editing import copied
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.operators import FIXED_POINT
from conformance.operators.table import TESTS


class BrokenDevice:
    """A right device but for one fault.

    Args:
        edit: changes the graph before it is compiled.
        after: changes every result.
        fed: changes every feed.
        switches: of the ideal profile, for what runs on the emulator.
        only: how the names of changed results end.
        emulated: whether the emulator runs it; else float64, rounded once, as is right at fp32.
    """

    def __init__(self, edit=None, after=None, fed=None, switches="", *, emulated=False, only=""):
        self.only = only
        same = lambda value: value  # noqa: E731
        self.edit, self.after, self.fed = edit or same, after or same, fed or same
        self.inner = right_device(switches) if emulated or switches else None

    def info(self):
        return DeviceInfo(kind="broken", model="CPU", simulated=True)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        graph = self.edit(graph)
        if self.inner is None:
            return BrokenSession(GraphRunner(reference_graph(graph)[0], fetches), self)
        return BrokenSession(
            self.inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse), self
        )

    def close(self):
        pass


class BrokenSession(SessionBase):
    device_seconds = 0.0

    def __init__(self, inner, device):
        self.inner, self.device = inner, device

    def run(self, feeds):
        feeds = {name: self.device.fed(value) for name, value in feeds.items()}
        results = self.inner(feeds) if isinstance(self.inner, GraphRunner) else self.inner.run(feeds)
        return {name: np.asarray(self._after(name, value), np.float32) for name, value in results.items()}

    def _after(self, name, value):
        return self.device.after(np.array(value)) if name.endswith(self.device.only) else value

    def close(self):
        self.inner.close()


# What can be wrong: each returns the arguments of a device, given the operator's type


def op(new):
    """The operator is another one of the same operands."""

    def edit(graph, old):
        known = {entry.name for entry in op_definition(new).attr}
        nodes = []
        for node in graph.nodes.values():
            if node.op == old:
                node = copied(node, op=new)  # noqa: PLW2901
                for key in set(node.attr) - known:
                    del node.attr[key]
            nodes.append(node)
        return graph.replaced(nodes)

    return lambda old: {"edit": functools.partial(edit, old=old)}


def attr(change):
    """An attribute has another value."""

    def edit(graph, old):
        nodes = [copied(node) for node in graph.nodes.values()]
        for node in nodes:
            if node.op == old:
                change(node.attr)
        return graph.replaced(nodes)

    return lambda old: {"edit": functools.partial(edit, old=old)}


def constant(position, change):
    """A constant operand is another one."""

    def edit(graph, old):
        values = {}
        for node in graph.nodes.values():
            if node.op == old:
                tensor = producer(data_inputs(node)[position])
                found = graph.constant(tensor)
                if found is not None and graph.nodes[tensor].op == "Const":
                    values[tensor] = np.asarray(change(found), found.dtype).reshape(found.shape)
        return graph.with_constants(values)

    return lambda old: {"edit": functools.partial(edit, old=old)}


def swapped(first=0, second=1):
    """Two operands are exchanged."""

    def edit(graph, old):
        nodes = [copied(node) for node in graph.nodes.values()]
        for node in nodes:
            if node.op == old:
                node.input[first], node.input[second] = node.input[second], node.input[first]
        return graph.replaced(nodes)

    return lambda old: {"edit": functools.partial(edit, old=old)}


def after(change):
    """The result is changed."""
    return lambda _: {"after": change}


def fed(change):
    return lambda _: {"fed": change}


def switched(switches):
    return lambda _: {"switches": switches}


def _half(value):
    return value.astype(np.float16).astype(np.float32)


def _first_channel_in_half(y):
    y = np.array(y)
    if y.ndim:
        y[..., 0] = _half(y[..., 0])
    return y


def _without_last_column(y):
    y = np.array(y)
    if y.ndim > 2:
        y[:, :, -1] = 0
    return y


def _shared_scale(y):
    largest = np.abs(y).max() or 1.0
    return np.round(y / largest * 127) / 127 * largest


def _turned(axis):
    return lambda y: np.flip(y, axis) if y.ndim > abs(axis) - (axis < 0) else y


def _indices_in_half(value):
    return value.astype(np.float16).astype(value.dtype) if value.dtype == np.int32 else value


def _list(attributes, key, values):
    del attributes[key].list.i[:]
    attributes[key].list.i.extend(values)


def _floats(key, value):
    def change(attributes):
        attributes[key].f = value

    return change


def _flag(key):
    def change(attributes):
        attributes[key].b = not attributes[key].b

    return change


def _turned_strides(attributes):
    strides = list(attributes["strides"].list.i)
    _list(attributes, "strides", [strides[0], strides[2], strides[1], strides[3]])


def _turned_window(attributes):
    sizes = list(attributes["ksize"].list.i)
    _list(attributes, "ksize", [sizes[0], sizes[2], sizes[1], sizes[3]])


def _counts_padding(graph, old):
    """AvgPool divides by the whole window, also where a part of it lies outside of the picture."""
    tf = tensorflow()
    nodes = []
    for node in graph.nodes.values():
        if node.op != old or node.attr["padding"].s != b"SAME":
            nodes.append(node)
            continue
        shape = [dim.size for dim in graph.nodes[producer(node.input[0])].attr["shape"].shape.dim]
        sizes, strides = list(node.attr["ksize"].list.i), list(node.attr["strides"].list.i)
        ones = tf.nn.avg_pool2d(
            tf.pad(tf.ones(shape, tf.float64), _pads(shape, sizes, strides)), sizes, strides, "VALID"
        )
        share = tf.compat.v1.NodeDef(name=f"{node.name}/share", op="Const")
        share.attr["dtype"].type = tf.float32.as_datatype_enum
        share.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(ones.numpy().astype(np.float32)))
        inner = copied(node, name=f"{node.name}/whole")
        outer = tf.compat.v1.NodeDef(name=node.name, op="Mul", input=[inner.name, share.name])
        outer.attr["T"].type = tf.float32.as_datatype_enum
        nodes += [inner, share, outer]
    return graph.replaced(nodes)


def _pads(shape, sizes, strides):
    pads = [[0, 0]]
    for axis in (1, 2):
        total = max((-(-shape[axis] // strides[axis]) - 1) * strides[axis] + sizes[axis] - shape[axis], 0)
        pads.append([total // 2, total - total // 2])
    return [*pads, [0, 0]]


def _alpha_of_256(attributes):
    attributes["alpha"].f = round(attributes["alpha"].f * 256) / 256


def _not_transposed(attributes):
    attributes["transpose_b" if "transpose_b" in attributes else "adj_y"].b ^= True


FAULTS = {
    # products
    "Conv2D": after(_first_channel_in_half),  # one channel's sums in half
    "Conv2D/dilated": after(_without_last_column),
    "DepthwiseConv2dNative": constant(1, lambda filters: np.flip(filters, 0)),  # rows of the filter turned
    "Conv2DBackpropInput": after(lambda y: np.roll(y, 1, 1)),  # geometry: one row too far
    "Conv3D": constant(1, lambda filters: np.flip(filters, 3)),  # per-channel filters on the wrong channels
    "MatMul": after(
        lambda y: np.where(np.arange(y.shape[-1]) == y.shape[-1] - 1, 0, y)
    ),  # last column missing
    "BatchMatMul": after(lambda y: np.broadcast_to(y[:1], y.shape)),  # the first matrix for all
    "BatchMatMulV2": after(lambda y: y + np.float32(0.01)),
    "Einsum": after(_turned(-1)),
    # reductions
    "Mean": after(lambda y: y * np.float32(1.001)),
    "Sum": after(_half),
    "Max": op("Min"),
    "Min": op("Max"),
    "Prod": op("Sum"),
    "EuclideanNorm": op("Sum"),
    "All": op("Any"),
    "Any": op("All"),
    "ArgMax": op("ArgMin"),
    "ArgMin": after(np.zeros_like),
    "AvgPool": lambda old: {"edit": functools.partial(_counts_padding, old=old)},
    "MaxPool": after(_without_last_column),
    "Softmax": switched(",softmax_maximum=not-subtracted,softmax_steps=fp32"),
    "LogSoftmax": op("Softmax"),
    "FusedBatchNormV3": constant(1, lambda scale: scale[::-1]),  # per-channel scale on the wrong channels
    "LRN": attr(lambda attributes: setattr(attributes["depth_radius"], "i", 0)),
    "Cumsum": attr(_flag("exclusive")),
    "SegmentSum": after(np.abs),
    "Dilation2D": constant(1, lambda window: window[::-1]),
    # elementwise
    "Abs": op("Neg"),
    "Neg": op("Abs"),
    "Relu": op("Relu6"),
    "Relu6": op("Relu"),
    "Sign": op("Relu"),
    "Square": op("Abs"),
    "Floor": op("Ceil"),
    "Ceil": op("Floor"),
    "Rint": op("Floor"),
    "Round": switched(",round=through-half"),
    "Elu": op("Selu"),
    "Selu": op("Elu"),
    "Softplus": after(lambda y: np.minimum(y, 11)),  # collapses above 11
    "Softsign": after(lambda y: np.round(y * 1024) / 1024),
    "Sigmoid": after(lambda y: np.round(y * 256) / 256),
    "Tanh": switched(",tanh=table-64"),
    "Erf": op("Tanh"),
    "Exp": op("Expm1"),
    "Expm1": op("Exp"),
    "Log": op("Log1p"),
    "Log1p": after(lambda y: np.maximum(y, 0)),
    "Sin": op("Cos"),
    "Cos": op("Sin"),
    "Atan": op("Tanh"),
    "Sqrt": op("Rsqrt"),
    "Rsqrt": op("Reciprocal"),
    "Reciprocal": after(_half),
    "Add": op("Sub"),
    "AddV2": op("Maximum"),
    "Sub": swapped(),
    "Mul": after(_half),
    "Maximum": op("Minimum"),
    "Minimum": op("Maximum"),
    "SquaredDifference": op("Sub"),
    "RealDiv": op("Mul"),
    "Div": swapped(),
    "DivNoNan": after(lambda y: np.where(y == 0, 1, y)),
    "Pow": swapped(),
    "Greater": op("GreaterEqual"),
    "GreaterEqual": op("Greater"),
    "Less": op("LessEqual"),
    "LessEqual": op("Less"),
    "Equal": op("NotEqual"),
    "NotEqual": op("Less"),
    "LogicalAnd": op("LogicalOr"),
    "LogicalOr": op("LogicalAnd"),
    "LogicalNot": after(lambda y: 1 - y),
    "AddN": after(_half),
    "BiasAdd": constant(1, lambda bias: bias[::-1]),
    "LeakyRelu": attr(_alpha_of_256),  # 0.1 is 26/256
    "ClipByValue": after(lambda y: np.minimum(y, 1)),
    "AddV2/chain": lambda _: {"edit": op("Maximum")("Mul")["edit"]},  # its first step is another one
    "PRelu": lambda _: {
        "edit": constant(0, lambda slope: slope[::-1])("Mul")["edit"]
    },  # slope on the wrong axis
    "Select": swapped(1, 2),
    "SelectV2": swapped(1, 2),
    # movement
    "ConcatV2": after(_shared_scale),
    "Pack": swapped(),
    "Split": after(_turned(-1)),
    "SplitV": constant(1, lambda sizes: sizes[::-1]),
    "Unpack": after(_turned(0)),
    "Slice": constant(1, lambda begin: begin * 0),
    "StridedSlice": constant(3, np.abs),
    "Pad": constant(1, lambda paddings: paddings[:, ::-1]),  # the wrong side
    "PadV2": constant(2, lambda value: value * 0),
    "MirrorPad": attr(lambda attributes: setattr(attributes["mode"], "s", b"SYMMETRIC")),
    "Transpose": after(lambda y: np.ascontiguousarray(y.reshape(y.shape[::-1]).T)),
    "ReverseV2": op("Identity"),
    "Tile": after(lambda y: np.repeat(y.reshape(-1)[: y.size // 2 + 1], 2)[: y.size].reshape(y.shape)),
    "BroadcastTo": after(lambda y: np.where(np.arange(y.shape[0])[:, None] > 0, 0, y) if y.ndim > 1 else y),
    "Fill": after(lambda y: np.where(np.arange(y.size).reshape(y.shape) == y.size - 1, 0, y)),
    "Reshape": after(lambda y: y[:, ::-1]),
    "ExpandDims": after(lambda y: y[..., ::-1]),
    "Squeeze": after(np.flip),
    "GatherV2": fed(_indices_in_half),
    "GatherNd": fed(_indices_in_half),
    "OneHot": fed(_indices_in_half),
    "TopKV2": after(lambda y: y[..., ::-1]),  # not in order
    "TopKV2/unsorted": switched(",top_k_unsorted=smallest"),
    "TopKV2/indices": after(lambda y: y[..., ::-1]),
    "Cast": after(np.floor),
    "SpaceToBatchND": after(lambda y: np.where(y == 0, 1, y)),  # padding with 1
    "BatchToSpaceND": constant(2, lambda crops: crops[:, ::-1]),
    "SpaceToDepth": after(_turned(-1)),
    "DepthToSpace": after(_turned(-1)),
    "ResizeNearestNeighbor": switched(",resize_nearest=half-pixel"),
    "ResizeBilinear": attr(_flag("align_corners")),
    "ResizeBicubic": attr(_flag("half_pixel_centers")),
    "CropAndResize": attr(_floats("extrapolation_value", 0.0)),
}
"""One fault per operator that is tested."""


def broken(name):
    """Return the device on which this operator is broken."""
    return BrokenDevice(**FAULTS[name](TESTS[name].op), emulated=TESTS[name].op in FIXED_POINT | {"Einsum"})


coarse_softsign = functools.partial(BrokenDevice, after=lambda y: np.round(y * 1024) / 1024, only="Softsign")
"""A device that rounds what a Softsign returns to 1024ths."""


class DyingDevice(BrokenDevice):
    """A device whose process dies where a graph has a Softsign."""

    def open(self, graph, fetches, **options):
        if any(node.op == "Softsign" for node in graph.nodes.values()):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().open(graph, fetches, **options)
