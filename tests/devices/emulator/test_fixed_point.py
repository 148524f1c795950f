"""Convolutions and matmuls in fixed point are exact: equal to int64 arithmetic, worst cases included."""

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from support.emulation import emulated, frozen, half_away, placeholder, plain_scales, rewritten, same_bits

from conformance.devices.base import Unsupported
from conformance.devices.emulator import fixed_point, integer_kernels
from conformance.errors import UsageError
from conformance.numerics.fixed_point import quantize
from conformance.quantization.parameter_file import QuantizationScales

# Powers of two: integers over them are exact in float32, and are quantised back to themselves.
INPUT_SCALE, FILTER_SCALE = 16.0, 64.0
LOWEST = {8: -128, 16: -32768}


def stored(integers, divisor, float_bits):
    """Divide an int64 sum in float64 and round once to the float type of the precision (profile mlu270)."""
    assert integers.dtype == np.int64
    real = integers.astype(np.float64) / divisor
    if float_bits == 32:
        return real.astype(np.float32)
    return half_away(real)


def same_pads(sizes, taps, strides):
    """Return TensorFlow's SAME padding of each axis, the odd one after."""
    pads = []
    for size, tap, stride in zip(sizes, taps, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + tap - size, 0)
        pads.append((total // 2, total - total // 2))
    return pads


def windows(x, taps, strides, padding):
    """Return the windows that each output sees: batch, outputs…, channels, taps…"""
    axes = tuple(range(1, 1 + len(taps)))
    pads = same_pads(x.shape[1:-1], taps, strides) if padding == "SAME" else [(0, 0)] * len(taps)
    seen = sliding_window_view(np.pad(x, [(0, 0), *pads, (0, 0)]), taps, axis=axes)
    return seen[(slice(None), *(slice(None, None, stride) for stride in strides))]


def conv2d(x, w, strides, padding):
    return np.einsum("nhwcij,ijco->nhwo", windows(x, w.shape[:2], strides, padding), w)


def depthwise(x, w, strides, padding):
    sums = np.einsum("nhwcij,ijcm->nhwcm", windows(x, w.shape[:2], strides, padding), w)
    return sums.reshape(*sums.shape[:3], -1)


def conv3d(x, w, strides, padding):
    return np.einsum("ndhwcijk,ijkco->ndhwo", windows(x, w.shape[:3], strides, padding), w)


def transposed(y, w, strides, padding, image):
    """Scatter every value of ``y`` through the filter (height, width, out, in) onto the image."""
    pads = same_pads(image, w.shape[:2], strides) if padding == "SAME" else [(0, 0)] * 2
    out = np.zeros(
        (y.shape[0], *(size + sum(pad) for size, pad in zip(image, pads, strict=True)), w.shape[2]), np.int64
    )
    for row, column in np.ndindex(y.shape[1:3]):
        for i, j in np.ndindex(w.shape[:2]):
            out[:, row * strides[0] + i, column * strides[1] + j] += y[:, row, column] @ w[i, j].T
    return out[:, pads[0][0] : pads[0][0] + image[0], pads[1][0] : pads[1][0] + image[1]]


def integers(shape, bits, seed=0, share=1.0):
    """Return random integers of ``bits`` bits, up to ``share`` of the range."""
    low = int(LOWEST[bits] * share)
    return np.random.default_rng(seed).integers(low, -low, shape, dtype=np.int64)


def reals(x, scale):
    real = (x / scale).astype(np.float32)
    assert np.array_equal(real.astype(np.float64) * scale, x)
    return real


def convolution(x, w, strides=(1, 1), padding="SAME", op="conv2d"):
    """Return the graph of a convolution of an input like ``x`` with the real filter of integers ``w``."""

    def build(tf):
        data, filters = placeholder(tf, shape=x.shape), reals(w, FILTER_SCALE)
        if op == "conv2d":
            tf.nn.conv2d(data, filters, strides, padding, name="o")
        elif op == "depthwise":
            tf.raw_ops.DepthwiseConv2dNative(
                input=data, filter=filters, strides=[1, *strides, 1], padding=padding, name="o"
            )
        else:
            tf.raw_ops.Conv3D(input=data, filter=filters, strides=[1, *strides, 1], padding=padding, name="o")

    return frozen(build, "o")


def matmul(x, w, *, transpose_b=False):
    def build(tf):
        data = placeholder(tf, shape=x.shape)
        tf.linalg.matmul(
            data, reals(w.T if transpose_b else w, FILTER_SCALE), transpose_b=transpose_b, name="o"
        )

    return frozen(build, "o")


def power_scales(graph, bits):
    return plain_scales(graph, bits, input=INPUT_SCALE, filter=FILTER_SCALE)


def assert_exact(graph, x, expected, bits, float_bits=(16, 32)):
    """Demand the bits of int64 arithmetic at every float type."""
    for width in float_bits:
        feeds = {"x": reals(x, INPUT_SCALE)}
        found = emulated(graph, feeds, f"int{bits}-fp{width}", scales=power_scales(graph, bits))
        assert same_bits(found, stored(expected, INPUT_SCALE * FILTER_SCALE, width))


def path(graph, bits):
    """Return how sums are computed: the dtype of the kernels, and how many groups of channels there are."""
    nodes = rewritten(graph, f"int{bits}-fp32", scales=power_scales(graph, bits)).graph.nodes
    kernels = [
        node for name, node in nodes.items() if name.startswith("o/sum_") and not name.endswith("/wide")
    ]
    assert len({node.attr["T"].type for node in kernels}) == 1
    assert ("o/input/split" in nodes) == (len(kernels) > 1)
    return {1: "float32", 2: "float64"}[kernels[0].attr["T"].type], len(kernels)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize(
    ("image", "taps", "strides"),
    [((7, 5), (3, 3), (1, 1)), ((9, 8), (3, 2), (2, 2)), ((8, 11), (1, 1), (3, 2)), ((6, 7), (5, 4), (2, 3))],
)
def test_conv2d_of_random_integers(bits, padding, image, taps, strides):
    x, w = integers((2, *image, 5), bits, 1), integers((*taps, 5, 3), bits, 2)
    assert_exact(convolution(x, w, strides, padding), x, conv2d(x, w, strides, padding), bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("sign", [1, -1])
def test_conv2d_of_the_worst_case(bits, sign):
    """All inputs and filters at the end of the range: every partial sum is as large as it can be."""
    x = np.full((1, 3, 3, 40), LOWEST[bits], np.int64)
    w = np.full((3, 3, 40, 2), LOWEST[bits] if sign > 0 else -LOWEST[bits] - 1, np.int64)
    w[..., 1] *= np.resize([1, -1], (3, 3, 40)) if sign < 0 else 1  # and one that cancels to nothing
    assert_exact(convolution(x, w), x, conv2d(x, w, (1, 1), "SAME"), bits)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [(1024, ("float32", 1)), (1025, ("float32", 2)), (8192, ("float32", 8)), (8193, ("float64", 1))],
)
def test_paths_at_their_limits_and_the_worst_case_on_each(terms, expected):
    """128·128·1024 is 2^24: the last sum that float32 surely holds; eight groups are the most."""
    x, w = np.full((1, terms), -128, np.int64), np.full((terms, 1), -128, np.int64)
    graph = matmul(x, w)
    assert path(graph, 8) == expected
    assert_exact(graph, x, x @ w, 8, [32])
    odd = x.copy()
    odd[0, ::3] = 127  # a sum that is no multiple of a large power of two
    assert_exact(graph, odd, odd @ w, 8, [32])


@pytest.mark.parametrize(
    ("channels", "bits", "share", "expected"),
    [
        (5, 8, 1.0, ("float32", 1)),
        (300, 8, 1.0, ("float32", 2)),
        (12, 16, 0.0008, ("float32", 6)),
        (5, 16, 1.0, ("float64", 1)),
    ],
)
def test_conv2d_paths(channels, bits, share, expected):
    x = integers((1, 4, 3, channels), bits, 3)
    w = integers((3, 3, channels, 4), bits, 4, share)
    x[0, 1:3], w[:, :, ::2, 1] = LOWEST[bits], int(LOWEST[bits] * share)
    graph = convolution(x, w)
    assert path(graph, bits) == expected
    assert_exact(graph, x, conv2d(x, w, (1, 1), "SAME"), bits, [32])


def test_the_splitting_follows_the_filter_at_hand():
    """Small filters need no splitting, however many channels there are; a large one gets its own group."""
    x, small = integers((1, 2, 2, 2000), 8), np.ones((1, 1, 2000, 2), np.int64)
    assert path(convolution(x, small), 8) == ("float32", 1)
    uneven = np.ones((3, 3, 4, 1), np.int64)
    uneven[:, :, 2] = 55
    assert path(convolution(integers((1, 3, 3, 4), 16), uneven), 16) == ("float32", 2)
    uneven[:, :, 2] = 57
    assert path(convolution(integers((1, 3, 3, 4), 16), uneven), 16) == ("float64", 1)


def test_float32_alone_would_be_wrong_where_the_emulator_splits(monkeypatch):
    """The test of the tests: with the limit lifted, the worst case is not exact."""
    x, w = np.full((1, 4097), 127, np.int64), np.full((4097, 1), 127, np.int64)
    graph = matmul(x, w)
    monkeypatch.setattr(fixed_point, "FLOAT32_EXACT", 2**40)
    monkeypatch.setattr(integer_kernels, "exact", lambda: False)
    with pytest.raises(AssertionError):
        assert_exact(graph, x, x @ w, 8, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [4, 128])
def test_grouped_convolutions(bits, channels):
    """A filter with fewer channels than the input: the groups that need splitting are not cut through."""
    x, w = integers((1, 4, 4, 2 * channels), bits), integers((3, 3, channels, 6), bits, 5)
    w[..., 0] = LOWEST[bits]
    halves_of_it = [
        conv2d(x[..., :channels], w[..., :3], (1, 1), "SAME"),
        conv2d(x[..., channels:], w[..., 3:], (1, 1), "SAME"),
    ]
    assert_exact(convolution(x, w), x, np.concatenate(halves_of_it, -1), bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("padding", "strides"), [("SAME", (1, 1)), ("VALID", (1, 1)), ("SAME", (2, 2))])
def test_depthwise(bits, padding, strides):
    x, w = integers((2, 7, 6, 4), bits, 6), integers((3, 3, 4, 2), bits, 7)
    x[0], w[..., 0] = LOWEST[bits], LOWEST[bits]
    graph = convolution(x, w, strides, padding, "depthwise")
    assert_exact(graph, x, depthwise(x, w, strides, padding), bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("padding", "strides"), [("SAME", (1, 2, 2)), ("VALID", (1, 1, 1))])
def test_conv3d(bits, padding, strides):
    x, w = integers((1, 4, 5, 6, 3), bits, 8), integers((2, 3, 3, 3, 2), bits, 9)
    x[0, 1:3], w[..., 0] = LOWEST[bits], LOWEST[bits]
    assert_exact(convolution(x, w, strides, padding, "conv3d"), x, conv3d(x, w, strides, padding), bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(("padding", "strides"), [("SAME", (1, 1)), ("SAME", (2, 2)), ("VALID", (2, 1))])
def test_conv2d_backprop_input(bits, padding, strides):
    image = (7, 5)
    low = [0, 0] if padding == "SAME" else [2, 2]
    small = [-(-(size - less) // stride) for size, less, stride in zip(image, low, strides, strict=True)]
    y, w = integers((2, *small, 4), bits, 10), integers((3, 3, 3, 4), bits, 11)
    y[0], w[:, :, 0] = LOWEST[bits], LOWEST[bits]

    def build(tf):
        tf.raw_ops.Conv2DBackpropInput(
            input_sizes=np.array([2, *image, 3], np.int32),
            filter=reals(w, FILTER_SCALE),
            out_backprop=placeholder(tf, shape=y.shape),
            strides=[1, *strides, 1],
            padding=padding,
            name="o",
        )

    assert_exact(frozen(build, "o"), y, transposed(y, w, strides, padding, image), bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("terms", [7, 700])
def test_matmul(bits, transpose_b, terms):
    x, w = integers((3, terms), bits, 12), integers((terms, 5), bits, 13)
    x[1], w[:, 2] = LOWEST[bits], LOWEST[bits]
    assert_exact(matmul(x, w, transpose_b=transpose_b), x, x @ w, bits)


@pytest.mark.parametrize("bits", [8, 16])
def test_matmul_with_a_transposed_input(bits):
    x, w = integers((1500, 2), bits, 14), np.full((1500, 3), LOWEST[bits], np.int64)

    def build(tf):
        tf.linalg.matmul(placeholder(tf, shape=x.shape), reals(w, FILTER_SCALE), transpose_a=True, name="o")

    assert_exact(frozen(build, "o"), x, x.T @ w, bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("constant", [True, False])
def test_batch_matmul(bits, constant):
    x, w = integers((2, 3, 40), bits, 15), integers((2, 40, 4), bits, 16)
    x[0, 1], w[1, :, 0] = LOWEST[bits], LOWEST[bits]

    def build(tf):
        second = reals(w, FILTER_SCALE) if constant else placeholder(tf, "w", w.shape)
        tf.raw_ops.BatchMatMulV2(x=placeholder(tf, shape=x.shape), y=second, name="o")

    graph = frozen(build, "o")
    feeds = {"x": reals(x, INPUT_SCALE)} | ({} if constant else {"w": reals(w, FILTER_SCALE)})
    found = emulated(graph, feeds, f"int{bits}-fp32", scales=power_scales(graph, bits))
    assert same_bits(found, stored(x @ w, INPUT_SCALE * FILTER_SCALE, 32))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("shape", [(2, 6, 17), (3, 1, 6, 17), (2, 3, 4, 17)])
def test_batch_matmul_of_many_matrices_with_one(bits, shape):
    """TensorFlow's float32 kernel gives other numbers for the second shape."""
    x, w = integers(shape, bits, 18), integers((17, 5), bits, 19)

    def build(tf):
        tf.raw_ops.BatchMatMulV2(x=placeholder(tf, shape=x.shape), y=reals(w, FILTER_SCALE), name="o")

    assert_exact(frozen(build, "o"), x, x @ w, bits, [32])


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("request_", ["mlu270", "ideal"])
def test_any_scales_quantise_as_numerics_does_and_divide_once(bits, request_):
    random = np.random.default_rng(17)
    x = random.standard_normal((2, 6, 5, 4)).astype(np.float32)
    w = (random.standard_normal((3, 3, 4, 3)) / 7).astype(np.float32)
    graph = frozen(lambda tf: tf.nn.conv2d(placeholder(tf, shape=x.shape), w, 1, "SAME", name="o"), "o")
    scales = plain_scales(graph, bits, input=37.2917 * 2 ** (bits - 8), filter=231.505 * 2 ** (bits - 8))
    factors = [float(np.float32(scales.scales[f"o/{which}"])) for which in ("input", "filter")]
    sums = conv2d(quantize(x, factors[0], bits), quantize(w, factors[1], bits), (1, 1), "SAME")
    found = emulated(graph, {"x": x}, f"int{bits}-fp32", request=request_, scales=scales)
    assert same_bits(found, (sums / (factors[0] * factors[1])).astype(np.float32))


def test_sums_that_even_float64_may_lose_are_refused(monkeypatch):
    graph = matmul(integers((1, 8), 16), integers((8, 1), 16))
    monkeypatch.setattr(fixed_point, "FLOAT64_EXACT", 2**20)
    with pytest.raises(Unsupported, match=r"sums of 'o' could leave ±2\^53"):
        rewritten(graph, "int16-fp32", scales=power_scales(graph, 16))


def test_a_missing_scale_is_named():
    graph = matmul(integers((1, 8), 8), integers((8, 1), 8))
    scales = QuantizationScales(bits=8, scales={"o/input": 1.0})
    with pytest.raises(UsageError, match="quantisation scales have none for 'o/filter'"):
        rewritten(graph, "int8-fp32", scales=scales)


def test_scales_of_the_other_width_are_refused():
    graph = matmul(integers((1, 8), 8), integers((8, 1), 8))
    with pytest.raises(UsageError, match="scales are for 16 bits, but the precision is int8-fp32"):
        rewritten(graph, "int8-fp32", scales=power_scales(graph, 16))
