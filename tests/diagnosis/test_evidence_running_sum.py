"""Sums in half: known cases, laws, and real running sums, a loop's and the emulator's, as the oracles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.emulation import emulated, frozen, half_away, placeholder

from conformance.diagnosis.evidence.running_sum import Terms, half_sum, running_sums, terms_by_axis, terms_of

TERMS_4096 = 4096


def columns(*sums):
    """Return the terms of each sum as the columns of an array."""
    return np.stack([np.asarray(terms, np.float32) for terms in sums], axis=1)


def found(values, *, mean=True):
    """Return the evidence of (terms, sums) by kind."""
    evidence = half_sum("net/mean", Terms(values, (values.shape[1],)), mean=mean)
    assert all(item.node == "net/mean" and item.strength >= 1 for item in evidence)
    return {item.kind: item for item in evidence}


def looped(column):
    """Return a real float16 running sum, saturating for good, and the share of terms that change nothing."""
    total, unchanged = np.float16(0), 0
    with np.errstate(over="ignore"):
        halves = column.astype(np.float16)
    for term in halves:
        with np.errstate(over="ignore"):
            after = np.float16(total + term)
        if not np.isfinite(after):
            return np.sign(float(after)) * 65504.0, unchanged / len(column)
        unchanged += bool(after == total and term != 0)
        total = after
    return float(total), unchanged / len(column)


class TestKnownCases:
    def test_ones_stagnate_at_2048(self):
        item = found(columns(np.ones(65536)))["stagnation"]
        assert item.figures["in_half"] == 2048
        assert item.figures["total"] == 65536
        assert item.figures["lost_share"] == (65536 - 2047) / 65536
        assert item.figures["passed_after"] == 2048 / 65536
        assert item.strength == pytest.approx(100 * (65536 - 2048) / 65536)
        assert "net/mean adds 65536 terms per sum" in item.sentence
        assert (
            "it passes 2048 times the average term after 3.1 % of them and stagnates: 97 %" in item.sentence
        )
        assert "ends near 2.05e+03 instead of 6.55e+04. 1 of 1 sums stagnate." in item.sentence

    def test_one_large_term_hides_small_ones_that_never_reach_2048_average_terms(self):
        item = found(columns([4096] + [1] * 1000))["stagnation"]
        assert item.figures["in_half"] == 4096
        assert item.figures["lost_share"] == 1000 / 1001
        assert "passed_after" not in item.figures
        assert "kept in half, it stagnates" in item.sentence

    def test_adding_zero_loses_nothing(self):
        item = found(columns([4096] + [0, 1] * 1000))["stagnation"]
        assert item.figures["lost_share"] == 1000 / 2001

    def test_the_worst_channel_is_named_and_counted(self):
        good = np.tile([1, -1], 32768)
        item = found(columns(good, np.ones(65536), 2 * np.ones(65536), good))["stagnation"]
        assert (item.figures["sums_stagnating"], item.figures["sums"]) == (2, 4)
        assert item.figures["worst"] == 1
        assert "in channel 1 it" in item.sentence

    def test_a_sum_beyond_65504_of_a_mean_that_is_not(self):
        evidence = found(columns(np.ones(65536), np.full(65536, 2.5)))
        item = evidence["overflow"]
        assert item.figures["largest"] == 163840
        assert item.figures["result"] == 2.5
        assert (item.figures["sums_over"], item.figures["sums"]) == (2, 2)
        assert item.strength == pytest.approx(100 * (163840 - 65504) / 163840)
        assert "reaches 1.64e+05 in channel 1, and a half ends at 65504" in item.sentence
        assert "stagnation" in evidence

    def test_a_sum_whose_result_overflows_is_left_to_its_output(self):
        assert found(columns([60000.0, 60000.0]), mean=False) == {}
        assert set(found(columns([60000.0, 60000.0]), mean=True)) == {"overflow"}

    def test_a_sum_that_passes_65504_and_returns(self):
        item = found(columns([60000, 60000, -60000, -60000]), mean=False)["overflow"]
        assert (item.figures["largest"], item.figures["result"]) == (120000, 0)

    def test_sums_that_saturate_do_not_stagnate(self):
        """Steps are fine enough up to 65504: 16 against terms of 33, like a variance of 33 at 64 x 64."""
        terms = np.random.default_rng(0).uniform(20, 46, TERMS_4096)
        assert set(found(columns(terms))) == {"overflow"}

    def test_growing_too_fast_is_rounding_and_not_stagnation(self):
        """From 2048 on, 1.2 is rounded to 2."""
        evidence = found(columns(np.full(3000, 1.2)))
        assert set(evidence) == {"accumulated rounding"}
        half, _ = looped(np.full(3000, 1.2, np.float32))
        assert half > 3600
        error = evidence["accumulated rounding"].figures["relative_error"]
        assert error == pytest.approx((half - 3600) / 3600, rel=1e-3)

    def test_random_signs_round_but_do_not_stagnate(self):
        terms = np.random.default_rng(1).standard_normal((20000, 64)).astype(np.float32)
        assert set(found(terms)) == {"accumulated rounding"}

    @pytest.mark.parametrize(
        "terms",
        [
            np.zeros(65536),
            np.ones(2048),
            np.tile([1, -1], 32768),
            np.tile([3, 0, -3, 0], 10000),
            np.full(50, 1024.0),
            2.0 ** np.arange(-10, 10),
        ],
    )
    def test_sums_that_come_out_of_a_half(self, terms):
        assert found(columns(terms)) == {}


class TestAxisByAxis:
    def test_every_axis_sums_the_means_of_those_before_it(self):
        values = np.random.default_rng(2).normal(size=(2, 6, 5, 3)).astype(np.float32)
        first, second = terms_by_axis(values, [2, 1])
        assert (first.along, second.along) == (" along axis 1", " along axis 2")
        assert (first.values.shape, second.values.shape) == ((6, 30), (5, 6))
        means = values.mean(axis=1, dtype=np.float64).astype(np.float32)
        assert np.array_equal(second.values, means.transpose(1, 0, 2).reshape(5, 6))

    def test_one_axis_alone_is_not_named(self):
        (terms,) = terms_by_axis(np.ones((1, 4, 4, 2), np.float32), [-2])
        assert terms.along == ""

    @pytest.mark.parametrize("turned", [False, True])
    def test_a_column_that_overflows_is_found_where_the_emulator_suffers(self, turned):
        """Rows of 256 halves as large as these stay below 65504, and columns do not; turned, it is not so."""
        values = np.zeros((1, 256, 256, 1), np.float32)
        values[:, :, 3] = 1024
        values = values.transpose(0, 2, 1, 3) if turned else values
        found = [item for terms in terms_by_axis(values, [1, 2]) for item in half_sum("m", terms, mean=True)]
        graph = frozen(lambda tf: tf.reduce_mean(placeholder(tf, "x", values.shape), [1, 2], name="m"), "m")
        suffered = emulated(graph, {"x": values}, "int16-fp16").item()
        assert [item.kind for item in found] == ([] if turned else ["overflow"])
        assert suffered == (4 if turned else half_away(np.float32(65504 / 65536)))
        assert turned or "along axis 1 reaches 2.62e+05" in found[0].sentence


class TestPlaces:
    def test_terms_come_in_row_major_order(self):
        values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
        assert terms_of(values, [1, 0]).values[:, 1].tolist() == [1, 5, 9, 13, 17, 21]
        assert terms_of(values, [-1]).values[:, 2].tolist() == [8, 9, 10, 11]
        assert terms_of(values, [0, 1, 2]).values[:, 0].tolist() == list(range(24))

    @pytest.mark.parametrize(
        ("shape", "axes", "index", "place"),
        [
            ((1, 8, 8, 5), (1, 2), 3, " in channel 3"),
            ((2, 8, 8, 5), (1, 2), 7, " at (1, 2)"),
            ((8, 8), (0, 1), 0, ""),
            ((8, 5), (0,), 4, " in channel 4"),
        ],
    )
    def test_names_of_sums(self, shape, axes, index, place):
        assert terms_of(np.zeros(shape, np.float32), axes).place(index) == place

    @given(st.data())
    def test_every_column_sums_to_what_numpy_sums(self, data):
        shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=4, max_side=4))
        axes = data.draw(st.sets(st.integers(-len(shape), len(shape) - 1), min_size=1))
        axes = {axis % len(shape) for axis in axes}
        values = data.draw(hnp.arrays(np.float32, shape, elements=st.integers(-8, 8)))
        sums = terms_of(values, list(axes)).values.sum(axis=0)
        assert sums.tolist() == values.sum(axis=tuple(axes)).reshape(-1).tolist()


NORMAL = st.floats(2.0**-10, 2.0**10, width=16)
SIGNED = st.floats(-(2.0**17), 2.0**17, width=32)


def sums_of(elements, terms=40):
    """Return arrays of (terms, 1 to 3 sums)."""
    return hnp.arrays(np.float32, st.tuples(st.integers(1, terms), st.integers(1, 3)), elements=elements)


class TestLaws:
    @given(sums_of(SIGNED))
    def test_the_sum_in_half_is_that_of_a_loop(self, values):
        ends = [looped(values[:, index])[0] for index in range(values.shape[1])]
        assert running_sums(values).in_half.tolist() == ends

    def test_the_same_over_many_blocks(self):
        values = np.random.default_rng(3).exponential(size=(40000, 3)).astype(np.float32)
        ends = [looped(values[:, index])[0] for index in range(3)]
        assert running_sums(values).in_half.tolist() == ends
        assert running_sums(values).total == pytest.approx(values.sum(axis=0, dtype=np.float64), rel=1e-12)

    def test_a_sum_stays_saturated_over_many_blocks(self):
        values = columns(np.concatenate([np.full(20000, 8.0e3), np.full(60000, -8.0e3)]))
        assert running_sums(values).in_half == [65504]

    @given(sums_of(NORMAL, terms=6))
    def test_six_positive_terms_lose_nothing_worth_stating(self, values):
        assert found(values) == {}

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32 - 1), st.sampled_from([0.25, 0.5, 2.0, 4.0]))
    def test_powers_of_two_change_nothing(self, seed, factor):
        values = np.random.default_rng(seed).gamma(2.0, 1.0, (5000, 4)).astype(np.float16).astype(np.float32)
        first, scaled = found(values), found(values * np.float32(factor))
        assert set(first) == set(scaled) == {"stagnation"}
        for name in ("lost_share", "relative_error", "worst", "passed_after", "sums_stagnating"):
            assert first["stagnation"].figures[name] == scaled["stagnation"].figures[name]

    @settings(max_examples=20, deadline=None)
    @given(st.integers(0, 2**32 - 1))
    def test_neither_the_sign_nor_the_order_of_channels_matters(self, seed):
        random = np.random.default_rng(seed)
        values = random.gamma(2.0, 1.0, (5000, 5)).astype(np.float32)
        values *= np.array([1, 1, 0.0, 1, 1], np.float32)
        other = -values[:, random.permutation(5)]
        first, second = found(values)["stagnation"], found(other)["stagnation"]
        assert first.strength == second.strength
        assert first.figures["sums_stagnating"] == second.figures["sums_stagnating"]
        assert first.figures["total"] == -second.figures["total"]


DISTRIBUTIONS = {
    "ones": lambda _, shape: np.ones(shape),
    "exponential": lambda random, shape: random.exponential(1.0, shape),
    "squares": lambda random, shape: np.square(random.standard_normal(shape)) * 3,
    "small": lambda random, shape: random.uniform(0, 1e-3, shape),
    "offset": lambda random, shape: random.normal(-0.5, 1.0, shape),
    "centred": lambda random, shape: random.standard_normal(shape),
}


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
@pytest.mark.parametrize("terms", [100, 4096, 20000])
def test_what_is_stated_is_what_real_sums_suffer(kind, terms):
    """And what is not stated they do not suffer."""
    values = DISTRIBUTIONS[kind](np.random.default_rng(5), (terms, 3)).astype(np.float32)
    exact = values.sum(axis=0, dtype=np.float64)
    real = [looped(values[:, index]) for index in range(3)]
    errors = np.abs([end for end, _ in real] - exact)
    evidence = found(values)
    if "stagnation" in evidence:
        figures = evidence["stagnation"].figures
        worst = figures["worst"]
        assert figures["in_half"] == real[worst][0]
        assert figures["lost_share"] == pytest.approx(real[worst][1], abs=0.12)
        assert errors[worst] >= 0.01 * abs(exact[worst])
    elif "accumulated rounding" in evidence:
        figures = evidence["accumulated rounding"].figures
        assert np.sqrt(np.mean(errors**2)) < 3 * figures["relative_error"] * figures["size"]
    else:
        peaks = np.abs(np.cumsum(values, axis=0, dtype=np.float64)).max(axis=0)
        assert np.sqrt(np.mean(errors**2)) < 2**-8 * np.sqrt(np.mean(peaks**2))


@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [
        ("squares", 64, {"stagnation"}),
        ("ones", 96, {"stagnation"}),
        ("centred", 64, {"accumulated rounding"}),
        ("small", 8, set()),
        ("squares", 180, {"stagnation", "overflow"}),
    ],
)
def test_the_emulator_which_rounds_ties_away_suffers_as_much(kind, side, expected):
    values = DISTRIBUTIONS[kind](np.random.default_rng(9), (1, side * side, 4)).astype(np.float32)
    graph = frozen(lambda tf: tf.reduce_mean(placeholder(tf, "x", values.shape), 1, name="mean"), "mean")
    suffered = emulated(graph, {"x": values}, "int16-fp16")[0]
    exact = values.mean(axis=(0, 1), dtype=np.float64)
    terms = terms_of(values, [1])
    evidence = {item.kind: item for item in half_sum("mean", terms, mean=True)}
    assert set(evidence) == expected
    errors = np.abs(suffered - exact)
    if "stagnation" in expected:
        figures = evidence["stagnation"].figures
        worst = figures["worst"]
        predicted = abs(figures["total"] - figures["in_half"]) / len(terms.values)
        assert errors[worst] == pytest.approx(predicted, rel=0.5)
    else:
        assert np.sqrt(np.mean(errors**2) / np.mean(exact**2)) < (2**-8 if not expected else 1)
