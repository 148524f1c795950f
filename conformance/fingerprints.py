"""Fingerprints: what git keeps of a golden, so that one made anywhere can be told right from wrong."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from conformance.errors import GoldenError
from conformance.files import sha256

Array = np.ndarray[Any, Any]
SAMPLED_VALUES = 4
NORM_TOLERANCE = 1e-6
"""Relative: norms of goldens from a CPU whose last bits differ must agree this well."""


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is kept in git of one node's golden on one sample.

    ``values`` are samples at flat ``positions``, as float32; ``norm`` is Euclidean, in float64.
    """

    shape: list[int]
    sha256: str
    norm: float
    positions: list[int]
    values: list[float]
    dtype: Literal["float32"] = "float32"


def fingerprint(value: Array, what: str = "a golden") -> Fingerprint:
    """Return what git keeps of a float32 tensor.

    Raises:
        GoldenError: it is empty or not finite.
    """
    flat = _flat(value)
    if not flat.size:
        raise GoldenError(
            f"{what} is empty (shape {'x'.join(map(str, value.shape))}): the network finds nothing there on "
            "these inputs, so that nothing can be judged; give inputs on which it does, or cut that off"
        )
    if not np.isfinite(flat).all():
        raise GoldenError(f"{what} holds NaN or Inf: the network itself is wrong on these inputs")
    positions = [int(position) for position in np.linspace(0, flat.size - 1, SAMPLED_VALUES).astype(np.int64)]
    return Fingerprint(
        shape=list(value.shape),
        sha256=tensor_sha256(value),
        norm=_norm(flat),
        positions=positions,
        values=[float(flat[position]) for position in positions],
    )


def tensor_sha256(value: Array) -> str:
    """Return the SHA-256 of a tensor's bytes as little-endian float32 in row-major order."""
    return sha256(_flat(value).data)


def last_bits_differ(value: Array, expected: Fingerprint, where: str) -> bool:
    """Return whether a freshly made tensor differs from its fingerprint, but in last bits only.

    A CPU whose last bits differ is accepted when every sampled value agrees within one float32 ulp and the
    norm within 1e-6.

    Args:
        value: the tensor.
        expected: its fingerprint.
        where: the file, for the error.

    Raises:
        GoldenError: the difference is larger; names file, expected and found.
    """
    if not alike(value, expected):
        raise mismatch(value, expected, where)
    if tensor_sha256(value) == expected.sha256:
        return False
    flat, wanted = _flat(value), np.array(expected.values, np.float32)
    found = flat[expected.positions].astype(np.float64)
    near = np.abs(found - wanted) <= np.spacing(np.abs(wanted))
    if not near.all() or not abs(_norm(flat) - expected.norm) <= NORM_TOLERANCE * expected.norm:
        raise mismatch(value, expected, where)
    return True


def alike(value: Array, expected: Fingerprint) -> bool:
    """Return whether dtype and shape are the expected ones."""
    return value.dtype == np.dtype(expected.dtype) and list(value.shape) == expected.shape


def mismatch(value: Array, expected: Fingerprint, where: str) -> GoldenError:
    """Return the error that says how a tensor differs from its fingerprint."""
    found: dict[str, Any] = {"dtype": str(value.dtype), "shape": list(value.shape)}
    if alike(value, expected):
        flat = _flat(value)
        values = [float(flat[position]) for position in expected.positions]
        found = {"sha256": tensor_sha256(value), "norm": _norm(flat), "values": values}
    what = [
        f"{key} {is_now}, expected {getattr(expected, key)}"
        for key, is_now in found.items()
        if is_now != getattr(expected, key)
    ]
    return GoldenError(
        f"golden {where} is not what the manifest says: {'; '.join(what)}; delete it to make it anew"
    )


def _flat(value: Array) -> Array:
    return np.ascontiguousarray(value, "<f4").reshape(-1)


def _norm(flat: Array) -> float:
    with np.errstate(invalid="ignore", over="ignore"):
        return float(np.linalg.norm(flat.astype(np.float64)))
