"""Metrics against decimal arithmetic of 120 digits, and against the traps that single metrics fall into."""

import decimal
import json
import math
import os
import signal
import subprocess
import sys
from decimal import Decimal

import hypothesis.extra.numpy as hnp
import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from conformance.numerics import difference
from conformance.numerics.metrics import Metrics, NonFinite, compare, compare_all, nonfinite_counts, worst

DIGITS = decimal.Context(prec=120, Emin=-100_000, Emax=100_000)
SHAPES = hnp.array_shapes(max_dims=4, max_side=5)
FLOATS = st.floats(-1e3, 1e3, width=32)
ORDINARY = st.floats(2.0**-10, 2.0**10, width=32).flatmap(lambda x: st.sampled_from([x, -x]))


def pairs(elements=FLOATS, dtype=np.float32):
    return SHAPES.flatmap(
        lambda shape: st.tuples(*[hnp.arrays(dtype, shape, elements=elements) for _ in range(2)])
    )


def exact(golden, result):
    """Return cosine distance (None if undefined), MSE, largest error and channel MSEs, in 120 digits."""
    with decimal.localcontext(DIGITS):
        a = [Decimal(float(value)) for value in golden.reshape(-1)]
        b = [Decimal(float(value)) for value in result.reshape(-1)]
        squares = [(y - x) ** 2 for x, y in zip(a, b, strict=True)]
        aa, bb, ab = (sum(x * y for x, y in zip(p, q, strict=True)) for p, q in ((a, a), (b, b), (a, b)))
        distance = None if aa == 0 or bb == 0 else float(1 - ab / (aa.sqrt() * bb.sqrt()))
        channels = golden.shape[-1] if golden.ndim > 1 else 1
        means = [float(sum(squares[c::channels]) / len(squares[c::channels])) for c in range(channels)]
        return distance, float(sum(squares) / len(squares)), float(max(squares).sqrt()), means


def check_against_exact(golden, result):
    metrics = compare(golden, result)
    distance, mse, max_abs, channels = exact(golden, result)
    if distance is None:
        assert metrics.cosine_distance is None
        assert metrics.cosine is None
    else:
        assert metrics.cosine_distance == pytest.approx(distance, rel=1e-6, abs=1e-28)
    assert metrics.mse == pytest.approx(mse, rel=1e-12, abs=0)
    assert metrics.max_abs == pytest.approx(max_abs, rel=1e-15, abs=0)
    assert metrics.worst_channel_mse == pytest.approx(max(channels), rel=1e-12, abs=0)
    assert channels[metrics.worst_channel] == pytest.approx(max(channels), rel=1e-12, abs=0)
    error = abs(float(golden[tuple(metrics.worst_index)]) - float(result[tuple(metrics.worst_index)]))
    assert error == metrics.max_abs
    return metrics


def image(seed=0, shape=(8, 8, 16), mean=0.0, dtype=np.float32):
    return (np.random.default_rng(seed).standard_normal(shape) + mean).astype(dtype)


# --- against exact arithmetic ---------------------------------------------------------------------


@given(pairs())
def test_any_pair(pair):
    check_against_exact(*pair)


@given(pairs(ORDINARY), st.floats(1e-12, 1e3), st.floats(0, 1e-3))
def test_nearly_parallel_pairs(pair, scale, noise):
    golden, other = pair
    result = (golden.astype(np.float64) * scale * (1 + noise * other)).astype(np.float64)
    check_against_exact(golden, result)


@pytest.mark.parametrize(
    ("noise", "mean"), [(1e-2, 0), (1e-4, 0), (1e-6, 0), (1e-7, 0), (1e-2, 50), (1e-4, 50), (1e-5, 50)]
)
def test_tiny_cosine_distances_are_accurate(noise, mean):
    golden = image(mean=mean)
    result = golden + np.float32(noise) * image(1)
    assert (result != golden).any()
    metrics = check_against_exact(golden, result)
    assert 0 < metrics.cosine_distance < 1e-3


@pytest.mark.parametrize("noise", [1e-8, 1e-12, 1e-15])
def test_tiny_cosine_distances_of_doubles_are_accurate(noise):
    golden = image(dtype=np.float64)
    metrics = check_against_exact(golden, golden * (1 + noise * image(1, dtype=np.float64)))
    assert 0 < metrics.cosine_distance < 1e-15


