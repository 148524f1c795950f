"""Naive calibration: the largest magnitude of every fixed-point input and filter, over all samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.graph.dataflow import unobservable
from conformance.graph.editing import plain, reduced
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import producer
from conformance.graph.operators import FIXED_POINT, known
from conformance.graph.retype import to_float64
from conformance.numerics.fixed_point import quantization_scale
from conformance.quantization.parameter_file import QuantizationScales, as_written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.graph.frozen import FrozenGraph, Node

RANGE_PREFIX = "calibration/"


def quantized_tensors(graph: FrozenGraph) -> dict[str, str]:
    """Return the tensor behind each key of the parameter file: ``<node>/input`` and ``<node>/filter``."""
    tensors = {}
    for node in graph.nodes.values():
        if node.op in FIXED_POINT:
            for which, position in zip(("input", "filter"), known(node.op).data_arguments, strict=True):
                tensors[f"{node.name}/{which}"] = node.input[position]
    return tensors


def largest_magnitudes(
    graph: FrozenGraph, samples: Iterable[Mapping[str, np.ndarray[Any, Any]]]
) -> dict[str, float]:
    """Return max|x| of each quantised tensor over ``samples``, computed in float64 on the CPU.

    Args:
        graph: the network.
        samples: feeds, one mapping per sample.

    Raises:
        UsageError: a tensor lies inside a TensorFlow 1 loop or branch.
    """
    tensors = quantized_tensors(graph)
    if not tensors:
        return {}
    hidden = unobservable(graph)
    for key, tensor in tensors.items():
        if producer(tensor) in hidden:
            raise UsageError(
                f"{key!r} in {graph.source} cannot be calibrated: {tensor!r} lies inside a TensorFlow 1 loop "
                "or branch, where values cannot be seen; unroll the loop before freezing"
            )
    wide, _ = to_float64(graph)
    ranges = [node for key, tensor in tensors.items() for node in _range_nodes(key, tensor)]
    fetches = [f"{RANGE_PREFIX}{key}" for key in tensors]
    measuring = wide.replaced([*wide.nodes.values(), *ranges], outputs=fetches).prune(fetches)
    run = GraphRunner(measuring, fetches)
    largest = dict.fromkeys(tensors, 0.0)
    for feeds in samples:
        results = run({name: feeds[name] for name in run.feeds})
        # NumPy's maximum, unlike Python's, hands on a NaN
        largest = {
            key: float(np.maximum(value, results[RANGE_PREFIX + key])) for key, value in largest.items()
        }
    return largest


def calibrate(largest: Mapping[str, float], bits: int) -> QuantizationScales:
    """Return the naive scales (2^(bits-1) - 1) / max|x|, to the digits that the parameter file keeps.

    Raises:
        UsageError: a tensor is zero or not finite on all samples, so that it has no scale.
    """
    scales = {}
    for key, value in largest.items():
        try:
            scales[key] = as_written(quantization_scale(value, bits))
        except ValueError as error:  # noqa: PERF203 - the error names the tensor
            raise UsageError(
                f"{key!r} cannot be quantised: max|x| is {value} over all samples ({error})"
            ) from error
    return QuantizationScales(bits=bits, scales=scales)


def _range_nodes(key: str, tensor: str) -> list[Node]:
    """Return nodes that reduce ``tensor`` to max|x|."""
    name = RANGE_PREFIX + key
    magnitude = plain(f"{name}/abs", "Abs", [tensor], T="float64")
    return [magnitude, *reduced(name, "Max", magnitude.name, "float64")]
