"""Measuring what is caught at the nodes of a network, and counting false alarms on right devices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import numpy as np

from conformance.expected.enclosing.enclosure import enclosure
from conformance.expected.golden_feeds import golden_feeds
from conformance.expected.sensitivity.faults import OF_RESULTS, PASSES, Found, Place
from conformance.expected.sensitivity.fixed_point_faults import FAULTS, SCALE_ERRORS, FaultyFixedPoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.expected.expectations import Expectations
    from conformance.precision import Precision

HALF = 16


class Sensitivity(msgspec.Struct, frozen=True):
    """What is caught at a node at a precision.

    Attributes:
        node: the node.
        op: its operator.
        precision: fixed-point × float width.
        fixed_point: whether what computes it from goldens computes in fixed point.
        faults: by fault, the smallest size that is caught, or ``caught``, ``passes``, or ``no effect``.
    """

    node: str
    op: str
    precision: str
    fixed_point: bool
    faults: dict[str, float | str]


def measured(
    expected: Expectations, nodes: Sequence[str], precisions: Sequence[Precision]
) -> Iterator[Sensitivity]:
    """Yield what is caught, node by node and precision by precision, on the first sample.

    Nodes for which nothing is derived are left out.
    """
    for node in nodes:
        if not expected.right.derivable(node):
            continue
        for precision in precisions:
            fixed = expected.right.quantises(node)
            place = _place(expected, node, precision)
            faults: dict[str, Found] = {name: fault(place) for name, fault in OF_RESULTS.items()}
            if precision.float_bits == HALF:
                del faults["kept in half"]
            elif not fixed:
                del faults["in float32"]  # which it should be
            if fixed:
                faults |= _in_fixed_point(expected, node, precision, place)
            op = expected.store.network.graph.nodes[node].op
            yield Sensitivity(node, op, str(precision), fixed, faults)


def _place(expected: Expectations, node: str, precision: Precision) -> Place:
    found = expected.right.enclosure(node, precision, 0)
    several = expected.network.samples > 1
    other = expected.right.enclosure(node, precision, 1).value if several else None
    golden = np.asarray(expected.store.get(node, 0))
    return Place(*found, precision.float_bits, golden, other)


def _in_fixed_point(
    expected: Expectations, node: str, precision: Precision, place: Place
) -> dict[str, Found]:
    """Return what is caught of faults inside the fixed-point operators that a node is computed by."""
    scales = expected.scales(precision.fixed_bits)
    part = expected.right.part(node)
    feeds = golden_feeds(expected.store, part.inputs, 0)

    def result(**fault: object) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        rule = FaultyFixedPoint(scales.bits, scales.scales, **fault)  # type: ignore[arg-type]
        value = enclosure(part, feeds, precision, scales, 0.0, fixed_point=rule).value
        return place.stored(value)

    smallest = (size for size in SCALE_ERRORS if place.catches(result(scale_error=size)))
    found: dict[str, Found] = {"input scale": next(smallest, PASSES)}
    return found | {name: place.verdict(result(**fault)) for name, fault in FAULTS.items()}
