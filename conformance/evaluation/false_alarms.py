"""False alarms: nodes that deviate on devices that are right by another way. There must be none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.devices.cpu import CpuDevice
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.enclosing.enclosure import enclosure
from conformance.expected.golden_feeds import golden_feeds
from conformance.expected.sensitivity.faults import stored
from conformance.expected.sensitivity.winograd import Winograd, is_computed_by
from conformance.graph.operators import known

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.expected.expectations import Expectations
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

BY_AXES = "reduction_sum=fp32,reduction_order"
"""Sums that are stored between axes."""
OTHER_WAYS: Mapping[str, str] = {
    "ties away from zero, tiny halves kept": "half_rounding=ties-away,half_tiny=smallest",
    "halves of quantised numbers up": "fixed_point_rounding=half-up",
    "position and scale one by one": "fixed_point_scale=position-scale",
    "symmetric fixed point": "fixed_point_range=symmetric",
    "products added in float32": "convolution_sums=fp32",
    "running sums in float32, one axis at a time": f"{BY_AXES}=first-axis-first",
    "running sums in float32, last axis first": f"{BY_AXES}=last-axis-first",
    "elementwise operators in float32": "arithmetic=float32",
    "softmax in stored steps": f"softmax_steps=rounded,{BY_AXES}=first-axis-first",
    "intermediates not stored": "fused_intermediates=fp32",
    "batch norms and resizes in stored steps": "batch_norm_steps=rounded,resize_steps=rounded",
    "folded batch norms": "batch_norm_steps=folded",
    "division by the reciprocal": "real_div=reciprocal",
}
"""Switches of the ideal profile that make a device that is right by another way."""
STOCK = "TensorFlow's own float32 kernels, what is in fixed point aside"


WINOGRAD = "convolutions of 3 x 3 by Winograd's algorithm in float32"


class Alarm(msgspec.Struct, frozen=True):
    """What a right device gave cause to.

    Attributes:
        device: in which way it is right.
        precision: fixed-point × float width.
        nodes: how many were judged.
        false: those that deviate.
        worst: the largest of what was compared, over what is allowed of it.
    """

    device: str
    precision: str
    nodes: int
    false: list[str]
    worst: float


def false_alarms(
    expected: Expectations, nodes: Sequence[str], precisions: Sequence[Precision]
) -> Iterator[Alarm]:
    """Yield what every right device gives cause to, precision by precision.

    Stock TensorFlow is one at fp32, at nodes that are not computed in fixed point; Winograd's algorithm is
    one at those that are.
    """
    chosen = [node for node in nodes if expected.right.derivable(node)]
    for title, switches in OTHER_WAYS.items():
        device = EmulatorDevice(read_profile(f"{locations.IDEAL},{switches}", locations.DEVICES))
        judged = [node for node in chosen if right_at(expected.right.part(node), switches)]
        if judged:
            yield from _judged(title, Evaluation(device, expected, judged), precisions)
    floats = [node for node in chosen if not expected.right.quantises(node)]
    if floats:
        single = [precision for precision in precisions if precision.floating == "fp32"]
        yield from _judged(STOCK, Evaluation(CpuDevice(), expected, floats), single[:1])
    convolved = [node for node in chosen if is_computed_by(expected.right.part(node))]
    for precision in precisions if convolved else ():
        yield _by_winograd(expected, convolved, precision)


def right_at(part: FrozenGraph, switches: str) -> bool:
    """Return whether a device with these switches is right where a graph is computed.

    Nothing was seen of the sums of a window, so that what one axis of it comes to may not be stored before
    the other is added.
    """
    operators = (known(node.op) for node in part.nodes.values())
    windows = any(kind.reduces == "window" and kind.running_sum for kind in operators)
    return not (windows and BY_AXES in switches)


def _by_winograd(expected: Expectations, nodes: Sequence[str], precision: Precision) -> Alarm:
    """Return what becomes of nodes on their first sample if Winograd's algorithm sums their products."""
    scales, ratios = expected.scales(precision.fixed_bits), {}
    for node in nodes:
        part = expected.right.part(node)
        feeds = golden_feeds(expected.store, part.inputs, 0)
        rule = Winograd(scales.bits, scales.scales)
        value = enclosure(part, feeds, precision, scales, 0.0, fixed_point=rule).value
        result = stored(value, precision.float_bits)
        ratios[node] = expected.right.derived(node, precision, 0, result).ratio
    false = [node for node, ratio in ratios.items() if ratio > 1]
    return Alarm(WINOGRAD, str(precision), len(nodes), false, max(ratios.values()))


def _judged(title: str, evaluation: Evaluation, precisions: Sequence[Precision]) -> Iterator[Alarm]:
    for precision in precisions:
        found = evaluation.own(precision)
        ratios = [
            item.verdict.conformity.ratio
            for item in found.values()
            if item.verdict is not None and item.verdict.conformity is not None
        ]
        false = [node for node, item in found.items() if item.outcome in ("deviates", "broken")]
        yield Alarm(title, str(precision), len(found), false, max(ratios, default=0.0))
