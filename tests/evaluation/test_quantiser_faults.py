"""Faults inside operators, each alone: quantisers that wrap or cut off, tables. Winograd's sums are right.

A largest magnitude that was calibrated is never beyond the range. Scales are 5 % larger here, for the device
and for the judge alike, so that a right device clamps.
"""

import numpy as np
import pytest
from support.emulation import emulated, frozen, naive_scales, placeholder
from support.kept_network import MEANS, kept_network
from support.small_evaluation import expectations

from conformance.expected.enclosing.enclosure import enclosure
from conformance.expected.golden_feeds import golden_feeds
from conformance.expected.right_devices import RightDevices
from conformance.expected.sensitivity.faults import stored
from conformance.expected.sensitivity.fixed_point_faults import FaultyFixedPoint, floor, towards_zero
from conformance.expected.sensitivity.winograd import Winograd, is_computed_by
from conformance.graph.operators import FIXED_POINT
from conformance.judging.conformity import conformity
from conformance.precision import PRECISIONS, parse_precision
from conformance.quantization.parameter_file import QuantizationScales

LARGER = 1.05


def larger_scales(bits):
    scales = expectations().scales(bits).scales
    return QuantizationScales(bits, {key: float(np.float32(LARGER * scale)) for key, scale in scales.items()})


def fixed_point_nodes():
    graph = kept_network().store.network.graph
    return [
        node.name for node in expectations().store.manifest.key if graph.nodes[node.name].op in FIXED_POINT
    ]


def conforming(precision, **fault):
    """Return which fixed-point nodes conform on a device whose quantiser has this fault."""
    expected = expectations()
    right = RightDevices(expected.store, larger_scales, 3.0, {})
    found = {}
    for node in fixed_point_nodes():
        part, scales = right.part(node), larger_scales(precision.fixed_bits)
        feeds = golden_feeds(expected.store, part.inputs, 0)
        rule = FaultyFixedPoint(scales.bits, scales.scales, **fault)
        value = enclosure(part, feeds, precision, scales, 0.0, fixed_point=rule).value
        result = stored(value, precision.float_bits)
        found[node] = right.derived(node, precision, 0, result).conforms
    return found


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_a_quantiser_that_clamps_conforms_at_every_node(precision):
    assert set(conforming(precision).values()) == {True}


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize(
    "fault",
    [{"wraps": True}, {"quantise": floor}, {"quantise": towards_zero}],
    ids=["wraps", "floors", "truncates"],
)
def test_a_quantiser_with_one_fault_is_caught_at_every_node(fault, precision):
    assert set(conforming(precision, **fault).values()) == {False}


def test_a_tanh_from_a_table_is_caught_at_fp16_where_there_are_enough_values_to_tell():
    half = np.arange(2**16, dtype=np.uint16).view(np.float16).astype(np.float32)
    values = half[(np.abs(half) > 0.125) & (np.abs(half) < 1.4)]
    graph = frozen(lambda tf: tf.tanh(placeholder(tf, "x", values.shape), name="out"), "out")
    feeds, precision = {"x": values}, parse_precision("int8-fp16")
    scales = naive_scales(graph, feeds, 8)
    right = enclosure(graph, feeds, precision, scales, 3.0)

    def held(switches):
        result = emulated(graph, feeds, str(precision), request=f"ideal{switches}", scales=scales)
        return conformity(right.value, right.radius, result, 16, chance=right.chance)

    assert held("").conforms
    assert held(",half_rounding=ties-away").conforms
    assert held(",tanh=table-256").lean > 1


@pytest.mark.parametrize("precision", ["int8-fp32", "int16-fp32"])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_winograds_sums_are_right_and_differ(padding, precision):
    random = np.random.default_rng(3)
    feeds = {"x": random.normal(0, 2, (2, 7, 8, 5)).astype(np.float32)}
    filters = random.normal(0, 1, (3, 3, 5, 4)).astype(np.float32)

    def build(tf):
        tf.nn.conv2d(placeholder(tf, "x", (2, 7, 8, 5)), filters, 1, padding, name="out")

    graph, chosen = frozen(build, "out"), parse_precision(precision)
    scales = naive_scales(graph, feeds, chosen.fixed_bits)
    assert is_computed_by(graph)
    right = enclosure(graph, feeds, chosen, scales, 3.0)
    rule = Winograd(scales.bits, scales.scales)
    value = enclosure(graph, feeds, chosen, scales, 0.0, fixed_point=rule).value
    assert conformity(*right[:2], stored(value, chosen.float_bits), chosen.float_bits).conforms
    if precision == "int16-fp32":
        assert not np.array_equal(value, right.value)


def test_winograds_algorithm_is_not_for_other_windows():
    right = expectations().right
    assert is_computed_by(right.part("bare/Conv2D"))
    assert not is_computed_by(right.part("wide/Conv2D"))
    assert not is_computed_by(right.part(MEANS[0]))
