"""Diagnose names the planted fault first, and nothing on a device without one."""

import msgspec
import pytest
from diagnosis.diagnosing import CONFIRMING, diagnosed, report
from diagnosis.planted import ALL, ASKED_FOR, CARD, FAULTS, IDEAL, enlarged
from diagnosis.planted_network import planted_store
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.engine import MOST_PASSES
from conformance.diagnosis.model import Diagnosis
from conformance.diagnosis.repairs import helps
from conformance.graph.means import REWRITES

ON_THE_CARD = ("filter_row", "add_saturates", "truncated", "one_column", "fused_only", "rsqrt_bits", "stale")


CASES = [(name, *fault.cases[0]) for name, fault in FAULTS.items()]
CASES += [
    (name, *next(case for case in reversed(FAULTS[name].cases) if case[0] == CARD)) for name in ON_THE_CARD
]
"""Every fault once on ideal arithmetic, and some at a wider precision on the card's."""


def test_the_faults_are_those_that_were_asked_for_and_more():
    assert len(FAULTS) > ASKED_FOR
    assert list(FAULTS)[:ASKED_FOR] == [
        "resize_rule",
        "filter_row",
        "rsqrt_bits",
        "concat_order",
        "add_saturates",
        "scale_by_two",
        "stale",
        "transposed_tile",
        "relu_leaks",
        "truncated",
        "half_sums",
        "fused_only",
    ]
    for fault in FAULTS.values():
        nodes = planted_store().network.graph.nodes
        assert fault.where in nodes or fault.where in {node.op for node in nodes.values()}


@pytest.mark.parametrize(("name", "profile", "precision"), CASES)
def test_the_fault_is_named_first(name, profile, precision):
    fault = FAULTS[name]
    diagnosis = diagnosed(fault(profile), precision)
    assert [(item.what, item.kind) for item in diagnosis.culprits] == [(fault.where, fault.kind)]
    assert diagnosis.culprits[0].effect is not None
    assert diagnosis.forwards <= MOST_PASSES + len(REWRITES) + CONFIRMING or not fault.own
    assert msgspec.json.decode(msgspec.json.encode(diagnosis), type=Diagnosis) == diagnosis
    title = "Culprit 1" if helps(diagnosis.culprits[0]) else "Repairing this does not help"
    assert f"{title}: {fault.where}." in report(diagnosis)


@settings(max_examples=5, deadline=None)
@given(st.data())
def test_any_node_that_is_a_tenth_too_large_is_named_alone(data):
    nodes = [node.name for node in planted_store().manifest.nodes]
    node, precision = data.draw(st.sampled_from(nodes)), data.draw(st.sampled_from(ALL))
    diagnosis = diagnosed(enlarged(node)(), precision)
    assert [(item.what, item.kind) for item in diagnosis.culprits] == [(node, "node")]
    assert diagnosis.forwards <= MOST_PASSES + len(REWRITES) + CONFIRMING


@pytest.mark.parametrize("precision", ALL)
def test_nothing_is_named_on_a_clean_device(precision):
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", IDEAL)), precision)
    assert diagnosis.culprits == []
    assert diagnosis.quality.accepted
    assert diagnosis.choices[diagnosis.recommended].precision == precision
    assert diagnosis.forwards <= MOST_PASSES + len(REWRITES) + CONFIRMING
    text = report(diagnosis)
    assert "No culprit: every node's own error is within its bound" in text
    assert f"Nothing needs repair: {precision} is accepted as it is." in text


@pytest.mark.parametrize(("name", "precision"), [("half_sums", "int16-fp32"), ("truncated", "int8-fp32")])
def test_nothing_is_named_where_the_fault_does_not_show(name, precision):
    assert diagnosed(FAULTS[name](), precision).culprits == []


@pytest.mark.parametrize(
    ("name", "precision"),
    [("not_squared", "int16-fp16"), ("one_column", "int16-fp16"), ("fused_only", "int8-fp16")],
)
def test_a_fault_is_named_beside_the_means_of_the_card(name, precision):
    """Where every Mean fails, too, a fault in one of them or before one is told apart."""
    fault = FAULTS[name]
    culprits = diagnosed(fault(f"{CARD},reduction_order=one-pass"), precision).culprits
    assert {(item.what, item.kind) for item in culprits} == {(fault.where, fault.kind), ("Mean", "operator")}
    assert fault.where not in next(item for item in culprits if item.what == "Mean").nodes


def test_a_fault_is_repaired_by_leaving_its_node_to_the_host():
    diagnosis = diagnosed(FAULTS["concat_order"](), "int8-fp32")
    chosen = diagnosis.choices[diagnosis.recommended]
    assert (chosen.precision, chosen.host_nodes) == ("int8-fp32", ["joined"])
    assert "Use int8-fp32 with joined on the host." in report(diagnosis)
    assert chosen.quality.accepted
    assert not diagnosis.quality.accepted


def test_old_results_are_called_so():
    diagnosis = diagnosed(FAULTS["stale"](), "int16-fp32", sample=1)
    (reason,) = (item for item in diagnosis.culprits[0].reasons if item.kind == "old result")
    assert reason.figures == {"sample": 1, "before": 0}
    assert "sample 1 alone came out better" in " ".join(diagnosis.remarks)
