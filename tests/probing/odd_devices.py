"""Devices with arithmetic that no switch of a profile has, and what a probe must say of each.

They compute with NumPy, one rounding at a time, and share no code with what describes them.
"""

import numpy as np
from examples.numpy_device import NumpyDevice

DIGITS_OF_HALF = 11


def cut(values, digits):
    """Return float64 numbers with so many significant binary digits, to nearest, ties to even."""
    fraction, exponent = np.frexp(values)
    return np.ldexp(np.rint(np.ldexp(fraction, digits)), exponent - digits)


class Odd(NumpyDevice):
    """Sums one term after the other in float32, unless a device says otherwise; integers exactly."""

    digits = 24

    def rounded(self, value):
        return cut(value, self.digits)

    def tree(self, terms):
        """Return sums along the first axis of float64 numbers."""
        total = np.zeros(terms.shape[1:])
        for term in terms:
            total = self.rounded(total + term)
        return total

    def added(self, terms):
        return self.tree(np.moveaxis(terms.astype(np.float64), -1, 0))

    def averaged(self, terms):
        return self.added(terms) / terms.shape[-1]

    def product_sums(self, inputs, filters, scales, dtype):
        """Return sums of products of integers."""
        del dtype
        input_scale, filter_scale, bits = scales
        ends = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        first, second = (
            np.clip(np.rint(np.asarray(value, np.float64) * scale), *ends)
            for value, scale in ((inputs, input_scale), (filters, filter_scale))
        )
        return self.integer_sums(first, second) / (input_scale * filter_scale)

    def integer_sums(self, first, second):
        return first @ second

    def computed(self, op, operands):
        return super().computed(op, [operand.astype(np.float64) for operand in operands])


class BlocksOf16(Odd):
    """Partial sums of 16 neighbours, one after the other; then the partial sums."""

    size = 16

    def tree(self, terms):
        padded = np.concatenate([terms, np.zeros((-len(terms) % self.size, *terms.shape[1:]))])
        blocks = [super(BlocksOf16, self).tree(part) for part in np.split(padded, len(padded) // self.size)]
        return super().tree(np.array(blocks))


class BlocksOf64(BlocksOf16):
    """Partial sums of 64."""

    size = 64


class Pairwise(Odd):
    """Neighbours are added, then neighbouring sums, and so on."""

    def tree(self, terms):
        while len(terms) > 1:
            if len(terms) % 2:
                terms = np.concatenate([terms, np.zeros((1, *terms.shape[1:]))])
            terms = self.rounded(terms[0::2] + terms[1::2])
        return terms[0]


class Lanes32(Odd):
    """32 running sums side by side, term i in lane i mod 32; then lane after lane."""

    def tree(self, terms):
        padded = np.concatenate([terms, np.zeros((-len(terms) % 32, *terms.shape[1:]))])
        lanes = [super(Lanes32, self).tree(padded[lane::32]) for lane in range(32)]
        return super().tree(np.array(lanes))


class Backward(Odd):
    """The last term first."""

    def tree(self, terms):
        return super().tree(terms[::-1])


class Accumulator20(Odd):
    """A running sum of 20 binary digits."""

    digits = 20


class Accumulator16Blocks(BlocksOf16):
    """Partial sums of 16 terms in 16 binary digits."""

    digits = 16


class TruncatingAccumulator(Odd):
    """A running sum of 24 digits that drops what does not fit, as some matrix units do."""

    def rounded(self, value):
        fraction, exponent = np.frexp(value)
        return np.ldexp(np.trunc(np.ldexp(fraction, 24)), exponent - 24)


class Stochastic(Odd):
    """Halves are rounded up or down by chance."""

    def __init__(self):
        self._random = np.random.default_rng(1)

    def stored(self, values, dtype):
        if dtype != np.float16:
            return super().stored(values, dtype)
        wide = np.asarray(values, np.float64)
        fraction, exponent = np.frexp(wide)
        steps = np.ldexp(fraction, DIGITS_OF_HALF)
        whole = np.floor(steps + self._random.random(wide.shape))
        return np.where(np.isfinite(wide), np.ldexp(whole, exponent - DIGITS_OF_HALF), wide).astype(dtype)


class FloorOnConversion(Odd):
    """What becomes a half is rounded down."""

    def stored(self, values, dtype):
        if dtype != np.float16:
            return super().stored(values, dtype)
        wide = np.asarray(values, np.float64)
        near = wide.astype(np.float16)
        below = np.nextafter(near, np.float16(-np.inf))
        return np.where(near.astype(np.float64) > wide, below, near)


class Int32WrapAround(Odd):
    """Products of integers are summed in 32 bits that wrap around."""

    def integer_sums(self, first, second):
        exact = first.astype(np.int64) @ second.astype(np.int64)
        return exact.astype(np.int32).astype(np.float64)


class Int24Saturating(Odd):
    """Products of integers are summed in 24 bits that saturate."""

    def integer_sums(self, first, second):
        total = np.zeros((len(first), second.shape[1]))
        for term in range(first.shape[1]):
            total = np.clip(total + np.outer(first[:, term], second[term]), -(2**23), 2**23 - 1)
        return total


class Rsqrt12(Odd):
    """Rsqrt has 12 good bits."""

    def function(self, op, x):
        exact = super().function(op, x.astype(np.float64))
        return cut(exact, 12) if op == "Rsqrt" else exact


class Tanh32(Odd):
    """Tanh by straight lines between 33 places over [0, 8]."""

    def function(self, op, x):
        wide = x.astype(np.float64)
        if op != "Tanh":
            return super().function(op, wide)
        places = np.linspace(0, 8, 33)
        return np.sign(wide) * np.interp(np.abs(wide), places, np.tanh(places))


class FlushingSubnormals(Odd):
    """Halves below the normal ones are zero."""

    def stored(self, values, dtype):
        stored = super().stored(values, dtype)
        return (
            np.where(np.abs(stored) < np.finfo(dtype).tiny, stored * 0, stored)
            if dtype == np.float16
            else stored
        )


ODD = (
    (
        BlocksOf16,
        "Sum",
        "in blocks of 16, each one after the other, the blocks one after the other, kept in float32",
    ),
    (
        BlocksOf64,
        "Sum",
        "in blocks of 64, each one after the other, the blocks one after the other, kept in float32",
    ),
    (Pairwise, "Sum", "in pairs of neighbours, and pairs of pairs, kept in float32"),
    (Lanes32, "Sum", "in 32 lanes, each one after the other, the lanes one after the other, kept in float32"),
    (Backward, "Sum", "one after the other, the last one first, kept in float32"),
    (Accumulator20, "Sum", "one after the other, kept in 20 binary digits, rounded to nearest, ties to even"),
    (
        Accumulator16Blocks,
        "Mean",
        "in blocks of 16, each one after the other, the blocks one after the other, kept in 16",
    ),
    (TruncatingAccumulator, "Sum", "one after the other, kept in float32 (24 digits), rounded toward zero"),
    (Stochastic, "results of Add", "stochastic"),
    (FloorOnConversion, "results of Add", "halves, rounded down"),
    (Int32WrapAround, "sums of integer products", "wraps around at 32 bits"),
    (Int24Saturating, "sums of integer products", "saturates at 24 bits"),
    (Rsqrt12, "Rsqrt", "that is 12.2 bits"),
    (Tanh32, "Tanh", "a table with linear interpolation, corners every 0.25 (32 in 8)"),
    (FlushingSubnormals, "what is fed", "subnormals are zero"),
)
"""Devices, and what is said of which subject at one precision at least."""