def test_a_naive_cosine_would_not_have_seen_it():
    golden = image()
    result = golden + np.float32(1e-6) * image(1)
    a, b = golden.astype(np.float64).reshape(-1), result.astype(np.float64).reshape(-1)
    naive = 1 - a @ b / (np.linalg.norm(a) * np.linalg.norm(b))
    precise = compare(golden, result).cosine_distance
    assert precise == pytest.approx(exact(golden, result)[0], rel=1e-8)
    assert abs(naive - precise) > 1e-5 * precise


@pytest.mark.parametrize("scale", [1e-30, 1e-8, 1e-3, 0.5, 0.999, 3.0, 1e8, 1e30])
@pytest.mark.parametrize("sign", [1, -1])
def test_results_of_another_size(scale, sign):
    golden = image(dtype=np.float64)
    check_against_exact(golden, sign * scale * (golden + 1e-3 * image(1, dtype=np.float64)))


@pytest.mark.parametrize("exponent", [-300, -160, 150, 300])
def test_doubles_whose_squares_leave_the_range(exponent):
    golden = image(shape=(3, 4), dtype=np.float64) * 10.0**exponent
    result = golden * (1 + 1e-3 * image(1, shape=(3, 4), dtype=np.float64))
    metrics = compare(golden, result)
    distance, mse, max_abs, _ = exact(golden, result)
    assert metrics.cosine_distance == pytest.approx(distance, rel=1e-6)
    assert metrics.max_abs == pytest.approx(max_abs, rel=1e-15, abs=0)
    assert metrics.mse == min(mse, sys.float_info.max) or metrics.mse == pytest.approx(mse, rel=1e-6)


def test_sums_whose_product_underflows():
    metrics = compare(np.array([[1e-50, 0]]), np.array([[1e-50, 1e-110]]))
    assert metrics.cosine_distance == pytest.approx(5e-121, rel=1e-6, abs=0)


def test_every_number_is_finite_and_survives_json():
    golden = np.full((2, 2), 1.7e308)
    metrics = compare(golden, -golden)
    assert metrics.cosine_distance == pytest.approx(2)
    assert metrics.max_abs == metrics.mse == metrics.worst_channel_mse == sys.float_info.max
    assert msgspec.json.decode(msgspec.json.encode(metrics), type=Metrics) == metrics


def test_float32_extremes():
    largest, least = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    check_against_exact(np.full((2, 3), largest, np.float32), np.full((2, 3), -largest, np.float32))
    check_against_exact(np.array([[least, 0]], np.float32), np.array([[0, least]], np.float32))


@pytest.mark.parametrize("golden_dtype", [np.float32, np.float64])
@pytest.mark.parametrize("result_dtype", [np.float32, np.float64])
def test_either_float_type(golden_dtype, result_dtype):
    check_against_exact(image(dtype=golden_dtype), image(1, dtype=result_dtype))


# --- traps -----------------------------------------------------------------------------------------


def test_twice_the_golden_has_cosine_one_but_not_mse_zero():
    golden = image()
    metrics = compare(golden, golden * 2)
    assert metrics.cosine == pytest.approx(1, abs=1e-15)
    assert metrics.mse == pytest.approx(float(np.mean(golden.astype(np.float64) ** 2)))


def test_a_zero_golden_or_result_has_no_cosine():
    zeros, ones = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    for golden, result in ((zeros, ones), (ones, zeros), (zeros, zeros), (zeros, -zeros)):
        assert compare(golden, result).cosine_distance is None
    assert compare(zeros, ones).mse == 1
    assert compare(zeros, -zeros).mse == 0


def test_one_dead_channel_of_256_shows_in_the_worst_channel():
    golden = image(shape=(16, 16, 256))
    result = golden.copy()
    result[..., 77] = 0
    metrics = compare(golden, result)
    assert metrics.cosine > 0.995
    assert metrics.worst_channel == 77
    assert metrics.worst_channel_mse == pytest.approx(256 * metrics.mse)


