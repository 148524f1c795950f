"""Sums and means over axes, one term after the other, as kernels that XLA compiles.

See :mod:`conformance.devices.emulator.kernels` for what such a kernel must keep to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import round_to_float, running_total
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.devices.emulator.profile import Profile

Tensor = Any


def reduce(
    x: Tensor,
    one: Tensor,
    *,
    passes: tuple[tuple[int, ...], ...],
    mean: bool,
    keep: bool,
    kind: str,
    float_bits: int,
    profile: Profile,
    term: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Sum or average over axes in one or several passes, each rounded to the float type.

    Args:
        x: the terms, of known rank.
        one: 1.0; the numbers of terms are multiplied with it, so that XLA does not know them.
        passes: the axes of each pass; within a pass the terms come in row-major order.
        mean: divide each pass by its number of terms.
        keep: keep reduced axes with length 1.
        kind: type of the running sum, see :func:`conformance.devices.emulator.kernels.running_sum`.
        float_bits: bits of the result.
        profile: says how halves round.
        term: makes what the first pass sums of ``x`` at one position of its axes; None: ``x`` itself.
    """
    tf = tensorflow()
    for axes in passes:
        total = _reduced_once(x, axes, term, kind=kind, profile=profile)
        if mean:
            count = tf.reduce_prod(tf.gather(tf.shape(x), tf.constant(axes, tf.int32)))
            total /= tf.cast(count, total.dtype) * tf.cast(one, total.dtype)
        x, term = tf.cast(round_to_float(total, float_bits, profile), x.dtype), None
    reduced = [axis for axes in passes for axis in axes]
    return x if keep or not reduced else tf.squeeze(x, reduced)


def reduce_squares(
    x: Tensor,
    center: Tensor,
    one: Tensor,
    *,
    passes: tuple[tuple[int, ...], ...],
    square_bits: int,
    profile: Profile,
    **settings: Any,
) -> Tensor:
    """Sum or average (x − center)², each rounded by itself, without storing the squares.

    Args:
        x: of known rank.
        center: of the same rank, with length 1 along the axes of the first pass.
        one: 1.0; squares are multiplied with it, so that none is added to anything in one instruction.
        passes: see :func:`reduce`.
        square_bits: bits of the float type of a square.
        profile: says how halves round.
        settings: what else :func:`reduce` takes.
    """
    tf = tensorflow()
    middle = tf.squeeze(center, passes[0])

    def term(part: Tensor) -> Tensor:
        difference = part - middle
        square = round_to_float(difference * difference, square_bits, profile.of_products)
        return square * tf.cast(one, x.dtype)

    return reduce(x, one, passes=passes, profile=profile, term=term, **settings)


def _reduced_once(
    x: Tensor, axes: tuple[int, ...], term: Callable[[Tensor], Tensor] | None, *, kind: str, profile: Profile
) -> Tensor:
    """Reduce ``axes`` to length 1."""
    tf = tensorflow()
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    shape = tf.unstack(tf.shape(x))
    at, terms = _terms_in_a_row(x, axes, kept, shape)

    def one_term(index: Tensor) -> Tensor:
        part = terms[(slice(None),) * at + (index,)]
        return part if term is None else term(part)

    count = tf.shape(terms)[at]
    total = running_total(count, one_term, [shape[axis] for axis in kept], x.dtype, kind, profile)
    return tf.reshape(total, [1 if axis in axes else shape[axis] for axis in range(x.shape.rank)])


def _terms_in_a_row(
    x: Tensor, axes: Sequence[int], kept: Sequence[int], shape: Sequence[Tensor]
) -> tuple[int, Tensor]:
    """Return which axis has all terms in their order, and ``x`` with it: neighbouring axes are not moved."""
    tf = tensorflow()
    at = axes[0] if axes else 0
    if tuple(axes) != tuple(range(at, at + len(axes))):
        x, at = tf.transpose(x, [*axes, *kept]), 0
    lengths = [shape[axis] for axis in kept]
    return at, tf.reshape(x, [*lengths[:at], -1, *lengths[at:]])
