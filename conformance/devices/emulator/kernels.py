"""The emulator's arithmetic as TensorFlow functions that XLA compiles to one loop each.

Every function here is written so that no compiler freedom can change a bit: a product is never added to
anything in the same precision (no fused multiply-add can arise), sums run in a loop whose order is fixed, and
divisors are arguments, because XLA multiplies with the rounded reciprocal of a divisor that it knows.

XLA compiles anew for every shape. Elementwise functions do without Abs, Floor, Sign and IsNan, each of which
takes TensorFlow's bridge to XLA as long to translate as all others of a function together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable

    from conformance.devices.emulator.profile import Profile

Tensor = Any

HALF_MAX = 65504.0

HALF_OVERFLOW = 65520.0
"""From here on, rounding to nearest leaves the finite halves."""

HALF_TINY = 2.0**-24

HALF_NORMAL = 2.0**-14

TANH_RANGE = 8.0
"""Where the table of tanh ends: tanh 8 differs from 1 by 2e-7, far below half resolution."""


def round_to_half(x: Tensor, profile: Profile) -> Tensor:
    """Round float32 or float64 to the float16 values, kept in the same type.

    The trailing mantissa bits are rounded away in integer arithmetic; below the normal halves the step is
    2^-24 throughout. Same law as :func:`conformance.numerics.half.round_to_half`.
    """
    tf = tensorflow()
    bits = _bits(x)
    sign, magnitude_bits = bits & bits.dtype.min, bits & bits.dtype.max
    magnitude = tf.bitcast(magnitude_bits, x.dtype)
    normal = _drop_mantissa_bits(magnitude_bits, x.dtype, profile.half_rounding)
    steps = _whole_steps(magnitude, profile.half_rounding) * HALF_TINY
    rounded = tf.where(magnitude < HALF_NORMAL, steps, normal)
    if profile.half_tiny == "smallest":  # by its bits: TensorFlow's threads read subnormal floats as zero
        rounded = tf.where(magnitude_bits > 0, tf.maximum(rounded, HALF_TINY), rounded)
    rounded = tf.where(rounded >= HALF_OVERFLOW, tf.cast(_overflow(profile), x.dtype), rounded)
    return tf.bitcast(_bits(tf.where(tf.not_equal(x, x), x, rounded)) | sign, x.dtype)


def _bits(x: Tensor) -> Tensor:
    tf = tensorflow()
    return tf.bitcast(x, tf.int32 if x.dtype == tf.float32 else tf.int64)


def _nearest(x: Tensor, away: Callable[[Tensor], Tensor]) -> Tensor:
    """Return whole numbers; of a value half-way between two the even one, plus what ``away`` says of it.

    Args:
        x: any floats; what is no number stays what it is.
        away: gets how much lies above the even one, which is exact, and returns what to add to it.
    """
    even = tensorflow().round(x)
    return even + away(x - even)


def _whole_steps(magnitude: Tensor, rounding: str) -> Tensor:
    """Return how many steps of 2^-24 a value below the normal halves is rounded to."""
    tf = tensorflow()
    steps = magnitude * (1 / HALF_TINY)
    if rounding == "ties-even":
        return tf.round(steps)
    if rounding == "toward-zero":
        return tf.cast(tf.cast(steps, tf.int32), steps.dtype)
    return _nearest(steps, lambda above: tf.cast(tf.equal(above, 0.5), steps.dtype))


def _overflow(profile: Profile) -> float:
    return HALF_MAX if profile.half_overflow == "saturate" else float("inf")


def _drop_mantissa_bits(bits: Tensor, dtype: Any, rounding: str) -> Tensor:
    """Round floats to 11 significant bits; to nearest by adding half a step (less one for even) first.

    Args:
        bits: of floats, whatever their sign.
        dtype: of the floats.
        rounding: a value of the switch ``half_rounding``.
    """
    tf = tensorflow()
    integer, extra = bits.dtype, 13 if dtype == tf.float32 else 42
    half_step = tf.constant(0 if rounding == "toward-zero" else 1 << (extra - 1), integer)
    if rounding == "ties-even":
        odd = tf.bitwise.right_shift(bits, tf.constant(extra, integer)) & 1
        half_step = half_step - 1 + odd
    return tf.bitcast((bits + half_step) & tf.constant(-(1 << extra), integer), dtype)


UNROUNDED = 64
"""Bits of the float type of what is not rounded yet."""


def round_to_float(x: Tensor, float_bits: int, profile: Profile) -> Tensor:
    """Round to the float type of a precision, kept in the type of ``x``; ``UNROUNDED``: not at all."""
    tf = tensorflow()
    if float_bits == UNROUNDED:
        return x
    if float_bits == 16:
        return round_to_half(x, profile)
    return x if x.dtype == tf.float32 else tf.cast(tf.cast(x, tf.float32), x.dtype)


def rounded(x: Tensor, float_bits: int, profile: Profile, out: Any) -> Tensor:
    """Round to the float type of a precision, and hand on in type ``out``."""
    return tensorflow().cast(round_to_float(x, float_bits, profile), out)


OF_TWO = frozenset({"Add", "AddV2", "Mul", "Sub"})
"""Operators on two tensors whose one rounding is the same in every kernel that keeps to IEEE 754."""


def computed_and_rounded(
    first: Tensor, second: Tensor, *, operator: str, float_bits: int, profile: Profile
) -> Tensor:
    """Return what an operator of ``OF_TWO`` computes, rounded to the float type of a precision."""
    exact = getattr(tensorflow().raw_ops, operator)(x=first, y=second)
    return round_to_float(exact, float_bits, profile)


def divided(x: Tensor, y: Tensor, *, float_bits: int, profile: Profile) -> Tensor:
    """Return x times the rounded reciprocal of y, rounded to the float type of a precision."""
    reciprocal = round_to_float(1 / y, float_bits, profile)
    return round_to_float(x * reciprocal, float_bits, profile)


def rounded_through_half(x: Tensor, *, profile: Profile) -> Tensor:
    """Return the whole numbers nearest to the halves of ``x``, halves to even."""
    return tensorflow().round(round_to_half(x, profile))


def quantize(x: Tensor, factor: Tensor, low: Tensor, high: Tensor, profile: Profile, out: Any) -> Tensor:
    """Return the fixed-point integers clamp(round(x·factor)) as numbers of type ``out``.

    The product is exact (24 + 24 bits in float64) unless the profile applies position and scale one after
    the other in float32.

    Source: mlu-ops user guide, quantisation: q = clamp(round(x·s/2^p)).
    """
    tf = tensorflow()
    scaled = scaled_for_rounding(x, factor, profile)
    up = profile.fixed_point_rounding == "half-up"
    whole = _nearest(scaled, lambda above: _upwards(above) if up else _outwards(above, scaled))
    return tf.cast(tf.clip_by_value(whole, low, high), out)


def scaled_for_rounding(x: Tensor, factor: Tensor, profile: Profile) -> Tensor:
    """Return x·factor in float64, as the profile forms the product."""
    tf = tensorflow()
    if profile.fixed_point_scale == "position-scale":
        return tf.cast(tf.cast(x, tf.float32) * tf.cast(factor, tf.float32), tf.float64)
    return tf.cast(x, tf.float64) * factor


def _upwards(above: Tensor) -> Tensor:
    """Return 1 where half a step lies above the even number."""
    tf = tensorflow()
    return tf.cast(tf.equal(above, 0.5), above.dtype)


def _outwards(above: Tensor, x: Tensor) -> Tensor:
    """Return 1 or -1 where half a step lies beyond the even number, as seen from zero."""
    tf = tensorflow()
    positive, negative = tf.equal(above, 0.5) & (x > 0), tf.equal(above, -0.5) & (x < 0)
    return tf.cast(positive, x.dtype) - tf.cast(negative, x.dtype)


def rescale(total: Tensor, divisor: Tensor, float_bits: int, profile: Profile, out: Any) -> Tensor:
    """Turn an exact integer sum into a real number, rounded to the float type once."""
    tf = tensorflow()
    return rounded(tf.cast(total, tf.float64) / divisor, float_bits, profile, out)


def accumulate(*tensors: Tensor, sum_bits: int, float_bits: int, profile: Profile, out: Any) -> Tensor:
    """Add a partial integer sum, made real and rounded, to a running total, and round again.

    Args:
        tensors: running total (missing for the first part), integer sum of this part, divisor.
        sum_bits: bits of the float type of the partial sums.
        float_bits: bits of the result: ``sum_bits``, or those of the precision after the last part.
        profile: says how halves round.
        out: dtype of the result.
    """
    *total, part, divisor = tensors
    added = rescale(part, divisor, sum_bits, profile, out)
    if total:
        added = round_to_float(total[0] + added, sum_bits, profile)
    return round_to_float(added, float_bits, profile)


HALVES = "fp16 of halves"
"""Kind of a running sum in half whose terms are halves: it needs fewer steps, and gives the same bits."""


def _round_sum_of_halves(x: Tensor, profile: Profile) -> Tensor:
    """Round the sum of two halves, in float32, to half; bit for bit :func:`round_to_half`, which saturates.

    Halves are multiples of 2^-24, and so is their sum: below the normal halves it is a half already.
    """
    tf = tensorflow()
    rounded = _drop_mantissa_bits(_bits(x), x.dtype, profile.half_rounding)
    return tf.clip_by_value(rounded, -HALF_MAX, HALF_MAX)


def running_sum(terms: Tensor, kind: str, profile: Profile) -> Tensor:
    """Sum over the first axis, one term after the other, rounding after each addition.

    Args:
        terms: shape (k, …).
        kind: ``fp16`` rounds the running sum to half, as does ``HALVES``, of terms that are halves; ``fp32``
            and ``exact`` keep float32 and float64.
        profile: says how halves round.
    """
    tf = tensorflow()
    count, shape = tf.shape(terms)[0], tf.shape(terms)[1:]
    return running_total(count, lambda index: terms[index], shape, terms.dtype, kind, profile)


def running_total(
    count: Tensor, term: Callable[[Tensor], Tensor], shape: Tensor, dtype: Any, kind: str, profile: Profile
) -> Tensor:
    """Sum ``term(0)``, ``term(1)``, … one after the other, rounding after each addition.

    Args:
        count: of terms.
        term: returns a term, of ``shape`` and ``dtype``.
        shape: of every term.
        dtype: of every term.
        kind: type of the running sum, see :func:`running_sum`.
        profile: says how halves round.
    """
    tf = tensorflow()
    wide = tf.float64 if kind == "exact" or dtype == tf.float64 else tf.float32

    def step(index: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        added = total + tf.cast(term(index), wide)
        if kind == HALVES:
            added = _round_sum_of_halves(added, profile)
        elif kind == "fp16":
            added = round_to_half(added, profile)
        elif kind == "fp32":
            added = round_to_float(added, 32, profile)
        return index + 1, added

    start = tf.zeros(shape, wide)
    return tf.while_loop(lambda index, _: index < count, step, [tf.constant(0), start])[1]


def tabulated_tanh(x: Tensor, *, entries: int, float_bits: int, profile: Profile) -> Tensor:
    """Return tanh by linear interpolation in a float32 table of equal steps over [0, 8], odd, 1 beyond.

    Computed in float64, where the product of two float32 numbers is exact, and rounded to the float type.
    """
    import numpy as np

    tf = tensorflow()
    nodes = np.tanh(np.linspace(0, TANH_RANGE, entries + 1)).astype(np.float32).astype(np.float64)
    position = tf.minimum(tf.abs(tf.cast(x, tf.float64)), TANH_RANGE) * (entries / TANH_RANGE)
    index = tf.minimum(tf.cast(position, tf.int32), entries - 1)
    low, slope = tf.gather(nodes[:-1], index), tf.gather(np.diff(nodes), index)
    magnitude = low + slope * (position - tf.cast(index, tf.float64))
    return tf.cast(round_to_float(tf.sign(tf.cast(x, tf.float64)) * magnitude, float_bits, profile), x.dtype)
