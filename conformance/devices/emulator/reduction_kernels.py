"""Sums and means over axes, one term after the other, as kernels that XLA compiles.

See :mod:`conformance.devices.emulator.kernels` for what such a kernel must keep to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import round_to_float, running_total
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    """
    tf = tensorflow()
    for axes in passes:
        total = _reduced_once(x, axes, kind=kind, profile=profile)
        if mean:
            count = tf.reduce_prod(tf.gather(tf.shape(x), tf.constant(axes, tf.int32)))
            total /= tf.cast(count, total.dtype) * tf.cast(one, total.dtype)
        x = tf.cast(round_to_float(total, float_bits, profile), x.dtype)
    reduced = [axis for axes in passes for axis in axes]
    return x if keep or not reduced else tf.squeeze(x, reduced)


def _reduced_once(x: Tensor, axes: tuple[int, ...], *, kind: str, profile: Profile) -> Tensor:
    """Reduce ``axes`` to length 1."""
    tf = tensorflow()
    kept = [axis for axis in range(x.shape.rank) if axis not in axes]
    shape = tf.unstack(tf.shape(x))
    at, terms = _terms_in_a_row(x, axes, kept, shape)

    def one_term(index: Tensor) -> Tensor:
        return terms[(slice(None),) * at + (index,)]

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
