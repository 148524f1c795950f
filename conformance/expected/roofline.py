"""The least time that one core of an MLU270 could need for a network: a bound, not an estimate.

Three terms that overlap at best: fixed-point operations on the tensor unit, everything else on the vector
unit, and what must cross DRAM once (filters, inputs, outputs; a fused network keeps the rest on chip). The
bound is the largest of the three.

Source: MLU270 data as in the ``[hardware]`` table of the device profile; S. Williams, A. Waterman, D.
Patterson, "Roofline: an insightful visual performance model for multicore architectures", CACM 52 (2009).
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.devices.emulator.profile import Hardware, ProfileFile
from conformance.files import read_toml
from conformance.graph.operators import AVERAGES, FIXED_POINT, MOVEMENT, SUMS, known

if TYPE_CHECKING:
    from conformance.evaluation.evaluation import Evaluation
    from conformance.precision import Precision

BITS_PER_BYTE = 8


@functools.cache
def hardware(model: str) -> Hardware | None:
    """Return what one core of this model can do at most, from the profile that describes it."""
    for path in sorted(locations.DEVICES.glob("*.toml")):
        profile = read_toml(path, ProfileFile, "device profile")
        if profile.model == model and profile.hardware is not None:
            return profile.hardware
    return None


def roofline(evaluation: Evaluation, precision: Precision) -> dict[str, Any] | None:
    """Return seconds of each term and their largest for one sample, or None for a model without data."""
    core = hardware(evaluation.device.info().model)
    if core is None:
        return None
    fixed, vector = operations(evaluation, precision)
    tensor_rate = getattr(core, f"{precision.fixed}_operations_per_second")
    vector_rate = getattr(core, f"{precision.floating}_operations_per_second")
    terms = {
        "tensor_seconds": fixed / tensor_rate,
        "vector_seconds": vector / vector_rate,
        "dram_seconds": dram_bytes(evaluation, precision) / core.dram_bytes_per_second,
    }
    return {**terms, "bound_seconds": max(terms.values()), "what": "lower bound for one core, never reached"}


def operations(evaluation: Evaluation, precision: Precision) -> tuple[float, float]:
    """Return (fixed-point, vector) operations of one sample; a multiply and an add count as two.

    A sum of k terms takes k vector operations, any other operator that computes takes one per element.
    """
    fixed = vector = 0.0
    for node in evaluation.store.manifest.nodes:
        size = math.prod(node.samples[0].shape)
        terms = evaluation.attains(node.name, precision).terms
        if node.op in FIXED_POINT:
            fixed += 2.0 * terms * size
        elif node.op in SUMS | AVERAGES:
            vector += float(terms) * size
        elif node.op not in MOVEMENT:
            vector += size
    return fixed, vector


def dram_bytes(evaluation: Evaluation, precision: Precision) -> float:
    """Return the bytes that must cross DRAM: fixed-point filters, inputs and outputs, each once."""
    graph = evaluation.network.graph
    filters = 0
    for node in graph.graph_def.node:
        if node.op in FIXED_POINT:
            value = graph.constant(node.input[known(node.op).data_arguments[1]])
            filters += 0 if value is None else value.size
    shapes = {node.name: node.samples[0].shape for node in evaluation.store.manifest.nodes}
    values = sum(feed.size for feed in evaluation.network.feeds(0).values())
    values += sum(math.prod(shapes[output.name]) for output in evaluation.network.outputs)
    return float(filters * precision.fixed_bits + values * precision.float_bits) / BITS_PER_BYTE
