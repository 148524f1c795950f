"""Partial sums of convolutions and matmuls in half and in float32, tap by tap and block by block."""

import numpy as np
import pytest
from support.emulation import (
    emulated,
    frozen,
    half_away,
    naive_scales,
    placeholder,
    plain_scales,
    run,
    same_bits,
)

from conformance.numerics.fixed_point import quantize


def tap_by_tap(x, w, strides, padding, divisor, bits, float_bits):
    """Convolve int64 tensors tap by tap; the running total is rounded to ``bits`` after each tap."""

    def kept(values, width):
        return half_away(values) if width == 16 else values.astype(np.float32)

    pads = [(0, 0), (0, 0)]
    out = [
        -(-(size - (tap - 1)) // stride)
        for size, tap, stride in zip(x.shape[1:3], w.shape, strides, strict=False)
    ]
    if padding == "SAME":
        out = [-(-size // stride) for size, stride in zip(x.shape[1:3], strides, strict=True)]
        total = [
            max((new - 1) * stride + tap - old, 0)
            for new, stride, tap, old in zip(out, strides, w.shape, x.shape[1:3], strict=False)
        ]
        pads = [(pad // 2, pad - pad // 2) for pad in total]
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    running = None
    for i, j in np.ndindex(w.shape[:2]):
        seen = x[:, i :: strides[0], j :: strides[1]][:, : out[0], : out[1]]
        part = kept((seen @ w[i, j]).astype(np.float64) / divisor, bits)
        running = part if running is None else kept(running + part, bits)
    return kept(running, float_bits)


@pytest.mark.parametrize(("sums", "float_bits"), [("fp16", 16), ("fp32", 16), ("fp32", 32)])
@pytest.mark.parametrize(
    ("bits", "strides", "padding", "taps"),
    [
        (16, (1, 1), "SAME", (3, 3)),
        (8, (2, 2), "SAME", (3, 3)),
        (8, (2, 1), "VALID", (3, 2)),
        (8, (1, 1), "SAME", (1, 1)),
    ],
)
def test_convolution_sums_of_taps(bits, sums, float_bits, strides, padding, taps):
    random = np.random.default_rng(6)
    x = random.standard_normal((2, 6, 7, 5)).astype(np.float32)
    w = random.standard_normal((*taps, 5, 4)).astype(np.float32)

    def build(tf):
        tf.nn.conv2d(placeholder(tf, shape=x.shape), w, strides, padding, name="o")

    graph = frozen(build, "o")
    scales = naive_scales(graph, {"x": x}, bits)
    factors = [float(np.float32(scales.scales[f"o/{which}"])) for which in ("input", "filter")]
    stored = half_away(x) if float_bits == 16 else x
    integers = [quantize(value, factor, bits) for value, factor in zip((stored, w), factors, strict=True)]
    wanted = tap_by_tap(*integers, strides, padding, factors[0] * factors[1], int(sums[2:]), float_bits)
    precision, request = f"int{bits}-fp{float_bits}", f"mlu270,convolution_sums={sums}"
    found, notes = run(graph, {"x": x}, precision, request=request, scales=scales)
    assert same_bits(found["o"], wanted)
    assert not notes
    exact = emulated(graph, {"x": x}, precision, scales=scales)
    if taps != (1, 1):
        assert (found["o"] != exact).any() or (sums, float_bits) == ("fp32", 16)
    assert np.allclose(found["o"], exact, atol=0.05)


@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize(("sums", "float_bits"), [("fp16", 16), ("fp32", 32)])
def test_convolution_sums_of_matmul_blocks(sums, float_bits, transpose_b):
    """A matmul rounds after every 64 terms; the last block may be shorter."""
    random = np.random.default_rng(7)
    x, w = (
        random.standard_normal((3, 150)).astype(np.float32),
        random.standard_normal((150, 4)).astype(np.float32),
    )

    def build(tf):
        tf.linalg.matmul(
            placeholder(tf, shape=x.shape), w.T if transpose_b else w, transpose_b=transpose_b, name="o"
        )

    graph = frozen(build, "o")
    scales = plain_scales(graph, 8, input=30.0, filter=41.0)
    q, p = quantize(half_away(x) if float_bits == 16 else x, 30.0, 8), quantize(w, 41.0, 8)
    taps = np.zeros((1, 3, 64, 4), np.int64)  # the same sums as a convolution of one row with three taps
    for block in range(3):
        rows = p[64 * block : 64 * (block + 1)]
        taps[0, block, : len(rows)] = rows
    image = np.zeros((3, 1, 3, 64), np.int64)
    for block in range(3):
        columns = q[:, 64 * block : 64 * (block + 1)]
        image[:, 0, block, : columns.shape[1]] = columns
    wanted = tap_by_tap(image, taps, (1, 1), "VALID", 30.0 * 41.0, int(sums[2:]), float_bits)[:, 0, 0]
    found = emulated(
        graph, {"x": x}, f"int8-fp{float_bits}", request=f"mlu270,convolution_sums={sums}", scales=scales
    )
    assert same_bits(found, wanted)


def test_convolution_sums_in_half_do_not_arise_at_fp32():
    x = np.random.default_rng(8).standard_normal((2, 70)).astype(np.float32)
    graph = frozen(lambda tf: tf.linalg.matmul(placeholder(tf, shape=x.shape), x.T @ x, name="o"), "o")
    exact, half = (
        emulated(graph, {"x": x}, "int16-fp32", request=f"mlu270,convolution_sums={sums}")
        for sums in ("exact", "fp16")
    )
    assert same_bits(exact, half)


@pytest.mark.parametrize("sums", ["fp16", "fp32"])
def test_convolution_sums_that_are_not_modelled_are_exact_and_reported(sums):
    x = np.random.default_rng(9).standard_normal((1, 6, 6, 4)).astype(np.float32)

    def build(tf):
        data = placeholder(tf, shape=x.shape)
        tf.nn.depthwise_conv2d(
            data, np.ones((3, 3, 4, 1), np.float32), [1, 1, 1, 1], "SAME", name="depthwise"
        )
        tf.nn.conv2d(data, x.reshape(3, 3, 4, 4), 1, "SAME", dilations=2, name="dilated")
        tf.linalg.matmul(data, data, transpose_b=True, name="o")

    graph = frozen(build, "depthwise", "dilated", "o")
    found, notes = run(graph, {"x": x}, request=f"mlu270,convolution_sums={sums}")
    exact, none = run(graph, {"x": x})
    assert sorted(notes) == sorted(f"numerics not modelled, run in float: {name}" for name in graph.outputs)
    assert not none
    assert all(same_bits(found[name], exact[name]) for name in graph.outputs)
