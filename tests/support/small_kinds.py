"""Kinds of small networks: each takes a drawing and the name of its output."""

import numpy as np


def _two(op, kind="any", second=None):
    def make(tf, draw, name):
        size = draw.size()
        left, right = draw.fed(size, kind=kind), draw.fed(size, kind=second or kind)
        getattr(tf.raw_ops, op)(x=left, y=right, name=name)

    return make


def _one(op, kind="any"):
    def make(tf, draw, name):
        _unary(tf, op, draw.fed(draw.size(), kind=kind), name)

    return make


def _unary(tf, op, x, name=None):
    features = op in ("Relu", "Relu6", "Elu", "Selu", "Softplus", "Softsign", "LeakyRelu")
    return getattr(tf.raw_ops, op)(**{"features" if features else "x": x}, name=name)


def _chain(tf, draw, name):
    """Several elementwise operators, one after the other."""
    x = draw.fed(draw.size(), kind="mild")
    for _ in range(int(draw.random.integers(1, 5))):
        if draw.random.integers(2):
            x = _unary(tf, draw.one_of("Tanh", "Sigmoid", "Relu", "Abs", "Neg", "Softsign", "Erf", "Elu"), x)
        else:
            other = draw.constant(x.shape[0])
            x = getattr(tf.raw_ops, draw.one_of("AddV2", "Sub", "Mul", "Maximum"))(x=x, y=other)
    tf.identity(x, name=name)


def _jumping_chain(tf, draw, name):
    """A whole number of what was computed just before."""
    size = draw.size()
    x = tf.multiply(draw.fed(size, kind="mild"), draw.constant(size, spread=3))
    _unary(tf, draw.one_of("Floor", "Ceil", "Rint", "Round", "Sign"), x, name)


def _tanh(tf, draw, name):
    tf.tanh(draw.fed(draw.size()) + np.float32(draw.random.normal()), name=name)


def _softmax(tf, draw, name):
    tf.nn.softmax(draw.fed(draw.one_of(1, 4), draw.one_of(2, 5, 10, 40)), name=name)


def _log_softmax(tf, draw, name):
    tf.nn.log_softmax(draw.fed(draw.one_of(1, 4), draw.one_of(2, 5, 10, 40)), name=name)


def _over_an_axis(op):
    def make(tf, draw, name):
        x = draw.fed(draw.one_of(1, 4, 8), draw.one_of(1, 3, 9, 25))
        getattr(tf, op)(x, axis=1, name=name)

    return make


def _over_two_axes(op):
    def make(tf, draw, name):
        x = draw.fed(*draw.one_of((1, 2, 3, 4), (2, 5, 5, 4), (1, 8, 8, 3)))
        getattr(tf, op)(x, axis=[1, 2], keepdims=True, name=name)

    return make


def _cumsum(tf, draw, name):
    flags = {key: bool(draw.random.integers(2)) for key in ("exclusive", "reverse")}
    tf.cumsum(draw.fed(draw.one_of(1, 4), draw.one_of(2, 7, 40)), axis=1, **flags, name=name)


def _squares(tf, draw, name):
    x = draw.fed(2, draw.one_of(2, 9, 30, 60))
    mean = tf.reduce_mean(x, axis=1, keepdims=True)
    factor = np.float32(draw.random.uniform(0.1, 3))
    tf.multiply(tf.math.squared_difference(x, mean), factor, name=name)


def _instance_norm(tf, draw, name):
    x = draw.fed(1, *draw.one_of((3, 3, 4), (6, 6, 4)), kind="mild")
    mean = tf.reduce_mean(x, [1, 2], keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(x, mean), [1, 2], keepdims=True)
    scale = tf.math.rsqrt(variance + np.float32(1e-3)) * draw.constant(4)
    tf.add(x * scale, draw.constant(4) - mean * scale, name=name)


def _batch_norm(op):
    def make(tf, draw, name):
        channels = draw.one_of(1, 4)
        x = draw.fed(1, draw.one_of(2, 6), 5, channels)
        statistics = {
            "scale": draw.constant(channels),
            "offset": draw.constant(channels),
            "mean": draw.constant(channels),
            "variance": np.abs(draw.constant(channels)) + np.float32(0.01),
        }
        made = getattr(tf.raw_ops, op)(x=x, **statistics, is_training=False)
        tf.identity(made[0], name=name)

    return make


def _resized(op):
    def make(tf, draw, name):
        mode = draw.one_of({}, {"align_corners": True}, {"half_pixel_centers": True})
        x = draw.fed(1, draw.one_of(3, 5), 4, 2)
        size = draw.one_of([6, 8], [4, 7], [2, 3])
        getattr(tf.raw_ops, op)(images=x, size=size, **mode, name=name)

    return make