def test_all_signal_lost_on_a_tensor_of_mean_50():
    golden = image(mean=50)
    metrics = compare(golden, np.full_like(golden, golden.mean()))
    assert metrics.cosine > 0.999
    assert metrics.mse == pytest.approx(float(golden.var()), rel=1e-3)
    assert metrics.max_abs > 2


def test_two_scalars_of_one_sign_are_parallel_yet_apart():
    metrics = compare(np.float32(3), np.float32(4))
    assert metrics == Metrics(0.0, 1.0, 1.0, 1.0, 0, [])
    assert compare(np.float32(3), np.float32(-4)).cosine_distance == 2


def test_rank_one_is_one_channel_and_the_last_axis_is_the_channel():
    golden = np.zeros(6, np.float32)
    result = np.array([0, 0, 0, 0, 0, 6], np.float32)
    assert compare(golden, result).worst_channel_mse == 6
    metrics = compare(golden.reshape(2, 3), result.reshape(2, 3))
    assert (metrics.worst_channel_mse, metrics.worst_channel, metrics.worst_index) == (18, 2, [1, 2])
    metrics = compare(golden.reshape(1, 3, 2), result.reshape(1, 3, 2))
    assert (metrics.worst_channel_mse, metrics.worst_channel, metrics.worst_index) == (12, 1, [0, 2, 1])


# --- laws ------------------------------------------------------------------------------------------


@given(hnp.arrays(np.float32, SHAPES, elements=FLOATS))
def test_equal_tensors_are_at_distance_zero(golden):
    metrics = compare(golden, golden.copy())
    assert (metrics.mse, metrics.max_abs, metrics.worst_channel_mse) == (0, 0, 0)
    assert metrics.cosine_distance == (0 if golden.any() else None)
    assert metrics.psnr(2) == math.inf


@given(pairs())
def test_golden_and_result_may_change_places(pair):
    one, other = compare(*pair), compare(*pair[::-1])
    assert (one.mse, one.max_abs, one.worst_index) == (other.mse, other.max_abs, other.worst_index)
    if one.cosine_distance is None:
        assert other.cosine_distance is None
    else:
        assert one.cosine_distance == pytest.approx(other.cosine_distance, rel=1e-6, abs=1e-28)


@given(pairs(), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_does_not_matter(pair, random):
    golden, result = (tensor.reshape(-1, tensor.shape[-1]) for tensor in pair)
    order = random.sample(range(len(golden)), len(golden))
    one, other = compare(golden, result), compare(golden[order], result[order])
    assert other.max_abs == one.max_abs
    assert other.mse == pytest.approx(one.mse, rel=1e-12)
    assert other.worst_channel_mse == pytest.approx(one.worst_channel_mse, rel=1e-12)
    if one.cosine_distance is not None:
        assert other.cosine_distance == pytest.approx(one.cosine_distance, rel=1e-6, abs=1e-28)


@given(pairs())
def test_order_of_the_metrics(pair):
    metrics = compare(*pair)
    assert metrics.mse <= metrics.worst_channel_mse
    assert metrics.worst_channel_mse <= metrics.max_abs**2 * (1 + 1e-12)
    assert metrics.cosine_distance is None or 0 <= metrics.cosine_distance <= 2


@given(st.tuples(st.integers(1, 8), st.integers(1, 8)), st.floats(0.1, 10))
@example((3, 7), 3.603871574596873)  # the mean over all channels rounds to above each of them
def test_equal_channels_are_no_worse_than_all_of_them(shape, error):
    metrics = compare(np.zeros(shape), np.full(shape, error))
    assert metrics.mse <= metrics.worst_channel_mse == pytest.approx(error**2)


@given(pairs(ORDINARY), st.integers(-20, 20))
def test_a_common_power_of_two_scales_the_errors_and_not_the_cosine(pair, exponent):
    golden, result = (tensor.astype(np.float64) for tensor in pair)
    assume((golden != result).any())
    one, other = compare(golden, result), compare(golden * 2.0**exponent, result * 2.0**exponent)
    assert other.max_abs == one.max_abs * 2.0**exponent
    assert other.mse == one.mse * 4.0**exponent
    assert other.cosine_distance == pytest.approx(one.cosine_distance, rel=1e-9, abs=1e-28)


# --- blocks, threads, layouts ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "shape", [(1, 1), (5000, 1), (1700, 3), (130, 64), (7, 1025), (40, 97), (3, 9000), (2, 30000), (1, 9001)]
)
def test_cut_into_many_blocks(monkeypatch, shape):
    golden, result = image(shape=shape), image(1, shape=shape)
    expected = (result.astype(np.float64) - golden) ** 2
    for block, width, dot in ((1 << 10, 1 << 7, 1 << 5), (1 << 18, 1 << 13, 1 << 13)):
        for name, value in (("BLOCK", block), ("_WIDTH", width), ("_DOT", dot)):
            monkeypatch.setattr(difference, name, value)
        (sums,) = difference.difference_sums([(golden, result)], threads=2)
        assert sums.channel_squares == pytest.approx(expected.sum(axis=0), rel=1e-12)
        assert sums.golden_squares == pytest.approx(float(np.sum(golden.astype(np.float64) ** 2)), rel=1e-12)
        along = np.sum(golden.astype(np.float64) * (result.astype(np.float64) - golden))
        assert sums.golden_difference == pytest.approx(float(along), rel=1e-10)
        assert sums.largest_at == np.argmax(expected)
        assert sums.largest == math.sqrt(expected.max())


