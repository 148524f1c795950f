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
from conformance.cached_methods import cached_method
from conformance.devices.emulator.profile import Hardware, ProfileFile
from conformance.files import read_toml
from conformance.graph.operators import (
    AVERAGES,
    FIXED_POINT,
    FLOAT_PRODUCTS,
    MOVEMENT,
    PRODUCT_SUMS,
    SUMS,
    known,
)

if TYPE_CHECKING:
    from conformance.expected.expectations import Expectations
    from conformance.precision import Precision

SUMMING = FIXED_POINT | FLOAT_PRODUCTS | SUMS | AVERAGES
BITS_PER_BYTE = 8
MODEL = "MLU270"
"""Whose speed is modelled for a device of which nothing is known."""


@functools.cache
def hardware(model: str) -> Hardware | None:
    """Return what one core of this model can do at most, from the profile that describes it."""
    for path in sorted(locations.DEVICES.glob("*.toml")):
        profile = read_toml(path, ProfileFile, "device profile")
        if profile.model == model and profile.hardware is not None:
            return profile.hardware
    return None


def roofline(expected: Expectations, model: str, precision: Precision) -> dict[str, Any] | None:
    """Return seconds of each term and their largest for one sample, or None for a model without data."""
    core = hardware(model)
    if core is None:
        return None
    fixed, vector = operations(expected, precision)
    tensor_rate = getattr(core, f"{precision.fixed}_operations_per_second")
    vector_rate = getattr(core, f"{precision.floating}_operations_per_second")
    terms = {
        "tensor_seconds": fixed / tensor_rate,
        "vector_seconds": vector / vector_rate,
        "dram_seconds": dram_bytes(expected, precision) / core.dram_bytes_per_second,
    }
    return {**terms, "bound_seconds": max(terms.values()), "what": "lower bound for one core, never reached"}


def operations(expected: Expectations, precision: Precision) -> tuple[float, float]:
    """Return (fixed-point, vector) operations of one sample; a multiply and an add count as two.

    A sum of k terms takes k vector operations, any other operator that computes takes one per element.
    """
    fixed = vector = 0.0
    expected.need(node.name for node in expected.store.manifest.nodes if node.op in SUMMING)
    for node in expected.store.manifest.nodes:
        size = math.prod(node.samples[0].shape)
        terms = expected.attains(node.name, precision).terms if node.op in SUMMING else 0
        if node.op in FIXED_POINT:
            fixed += 2.0 * terms * size
        elif node.op in FLOAT_PRODUCTS:
            vector += 2.0 * terms * size
        elif node.op in SUMS | AVERAGES:
            vector += float(terms) * size
        elif node.op not in MOVEMENT:
            vector += size
    return fixed, vector


def dram_bytes(expected: Expectations, precision: Precision) -> float:
    """Return the bytes that must cross DRAM: filters of products, inputs and outputs, each once."""
    graph = expected.network.graph
    bits = 0
    for node in graph.nodes.values():
        if node.op in PRODUCT_SUMS:
            value = graph.constant(node.input[known(node.op).data_arguments[1]])
            width = precision.fixed_bits if node.op in FIXED_POINT else precision.float_bits
            bits += 0 if value is None else value.size * width
    shapes = {node.name: node.samples[0].shape for node in expected.store.manifest.nodes}
    values = sum(feed.size for feed in expected.network.feeds(0).values())
    values += sum(math.prod(shapes[output.name]) for output in expected.network.outputs)
    return float(bits + values * precision.float_bits) / BITS_PER_BYTE


class ModelledTime:
    """The least time of a network on one core of a device's model, or of an MLU270 where that has no data.

    Args:
        expected: of the network.
        model: what the device is.

    Attributes:
        model: whose time it is.
    """

    def __init__(self, expected: Expectations, model: str) -> None:
        self._expected, self._asked = expected, model
        self.model = model if hardware(model) else MODEL

    @property
    def remark(self) -> str:
        """What a reader should know of whose time it is, or ''."""
        if self.model == self._asked:
            return ""
        return f"modelled times are those of one core of an {self.model}: nothing is known of {self._asked!r}"

    @cached_method
    def seconds(self, precision: Precision) -> float | None:
        """Return the least time of one sample at a precision, without what crosses to a host."""
        found = roofline(self._expected, self.model, precision)
        return None if found is None else float(found["bound_seconds"])