def _dilation(tf, draw, name):
    x = draw.fed(1, draw.one_of(4, 6), 5, 3)
    tf.raw_ops.Dilation2D(
        input=x,
        filter=draw.constant(2, 2, 3),
        strides=[1, 1, 1, 1],
        rates=[1, 1, 1, 1],
        padding="SAME",
        name=name,
    )


def _pool(op):
    def make(tf, draw, name):
        x = draw.fed(1, draw.one_of(4, 6), 6, draw.one_of(1, 3))
        getattr(tf.nn, op)(x, draw.one_of(2, 3), 2, draw.one_of("SAME", "VALID"), name=name)

    return make


def _depthwise(tf, draw, name):
    channels = draw.one_of(1, 3)
    x = draw.fed(1, draw.one_of(4, 6), 5, channels)
    tf.nn.depthwise_conv2d(x, draw.constant(3, 3, channels, 1), [1, 1, 1, 1], "SAME", name=name)


def _matmul(tf, draw, name):
    inner, outer = draw.one_of(1, 3, 17, 50), draw.one_of(1, 4)
    x = draw.fed(draw.one_of(1, 4), inner)
    tf.linalg.matmul(x, draw.constant(inner, outer), name=name)


def _batched_matmul(tf, draw, name):
    inner = draw.one_of(2, 9)
    tf.linalg.matmul(draw.fed(2, 3, inner), draw.fed(2, inner, 4), name=name)


def _attention(tf, draw, name):
    x = draw.fed(4, draw.one_of(4, 16), kind="mild")
    width = int(x.shape[1])
    shares = tf.nn.softmax(tf.linalg.matmul(x, draw.constant(width, 5, spread=0.3)))
    tf.identity(shares, name=name)


def _layer(tf, draw, name):
    channels, outer = draw.one_of(1, 3), draw.one_of(1, 5)
    x = draw.fed(1, 4, 4, channels)
    conv = tf.nn.conv2d(x, draw.constant(draw.one_of(1, 3), 3, channels, outer), 1, "SAME")
    activation = draw.one_of(tf.nn.relu, tf.tanh, tf.nn.relu6, tf.identity)
    activation(tf.nn.bias_add(conv, draw.constant(outer)), name=name)


def _transposed_convolution(tf, draw, name):
    x = draw.fed(1, 3, 3, draw.one_of(1, 4))
    filters = draw.constant(3, 3, 2, int(x.shape[3]))
    tf.nn.conv2d_transpose(x, filters, [1, 6, 6, 2], 2, "SAME", name=name)


def _cell(tf, draw, name):
    size = draw.size()
    tf.multiply(tf.sigmoid(draw.fed(size)), tf.tanh(draw.fed(size)), name=name)


def _joined(tf, draw, name):
    width = draw.one_of(1, 5, 20)
    x, y = draw.fed(2, width), draw.fed(2, width)
    joined = tf.concat([x * y, x - y], 1)
    tf.reverse(tf.transpose(joined), [0], name=name)


KINDS = (
    *(_two(op) for op in ("AddV2", "Sub", "Mul", "SquaredDifference", "Maximum", "Minimum")),
    *(_two(op, "mild", "positive") for op in ("RealDiv", "DivNoNan")),
    _two("DivNoNan", "mild", "holes"),
    *(_one(op) for op in ("Relu", "Relu6", "Square", "Sigmoid", "Abs", "LeakyRelu", "Floor", "Ceil", "Rint")),
    *(_one(op, "mild") for op in ("Exp", "Expm1", "Erf", "Sin", "Cos", "Atan", "Elu", "Selu", "Softplus")),
    *(_one(op, "positive") for op in ("Log", "Log1p", "Sqrt", "Rsqrt", "Reciprocal")),
    *(_batch_norm(f"FusedBatchNorm{version}") for version in ("", "V2", "V3")),
    *(_over_an_axis(op) for op in ("reduce_mean", "reduce_sum", "reduce_max")),
    *(_over_two_axes(op) for op in ("reduce_mean", "reduce_sum")),
    *(_resized(op) for op in ("ResizeBilinear", "ResizeBicubic")),
    *(_pool(op) for op in ("avg_pool2d", "max_pool2d")),
    *(_chain, _chain, _jumping_chain, _tanh, _softmax, _log_softmax, _cumsum, _squares, _instance_norm),
    *(_dilation, _depthwise, _matmul, _matmul, _batched_matmul, _attention, _layer, _layer),
    *(_transposed_convolution, _cell, _joined),
)
