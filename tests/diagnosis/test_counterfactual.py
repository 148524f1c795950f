"""Goldens in place of nodes: as if these were exact, and nothing else were changed."""

import functools

import pytest
from diagnosis.planted import FAULTS
from diagnosis.planted_network import expectations, planted_store
from diagnosis.planting import dependents
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.forward_passes import ForwardPasses
from conformance.evaluation.evaluation import Evaluation
from conformance.precision import parse_precision

PRECISION = parse_precision("int8-fp32")
FAULT = "concat_order"


def store():
    return planted_store()


def inner_nodes():
    return [node.name for node in store().manifest.nodes if node.name != "out"]


@functools.cache
def forwards():
    return ForwardPasses(FAULTS[FAULT](), expectations(store()), 0)


@pytest.mark.parametrize("precision", ["int8-fp16", "int16-fp32"])
def test_goldens_in_place_of_all_key_nodes_leave_the_outputs_own_error(precision):
    device = open_device(DeviceRequest("emulator"))
    key = [node.name for node in store().manifest.key]
    evaluation = Evaluation(device, expectations(store()), key)
    found = evaluation.restored(parse_precision(precision), [name for name in key if name != "out"])
    own = evaluation.own(parse_precision(precision))
    assert found["out"].metrics == own["out"].metrics
    assert own["out"].outcome == "conforms"


def test_goldens_in_place_of_everything_leave_one_rounding():
    quality = forwards().fused(PRECISION, [0], goldens=inner_nodes())
    assert quality.accepted
    assert quality.psnr > 140


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_fault_is_gone_whatever_else_is_replaced_with_it(data):
    chosen = data.draw(st.sets(st.sampled_from(inner_nodes()), max_size=6))
    assert forwards().fused(PRECISION, [0], goldens=sorted({*chosen, "joined"})).accepted


@settings(max_examples=8, deadline=None)
@given(st.data())
def test_a_fault_stays_whatever_is_replaced_before_it(data):
    after = {"joined", *dependents(store().network.graph, "joined")}
    before = [name for name in inner_nodes() if name not in after]
    chosen = data.draw(st.sets(st.sampled_from(before), min_size=1, max_size=6))
    assert not forwards().fused(PRECISION, [0], goldens=sorted(chosen)).accepted
