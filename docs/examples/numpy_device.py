"""NumPy as a device: what it computes with half or float32 arrays, whatever the scales of fixed point say.

``stored``, ``added``, ``product_sums`` and ``function`` are methods of their own, so that a device with
another arithmetic overrides one of them.
"""

import contextlib
import time

import numpy as np

from conformance.devices.base import DeviceInfo, SessionBase, Unsupported
from conformance.graph.frozen import output_index, producer
from conformance.graph.retype import attribute

FUNCTIONS = {
    "Exp": np.exp,
    "Log": np.log,
    "Reciprocal": np.reciprocal,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Softplus": lambda x: np.logaddexp(x.dtype.type(0), x),
    "Sqrt": np.sqrt,
    "Tanh": np.tanh,
}
PLAIN = {
    "Add": np.add,
    "AddN": lambda *terms: sum(terms[1:], terms[0]),
    "Identity": np.array,
    "Maximum": np.maximum,
    "Mul": np.multiply,
    "RealDiv": np.divide,
    "Relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "Round": np.rint,
    "Sub": np.subtract,
}


class NumpyDevice:
    """A device that NumPy computes."""

    name = "numpy"

    def info(self):
        """Return what the device is."""
        return DeviceInfo(self.name, "NumPy", simulated=True, framework=f"numpy {np.__version__}")

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        """Return a session; nothing is compiled, and nothing fused."""
        del fuse
        return NumpySession(self, graph, fetches, precision, scales)

    def close(self):
        """Free nothing."""

    def stored(self, values, dtype):
        """Return numbers as the device stores them: NumPy converts them."""
        return np.asarray(values).astype(dtype)

    def added(self, terms):
        """Return sums along the last axis."""
        return np.sum(terms, axis=-1)

    def averaged(self, terms):
        """Return means along the last axis."""
        return np.mean(terms, axis=-1)

    def product_sums(self, inputs, filters, scales, dtype):
        """Return (rows, terms) times (terms, outputs), in floats: NumPy knows no scales."""
        del scales
        return inputs.astype(dtype) @ filters.astype(dtype)

    def function(self, op, x):
        """Return a function of single numbers."""
        return FUNCTIONS[op](x)

    def computed(self, op, operands):
        """Return what an elementwise operator gives, before it is stored."""
        return PLAIN[op](*operands)


class NumpySession(SessionBase):
    """One graph at one precision."""

    def __init__(self, device, graph, fetches, precision, scales):
        self._device, self._graph, self._fetches, self._scales = device, graph, fetches, scales.scales
        self._dtype = np.float16 if precision.float_bits == 16 else np.float32
        self._bits = precision.fixed_bits
        unknown = {graph.nodes[name].op for name in graph.nodes} - {*FUNCTIONS, *PLAIN, *self.of_operator}
        self._unknown = unknown
        self.device_seconds = 0.0
        self.problems = {}

    def run(self, feeds):
        """Return node name -> float32 array; an operator that is not known here is a problem of its fetch."""
        started, results = time.perf_counter(), {}
        self.problems, known = {}, {}
        with np.errstate(all="ignore"):
            for name in self._fetches:
                with self._problem_of(name):
                    results[name] = np.array(self._value(name, feeds, known), np.float32)
        self.device_seconds = time.perf_counter() - started
        return results

    @contextlib.contextmanager
    def _problem_of(self, name):
        try:
            yield
        except Unsupported as error:
            self.problems[name] = error

    def _value(self, tensor, feeds, known):
        name = producer(tensor)
        if output_index(tensor) or self._graph.nodes[name].op in self._unknown:
            raise Unsupported(f"NumPy's device has no {self._graph.nodes[name].op}")
        if name not in known:
            known[name] = self._computed(self._graph.nodes[name], feeds, known)
        return known[name]

    def _computed(self, node, feeds, known):
        if node.op == "Placeholder":
            return self._device.stored(feeds[node.name], self._dtype)
        if node.op == "Const":
            return self._graph.constant(node.name)
        operands = [self._value(tensor, feeds, known) for tensor in node.input]
        if node.op in self.of_operator:
            return self._device.stored(self.of_operator[node.op](self, node, operands), self._dtype)
        if node.op in FUNCTIONS:
            return self._device.stored(self._device.function(node.op, operands[0]), self._dtype)
        return self._device.stored(self._device.computed(node.op, operands), self._dtype)

    def _reduced(self, node, operands):
        x, axes = operands
        summed = sorted(int(axis) % x.ndim for axis in np.atleast_1d(axes))
        kept = [axis for axis in range(x.ndim) if axis not in summed]
        terms = x.transpose(*kept, *summed).reshape(*(x.shape[axis] for axis in kept), -1)
        return self._device.added(terms) if node.op == "Sum" else self._device.averaged(terms)

    def _average_pool(self, node, operands):
        window = tuple(attribute(node, "ksize").list.i)[1:3]
        views = np.lib.stride_tricks.sliding_window_view(operands[0], window, axis=(1, 2))
        return self._device.averaged(views.reshape(*views.shape[:4], -1))

    def _softmax(self, node, operands):
        del node
        x = operands[0]
        powers = self._device.stored(np.exp(x - x.max(axis=-1, keepdims=True)), self._dtype)
        return powers / self._device.stored(self._device.added(powers), self._dtype)[..., None]

    def _of_products(self, node):
        return tuple(self._scales.get(f"{node.name}/{which}", 1.0) for which in ("input", "filter"))

    def _matmul(self, node, operands):
        scales = (*self._of_products(node), self._bits)
        return self._device.product_sums(operands[0], operands[1], scales, self._dtype)

    def _convolution(self, node, operands):
        """Return a convolution without padding whose strides are 1."""
        x, filters = operands
        views = np.lib.stride_tricks.sliding_window_view(x, filters.shape[:2], axis=(1, 2))
        rows = views.transpose(0, 1, 2, 4, 5, 3)
        terms = rows.reshape(-1, filters[..., 0].size)
        scales = (*self._of_products(node), self._bits)
        sums = self._device.product_sums(terms, filters.reshape(len(terms[0]), -1), scales, self._dtype)
        return sums.reshape(*rows.shape[:3], -1)

    def _depthwise(self, node, operands):
        """Return a depthwise convolution by one number per channel."""
        del node
        return operands[0] * operands[1][0, 0, :, 0].astype(self._dtype)

    def _batch_norm(self, node, operands):
        x, scale, offset, mean, variance = (value.astype(self._dtype) for value in operands)
        epsilon = self._dtype(attribute(node, "epsilon").f)
        return (x - mean) * (scale / np.sqrt(variance + epsilon)) + offset

    def _nearest(self, node, operands):
        del node
        x, size = operands
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, x.shape[1:3], strict=True))
        return x[:, rows][:, :, columns]

    def _top(self, node, operands):
        del node
        return np.sort(operands[0])[..., : -int(operands[1]) - 1 : -1]

    def _source(self, node, operands):
        raise NotImplementedError(node, operands)  # a source has no operands and is read elsewhere

    of_operator = {  # noqa: RUF012 - read only
        "AvgPool": _average_pool,
        "Const": _source,
        "Conv2D": _convolution,
        "DepthwiseConv2dNative": _depthwise,
        "FusedBatchNorm": _batch_norm,
        "MatMul": _matmul,
        "Mean": _reduced,
        "Placeholder": _source,
        "ResizeNearestNeighbor": _nearest,
        "Softmax": _softmax,
        "Sum": _reduced,
        "TopKV2": _top,
    }
    """What computes each operator that is not elementwise."""