@pytest.mark.parametrize("shape", [(70001, 1), (4096, 64), (33000, 7), (1000, 1024), (3, 70000)])
@pytest.mark.parametrize("odd", [0.0, 1e30, np.inf, np.nan])
def test_the_pieces_of_a_block_change_no_bit(monkeypatch, shape, odd):
    golden, result = image(shape=shape), image(1, shape=shape)
    result.reshape(-1)[[0, result.size // 2, -1]] += np.float32(odd)
    (whole,) = difference.difference_sums([(golden, result)])
    for piece in (1 << 13, 1 << 14, 1 << 18):
        monkeypatch.setattr(difference, "_PIECE", piece)
        (sums,) = difference.difference_sums([(golden, result)])
        for found, expected in zip(sums, whole, strict=True):
            assert np.array_equal(found, expected, equal_nan=True)


@pytest.mark.parametrize("piece", [4, 1 << 16])
def test_of_equal_largest_errors_the_first_counts_in_any_cut(monkeypatch, piece):
    for name, value in (("BLOCK", 16), ("_WIDTH", 4), ("_PIECE", piece), ("_LANES", 1), ("_DOT", 4)):
        monkeypatch.setattr(difference, name, value)
    golden = np.zeros((8, 12), np.float32)
    for first in range(96):
        result = golden.copy()
        result.reshape(-1)[first:] = 1
        assert compare(golden, result).worst_index == [first // 12, first % 12]


def test_the_number_of_threads_changes_no_bit():
    goldens = [image(seed, shape) for seed, shape in enumerate([(700, 700), (3, 5), (600, 1000), (64, 1, 3)])]
    results = [golden + np.float32(1e-3) * image(9, golden.shape) for golden in goldens]
    alone = [compare(golden, result) for golden, result in zip(goldens, results, strict=True)]
    for threads in (1, 2, 3, 7, 100):
        assert compare_all(goldens, results, threads=threads) == alone


def test_the_threads_of_blas_change_no_bit():
    program = (
        "import numpy as np, msgspec, sys; from conformance.numerics.metrics import compare\n"
        "r = np.random.default_rng(0)\n"
        "g = r.standard_normal((90, 70, 64), np.float32); x = g + r.standard_normal(g.shape, np.float32)\n"
        "sys.stdout.write(msgspec.json.encode(compare(g, x)).decode())"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for threads in ("1", "2", "4")
    ]
    assert json.loads(outputs[0])["mse"] == pytest.approx(1, rel=0.01)
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_compares_too():
    golden = image(shape=(1200, 600))
    compare(golden, golden)  # starts the threads of this process
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # without its threads the child would wait for ever
        os._exit(0 if compare(golden, golden * 2).mse > 0 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_strided_transposed_and_read_only_tensors():
    golden, result = image(shape=(12, 10, 8)), image(1, shape=(12, 10, 8))
    for view in (lambda x: x[::2, ::-1, 1::3], lambda x: x.T, np.asfortranarray):
        assert compare(view(golden), view(result)) == compare(view(golden).copy("C"), view(result).copy("C"))
    golden.flags.writeable = False
    before = result.copy()
    compare(golden, result)
    assert np.array_equal(result, before)


# --- what is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", ["golden", "result", "both"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_that_are_not_finite_are_refused(bad, which, dtype):
    golden, result = image(dtype=dtype), image(1, dtype=dtype)
    if which != "result":
        golden[3, 4, 5] = bad
    if which != "golden":
        result[3, 4, 5] = bad
    with pytest.raises(ValueError, match="result has 1" if which == "result" and np.isnan(bad) else "has"):
        compare(golden, result)


def test_infinities_of_opposite_sign_are_refused():
    golden = np.array([[1, np.inf]], np.float32)
    with pytest.raises(ValueError, match=r"golden has 0 NaN, 1 \+Inf and 0 -Inf"):
        compare(golden, -golden)


@pytest.mark.parametrize("shape", [(1, 8, 16), (8, 16), (8, 8, 1), (1, 8, 8, 16), (16, 8, 8), (1024,)])
def test_other_shapes_are_refused_even_where_numpy_would_broadcast(shape):
    with pytest.raises(ValueError, match="shape"):
        compare(image(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3)])
def test_nothing_to_compare_is_refused(shape):
    with pytest.raises(ValueError, match="nothing"):
        compare(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.float16, np.int32, np.bool_, np.complex64, object])
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(ValueError, match="golden must be float32 or float64"):
        compare(np.zeros((2, 2), dtype), np.zeros((2, 2), np.float32))
    with pytest.raises(ValueError, match="result must be float32 or float64"):
        compare(np.zeros((2, 2), np.float32), np.zeros((2, 2), dtype))


def test_as_many_results_as_goldens():
    assert compare_all([], []) == []
    with pytest.raises(ValueError, match="2 goldens cannot be compared with 1 results"):
        compare_all([image(), image()], [image()])


# --- PSNR, worst, counts -----------------------------------------------------------------------------


@given(st.floats(1e-9, 1e9), st.floats(1e-3, 1e3))
def test_psnr(mse, output_range):
    metrics = Metrics(0.0, mse, 1.0, mse, 0, [0])
    assert metrics.psnr(output_range) == pytest.approx(10 * math.log10(output_range**2 / mse), abs=1e-9)


@pytest.mark.parametrize("output_range", [0, -1, math.nan, math.inf])
def test_psnr_needs_a_range(output_range):
    with pytest.raises(ValueError, match="range"):
        compare(image(), image(1)).psnr(output_range)


def test_worst_takes_each_field_from_its_own_sample():
    samples = [
        Metrics(0.1, 5.0, 1.0, 2.0, 7, [1, 2]),
        Metrics(0.3, 1.0, 4.0, 1.0, 8, [3, 4]),
        Metrics(0.2, 2.0, 3.0, 9.0, 9, [5, 6]),
    ]
    expected = Metrics(0.3, 5.0, 4.0, 9.0, 9, [3, 4])
    assert worst(samples) == worst(samples[::-1]) == expected
    assert worst(samples[:1]) == samples[0]
    undefined = Metrics(None, 0.0, 0.0, 0.0, 0, [0, 0])
    assert worst([*samples, undefined]).cosine_distance is None
    assert worst([undefined, *samples]).mse == 5.0
    with pytest.raises(ValueError, match="no samples"):
        worst([])


@given(hnp.arrays(np.float64, SHAPES, elements=st.sampled_from([1.0, np.nan, np.inf, -np.inf])))
def test_nonfinite_counts(x):
    values = x.reshape(-1).tolist()
    counts = nonfinite_counts(x)
    assert counts.nan == sum(math.isnan(value) for value in values)
    assert counts.positive_inf == values.count(math.inf)
    assert counts.negative_inf == values.count(-math.inf)
    assert counts.total == counts.nan + counts.positive_inf + counts.negative_inf


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int32])
def test_nonfinite_counts_of_ordinary_arrays(dtype):
    assert nonfinite_counts(np.ones(3, dtype)) == NonFinite(0, 0, 0)
    assert nonfinite_counts(np.ones((0, 3), dtype)) == NonFinite(0, 0, 0)
