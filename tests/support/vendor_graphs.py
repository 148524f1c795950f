"""A graph as Cambricon's tool quantises it, with the fork's node types, and its twin in TensorFlow's own."""

from __future__ import annotations

import numpy as np
from support.emulation import frozen, placeholder

from conformance.graph.editing import constant, copied
from conformance.graph.frozen import FrozenGraph, data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import known
from conformance.quantization.calibration import largest_magnitudes, quantized_tensors

OUTPUT = "out"
SHAPE = (1, 8, 8, 3)
FUSED = {"Conv2D": "Conv2DBias", "MatMul": "MLP"}
PAIR = {8: "Int8BatchMatMulV2", 16: "MLUBatchMatMulV2"}
FILTERS = ("Conv2D", "Conv2DBackpropInput", "MatMul")
UNSET = 1024


def build(tf):
    """Make the twin: convolutions alone, with a bias and transposed, matmuls with and without bias."""
    random = np.random.default_rng(12)

    def weights(name, *shape):
        values = tf.constant(random.normal(-0.05, 0.3, shape).astype(np.float32), name=name)
        return tf.identity(values, name=f"{name}/read")

    x = placeholder(tf, "x", SHAPE)
    first = tf.nn.relu(tf.nn.conv2d(x, weights("w1", 3, 3, 3, 6), 2, "SAME", name="first"), name="relu")
    inner = tf.nn.conv2d(first, weights("w2", 3, 3, 6, 8), 1, "VALID", name="biased/Conv2D")
    biased = tf.nn.bias_add(inner, random.normal(0, 1, 8).astype(np.float32), name="biased")
    wide = tf.nn.conv2d_transpose(biased, weights("w3", 2, 2, 4, 8), (1, 4, 4, 4), 2, "SAME", name="wide")
    flat = tf.reshape(tf.nn.relu(wide), (4, 16))
    dense = tf.linalg.matmul(flat, weights("w4", 16, 5), name="dense")
    layer = tf.linalg.matmul(tf.nn.tanh(dense), weights("w5", 7, 5), transpose_b=True, name="layer/MatMul")
    layer = tf.nn.bias_add(layer, random.normal(0, 1, 7).astype(np.float32), name="layer")
    pairs = tf.reshape(layer, (2, 2, 7))
    scores = tf.raw_ops.BatchMatMulV2(x=pairs, y=pairs, adj_y=True, name="scores")
    tf.nn.softmax(scores, name=OUTPUT)


def twin():
    """Return the graph before it is quantised."""
    return frozen(build, OUTPUT)


def feeds():
    return {"x": np.random.default_rng(4).uniform(-1, 1, SHAPE).astype(np.float32)}


def vendors_scales(graph, bits):
    """Return scales as the vendor's tool finds them, as float32: the smaller of its two forms for filters."""
    largest = largest_magnitudes(graph, [feeds()])
    scales = {key: (2 ** (bits - 1) - 1) / value for key, value in largest.items()}
    for key, tensor in quantized_tensors(graph).items():
        values = graph.constant(tensor)
        if values is not None:
            scales[key] = min((2 ** (bits - 1) - 1) / values.max(), 2 ** (bits - 1) / -values.min())
    return {key: float(np.float32(scale)) for key, scale in scales.items()}


def integers(values, scale, bits):
    """Return values in fixed point, as the tool rounds them."""
    limit = 2 ** (bits - 1)
    return np.clip(np.round(values.astype(np.float64) * scale), -limit, limit - 1).astype(f"int{bits}")


def quantised(graph, scales, bits):
    """Return the GraphDef that the vendor's tool makes of a graph, and the twin of what it leaves of filters.

    Args:
        graph: the graph before it is quantised.
        scales: of every input and filter, by the keys of the parameter file.
        bits: fixed-point bits, 8 or 16.
    """
    filters, replaced, gone = {}, {}, set()
    for node in graph.nodes.values():
        if node.op in FILTERS:
            tensor = node.input[known(node.op).data_arguments[1]]
            source = producer(graph.nodes[producer(tensor)].input[0])
            filters[source] = integers(graph.constant(tensor), scales[f"{node.name}/filter"], bits)
            replaced[producer(tensor)] = _retyped(graph.nodes[producer(tensor)], bits)
            replaced[source] = constant(source, filters[source])
            fused = graph.nodes.get(node.name.rpartition("/")[0])
            gone |= {node.name} if fused is not None else set()
            made = _vendors(node, fused, scales, bits)
            replaced[made.name] = made
        elif node.op == "BatchMatMulV2":
            replaced[node.name] = _pair(node, scales, bits)
    nodes = [replaced.get(name, node) for name, node in graph.nodes.items() if name not in gone]
    graph_def = tensorflow().compat.v1.GraphDef(versions=graph.versions)
    graph_def.node.extend(nodes)
    floats = {
        name: (values / _scale_of(graph, name, scales)).astype(np.float32) for name, values in filters.items()
    }
    return graph_def, graph.with_constants(floats)


def _scale_of(graph, source, scales):
    for key, tensor in quantized_tensors(graph).items():
        if key.endswith("/filter") and tensor == f"{source}/read":
            return scales[key]
    raise AssertionError(source)


def _retyped(node, bits):
    made = copied(node)
    made.attr["T"].type = tensorflow().as_dtype(f"int{bits}").as_datatype_enum
    return made


def _vendors(node, fused, scales, bits):
    """Return the fork's node for a convolution or matmul, and for the bias that ``fused`` adds to it."""
    bias = [] if fused is None else [data_inputs(fused)[1]]
    op = FUSED[node.op] if bias else node.op
    name = fused.name if bias else node.name
    made = copied(node, name=name, op=f"Int{bits}{op}", inputs=[*node.input, *bias])
    integer = tensorflow().as_dtype(f"int{bits}").as_datatype_enum
    if node.op == "Conv2D":
        made.attr["InT"].CopyFrom(node.attr["T"])
        made.attr["OutT"].CopyFrom(node.attr["T"])
        made.attr["paddings"].list.i.extend([0] * 4)
        for key in ("T", "explicit_paddings", "use_cudnn_on_gpu"):
            made.attr.pop(key, None)
    made.attr["T1" if node.op == "MatMul" else "FilterT"].type = integer
    made.attr["input_scale"].f = scales[f"{node.name}/input"]
    made.attr["filter_scale"].f = scales[f"{node.name}/filter"]
    return made


def _pair(node, scales, bits):
    """Return the fork's batched matmul, whose scales have positions."""
    made = copied(node, op=PAIR[bits])
    for index, which in enumerate(("input", "filter"), 1):
        position = int(np.floor(np.log2(2 / scales[f"{node.name}/{which}"])))
        made.attr[f"input{index}_position"].i = position
        made.attr[f"input{index}_scale"].f = scales[f"{node.name}/{which}"] * 2.0**position
    return made


def write(path, graph_def):
    path.write_bytes(graph_def.SerializeToString())
    return path


def quantised_file(path, bits=8, change=len):
    """Write a quantised graph, changed in place by ``change(nodes by name)``; return its twin and scales."""
    scales = vendors_scales(twin(), bits)
    graph_def, plain_twin = quantised(twin(), scales, bits)
    change({node.name: node for node in graph_def.node})
    write(path, graph_def)
    return plain_twin, scales


def bare_graph(*nodes, outputs):
    """Return a graph of nodes as they are."""
    graph_def = tensorflow().compat.v1.GraphDef()
    graph_def.node.extend(nodes)
    return FrozenGraph.of(graph_def, outputs)
