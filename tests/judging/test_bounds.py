"""Bounds: margins as data, and the arithmetic from the attainable error to the bound."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.errors import UsageError
from conformance.judging.bounds import (
    FLOAT32_ROUNDOFF,
    OPERATOR_CLASSES,
    Attainable,
    ErrorValues,
    Margins,
    bound,
    error_values,
    excess,
    largest_values,
    read_margins,
)
from conformance.numerics.metrics import compare

MARGINS_FILE = Path(__file__).parents[2] / "fixtures" / "margins.toml"
MARGINS = read_margins(MARGINS_FILE)
FIELDS = ("cosine_distance", "mse", "max_abs", "worst_channel_mse")

amounts = st.floats(0, 1e3, allow_subnormal=False)
limits = st.builds(ErrorValues, st.floats(0, 1), amounts, amounts, amounts)
attainables = st.builds(
    Attainable,
    errors=limits,
    terms=st.integers(0, 10**6),
    magnitude=amounts,
    magnitude_square=amounts,
    golden_square=amounts,
    golden_max=amounts,
)


def attainable(
    errors: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0), **fields: float
) -> Attainable:
    plain = {"terms": 0, "magnitude": 0.0, "magnitude_square": 0.0, "golden_square": 0.0, "golden_max": 0.0}
    return Attainable(errors=ErrorValues(*errors), **(plain | fields))


def margins_text(**replaced: str) -> str:
    tables = {name: f'[class.{name}]\nfactor = 2.0\nreason = "r"\n' for name in OPERATOR_CLASSES}
    tables |= {"sum_allowance": '[sum_allowance]\nfactor = 3.0\nreason = "r"\n'}
    return "\n".join((tables | replaced).values())


def read_text(tmp_path: Path, text: str) -> Margins:
    (tmp_path / "margins.toml").write_text(text)
    return read_margins(tmp_path / "margins.toml")


# --- the margins file


def test_only_movement_is_without_arithmetic():
    assert [name for name, margin in MARGINS.classes.items() if not margin.arithmetic] == ["movement"]


def test_a_plain_margins_file_is_read(tmp_path):
    assert read_text(tmp_path, margins_text()).sum_allowance.factor == 3.0


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"other": ""}, "class 'other' has no margin"),
        ({"other": '[class.othre]\nfactor=2.0\nreason="r"\n'}, "othre"),
        ({"other": '[class.other]\nfactor=0.5\nreason="r"\n'}, "is 0.5, but should be finite and >= 1"),
        ({"other": '[class.other]\nfactor=nan\nreason="r"\n'}, "factor is nan"),
        ({"other": '[class.other]\nfactor=inf\nreason="r"\n'}, "factor is inf"),
        ({"other": '[class.other]\nfactor=2.0\nreason=" "\n'}, "reason"),
        ({"other": "[class.other]\nfactor=2.0\n"}, "reason"),
        ({"other": '[class.other]\nfactor=2.0\nreason="r"\noperators=["Add"]\n'}, "operators"),
        ({"sum_allowance": '[sum_allowance]\nfactor=-1.0\nreason="r"\n'}, "factor is -1"),
        ({"sum_allowance": '[sum_allowance]\nfactor=nan\nreason="r"\n'}, "factor is nan"),
        ({"sum_allowance": ""}, "sum_allowance"),
        ({"sum_allowance": "[sum_allowance"}, "malformed"),
    ],
)
def test_a_malformed_margins_file_is_refused_with_its_name(tmp_path, replaced, message):
    with pytest.raises(UsageError, match=r"margins\.toml") as caught:
        read_text(tmp_path, margins_text(**replaced))
    assert message in str(caught.value)


def test_a_missing_margins_file_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_margins(tmp_path / "none.toml")


# --- limits


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1e-9, -1])
@pytest.mark.parametrize("field", FIELDS)
def test_a_limit_that_is_no_amount_is_an_error(field, wrong):
    with pytest.raises(ValueError, match=f"{field} is"):
        ErrorValues(**(dict.fromkeys(FIELDS, 0.0) | {field: wrong}))


@pytest.mark.parametrize("field", ["terms", "magnitude", "magnitude_square", "golden_square", "golden_max"])
def test_an_attainable_that_is_no_amount_is_an_error(field):
    with pytest.raises(ValueError, match=f"{field} is -1"):
        attainable(**{field: -1})


@given(attainables)
def test_an_attainable_survives_json(value):
    assert msgspec.json.decode(msgspec.json.encode(value), type=Attainable) == value


def test_json_limits_with_null_or_an_unknown_key_are_refused():
    for text in (b'{"cosine_distance":null,"mse":0,"max_abs":0,"worst_channel_mse":0}', b'{"mean":0}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(text, type=ErrorValues)


@given(st.lists(limits, min_size=1))
def test_largest_limits_are_field_wise(values):
    largest = largest_values(values)
    for field in FIELDS:
        assert getattr(largest, field) == max(getattr(value, field) for value in values)


def test_a_zero_result_counts_as_orthogonal_and_a_zero_golden_demands_no_cosine():
    zero, one = np.zeros((2, 3), np.float32), np.ones((2, 3), np.float32)
    assert error_values(compare(one, zero), golden_is_zero=False).cosine_distance == 1.0
    assert error_values(compare(zero, one), golden_is_zero=True).cosine_distance == 0.0


# --- the bound


def test_the_factor_is_on_the_amplitude():
    margin = MARGINS.classes["other"].factor
    limit = bound(attainable((1e-4, 0.01, 0.5, 0.04)), "other", MARGINS)
    assert limit.max_abs == pytest.approx(margin * 0.5)
    assert limit.mse == pytest.approx((margin * 0.1) ** 2)
    assert limit.worst_channel_mse == pytest.approx((margin * 0.2) ** 2)
    assert limit.cosine_distance == pytest.approx(margin**2 * 1e-4)


def test_amplitudes_add_and_not_squares():
    value = attainable(
        (0.0, 0.01, 0.1, 0.01), terms=16, magnitude=2.0, magnitude_square=1.0, golden_square=4.0
    )
    amount = MARGINS.sum_allowance.factor * 4 * FLOAT32_ROUNDOFF
    margin = MARGINS.classes["reduction"].factor
    limit = bound(value, "reduction", MARGINS)
    assert limit.max_abs == pytest.approx(margin * 0.1 + 2 * amount, rel=1e-12)
    assert limit.mse == pytest.approx((margin * 0.1 + amount) ** 2, rel=1e-12)
    assert limit.worst_channel_mse == pytest.approx((margin * 0.1 + 2 * amount) ** 2, rel=1e-12)
    chord = (
        margin * FLOAT32_ROUNDOFF + amount / 2
    )  # the golden's own rounding, then the sum's share of its RMS of 2
    assert limit.cosine_distance == pytest.approx(chord**2 / 2, rel=1e-12)


@given(attainables, st.sampled_from(OPERATOR_CLASSES), st.sampled_from(FIELDS), st.floats(1, 10))
def test_the_bound_grows_with_the_attainable_error(value, kind, field, growth):
    grown = msgspec.structs.replace(
        value, errors=msgspec.structs.replace(value.errors, **{field: getattr(value.errors, field) * growth})
    )
    for name in FIELDS:
        assert getattr(bound(grown, kind, MARGINS), name) >= getattr(bound(value, kind, MARGINS), name)


@given(attainables, st.sampled_from(OPERATOR_CLASSES), st.integers(0, 10**6))
def test_the_bound_grows_with_the_number_of_terms(value, kind, more):
    grown = msgspec.structs.replace(value, terms=value.terms + more)
    for name in FIELDS:
        assert getattr(bound(grown, kind, MARGINS), name) >= getattr(bound(value, kind, MARGINS), name)


@given(attainables, st.sampled_from(OPERATOR_CLASSES))
def test_the_ideal_device_is_within_its_bound(value, kind):
    limit = bound(value, kind, MARGINS)
    for name in FIELDS:
        assert getattr(limit, name) >= getattr(value.errors, name)


@given(attainables.map(lambda value: msgspec.structs.replace(value, errors=ErrorValues(0.0, 0.0, 0.0, 0.0))))
def test_exact_movement_must_stay_exact(value):
    assert bound(value, "movement", MARGINS) == ErrorValues(0.0, 0.0, 0.0, 0.0)


def test_movement_gets_its_factor_and_nothing_else():
    value = attainable(
        (1e-8, 1e-6, 1e-3, 4e-6), terms=100, magnitude=1.0, magnitude_square=1.0, golden_square=1.0
    )
    limit, factor = bound(value, "movement", MARGINS), MARGINS.classes["movement"].factor
    assert limit.max_abs == pytest.approx(factor * 1e-3, rel=1e-12)
    assert limit.mse == pytest.approx(factor**2 * 1e-6, rel=1e-12)


def test_a_factor_of_one_keeps_the_attainable_error_to_the_bit(tmp_path):
    plain = '[class.movement]\nfactor=1.0\narithmetic=false\nreason="r"\n'
    margins = read_text(tmp_path, margins_text(movement=plain))
    errors = (1.1e-8, 1.3e-7, 1.7e-3, 1.9e-7)
    assert bound(attainable(errors, terms=7, magnitude=1.0), "movement", margins) == ErrorValues(*errors)


def test_arithmetic_is_not_held_to_less_than_the_goldens_rounding():
    limit = bound(attainable(golden_square=1.0, golden_max=4.0), "elementwise", MARGINS)
    factor = MARGINS.classes["elementwise"].factor
    assert limit.max_abs == factor * 4 * FLOAT32_ROUNDOFF
    assert limit.mse == (factor * FLOAT32_ROUNDOFF) ** 2


def test_a_zero_golden_gets_an_absolute_bound_and_no_cosine():
    limit = bound(attainable(terms=4, magnitude=1.0, magnitude_square=1.0), "reduction", MARGINS)
    assert limit.max_abs == MARGINS.sum_allowance.factor * 2 * FLOAT32_ROUNDOFF
    assert limit.cosine_distance == 0.0


def test_a_cosine_bound_is_never_more_than_all_directions():
    value = attainable(
        terms=10**6, magnitude=1.0, magnitude_square=1.0, golden_square=1e-30, golden_max=1e-15
    )
    assert bound(value, "reduction", MARGINS).cosine_distance == 2.0


def running_sums(x: np.ndarray, dtype: type) -> np.ndarray:
    """Add the rows one after the other in ``dtype``."""
    with np.errstate(over="ignore"):
        return np.cumsum(x.astype(dtype), axis=0, dtype=dtype)[-1]


def of_mean(x: np.ndarray) -> Attainable:
    exact, magnitudes = x.mean(axis=0, dtype=np.float64), np.abs(x).mean(axis=0, dtype=np.float64)
    return attainable(
        terms=len(x),
        magnitude=float(magnitudes.max()),
        magnitude_square=float((magnitudes**2).mean()),
        golden_square=float((exact**2).mean()),
        golden_max=float(np.abs(exact).max()),
    )


def largest_error(sums: np.ndarray, x: np.ndarray) -> float:
    return float(np.abs(sums.astype(np.float64) / len(x) - x.mean(axis=0, dtype=np.float64)).max())


@pytest.mark.parametrize("shift", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("power", [1, 2])
def test_a_float32_running_sum_is_allowed_and_a_half_one_is_not(shift, power):
    x = (np.random.RandomState(7).standard_normal((65536, 4)).astype(np.float32) + np.float32(shift)) ** power
    limit = bound(of_mean(x), "reduction", MARGINS)
    assert largest_error(running_sums(x, np.float32), x) <= limit.max_abs
    assert largest_error(running_sums(x, np.float16), x) > 2 * limit.max_abs


def test_equal_terms_are_allowed_to_a_blocked_float32_sum():
    x = np.full((65536, 4), 0.7, np.float32)
    limit = bound(of_mean(x), "reduction", MARGINS)
    blocks = running_sums(x.reshape(256, 256, 4), np.float32)
    assert largest_error(running_sums(blocks, np.float32), x) <= limit.max_abs
    assert largest_error(running_sums(x, np.float32), x) > limit.max_abs  # their roundings agree, one by one


BOUNDS = ErrorValues(1e-6, 1e-4, 1e-2, 1e-4)


@pytest.mark.parametrize(
    ("needed", "expected"),
    [
        (ErrorValues(0.0, 0.0, 0.0, 0.0), 0.0),
        (BOUNDS, 1.0),
        (ErrorValues(0.0, 0.0, 2e-2, 0.0), 2.0),
        (ErrorValues(0.0, 4e-4, 0.0, 0.0), 2.0),
        (ErrorValues(0.0, 0.0, 0.0, 9e-4), 3.0),
        (ErrorValues(25e-6, 0.0, 0.0, 0.0), 5.0),
        (ErrorValues(25e-6, 4e-4, 6e-2, 9e-4), 6.0),
    ],
)
def test_excess_is_the_largest_ratio_of_amplitudes(needed, expected):
    assert excess(needed, BOUNDS) == pytest.approx(expected)


def test_excess_of_what_must_be_exact_and_is_not_is_infinite():
    exact = ErrorValues(0.0, 0.0, 0.0, 0.0)
    assert excess(exact, exact) == 0.0
    assert excess(ErrorValues(0.0, 0.0, 1e-30, 0.0), exact) == math.inf


def test_excess_is_infinite_where_no_bound_would_do_and_zero_where_there_is_none():
    assert excess(None, BOUNDS) == math.inf
    assert excess(None, None) == 0.0
