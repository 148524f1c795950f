"""Many small networks in one graph, of one to three operators each, with numbers of all sizes."""

import numpy as np
from support.emulation import frozen, placeholder


def small_graphs(seed, count):
    """Return a graph of ``count`` networks, an output each, and its feeds; 1 to 200 elements a tensor."""
    random = np.random.default_rng(seed)
    feeds, outputs = {}, []

    def build(tf):
        for index in range(count):
            kind = KINDS[int(random.integers(len(KINDS)))]
            name = f"out_{index}"
            kind(tf, random, lambda *shape, at=index: fed(tf, at, shape), name)
            outputs.append(name)

    def fed(tf, index, shape):
        name = f"x_{index}_{sum(key.startswith(f'x_{index}_') for key in feeds)}"
        feeds[name] = numbers(random, shape)
        return placeholder(tf, name, shape)

    return frozen(build, *[f"out_{index}" for index in range(count)]), feeds


def numbers(random, shape):
    """Return float32 numbers of one of several distributions; some lie on ties."""
    scale = 10.0 ** random.uniform(-3, 1)
    drawn = [
        lambda: random.normal(0, scale, shape),
        lambda: random.uniform(0, scale, shape),
        lambda: np.round(random.normal(0, 8, shape)) / 4,
        lambda: np.abs(random.normal(0, scale, shape)) + 0.01,
    ]
    values = drawn[int(random.integers(len(drawn)))]().astype(np.float32)
    return values if values.any() else values + np.float32(0.5)


def _size(random, most=200):
    return int(random.integers(1, most + 1))


def _two(op):
    def make(tf, random, fed, name):
        size = _size(random)
        getattr(tf.raw_ops, op)(x=fed(size), y=fed(size), name=name)

    return make


def _one(op):
    def make(tf, random, fed, name):
        getattr(tf.raw_ops, op)(**{"features" if op == "Relu" else "x": fed(_size(random))}, name=name)

    return make


def _tanh(tf, random, fed, name):
    tf.tanh(fed(_size(random)) + np.float32(random.normal()), name=name)


def _softmax(tf, random, fed, name):
    tf.nn.softmax(fed(int(random.integers(1, 5)), int(random.integers(2, 40))), name=name)


def _mean(tf, random, fed, name):
    tf.reduce_mean(fed(int(random.integers(1, 8)), int(random.integers(1, 25))), axis=1, name=name)


def _normed(tf, random, fed, name):
    x = fed(2, int(random.integers(2, 60)))
    mean = tf.reduce_mean(x, axis=1, keepdims=True)
    tf.multiply(tf.math.squared_difference(x, mean), np.float32(random.uniform(0.1, 3)), name=name)


def _matmul(tf, random, fed, name):
    inner, outer = int(random.integers(1, 50)), int(random.integers(1, 9))
    filters = random.normal(0, 1, (inner, outer)).astype(np.float32)
    tf.linalg.matmul(fed(int(random.integers(1, 9)), inner), filters, name=name)


def _layer(tf, random, fed, name):
    channels, outer = int(random.integers(1, 5)), int(random.integers(1, 6))
    filters = random.normal(0, 1, (2, 2, channels, outer)).astype(np.float32)
    conv = tf.nn.conv2d(fed(1, 4, 4, channels), filters, 1, "SAME")
    tf.nn.relu(tf.nn.bias_add(conv, random.normal(0, 1, outer).astype(np.float32)), name=name)


def _cell(tf, random, fed, name):
    size = _size(random)
    tf.multiply(tf.sigmoid(fed(size)), tf.tanh(fed(size)), name=name)


KINDS = (
    *(_two(op) for op in ("AddV2", "Sub", "Mul", "SquaredDifference", "Maximum")),
    *(_one(op) for op in ("Relu", "Square", "Sigmoid")),
    _tanh,
    _softmax,
    _mean,
    _normed,
    _matmul,
    _layer,
    _cell,
)
