"""Folding batch norms into filters and biases, as deployments do before they quantise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet.layers import LOGITS, layers
from mobilenet.model import EPSILON

if TYPE_CHECKING:
    from collections.abc import Mapping

    Array = np.ndarray[Any, Any]


def folded(trained: Mapping[str, Array]) -> dict[str, Array]:
    """Return filters and biases of the network without batch norms, computed in float64, as float32.

    ``gamma (w * x - mean) / sqrt(variance + epsilon) + beta`` is ``(s w) * x + (beta - s mean)`` with
    ``s = gamma / sqrt(variance + epsilon)`` per output channel.

    Args:
        trained: variables by the names of :func:`mobilenet.layers.trained_shapes`.
    """
    values: dict[str, Array] = {}
    for layer in layers():
        gamma, beta, mean, variance = (
            trained[layer.norm(part)].astype(np.float64)
            for part in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        scale = gamma / np.sqrt(variance + EPSILON)
        per_filter = scale[:, None] if layer.depthwise else scale
        values[layer.kernel] = (trained[layer.kernel] * per_filter).astype(np.float32)
        values[f"{layer.name}/biases"] = (beta - scale * mean).astype(np.float32)
    return values | {name: trained[name] for name in (f"{LOGITS}/weights", f"{LOGITS}/biases")}
