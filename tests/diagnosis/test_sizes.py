"""What is told of an error is of its size, and what is called a culprit helps when it is repaired."""

import pytest
from diagnosis.diagnosing import diagnosed, report
from diagnosis.handmade import choice, culprit, quality
from diagnosis.planted_network import expectations, planted_store
from diagnosis.right_device import RightDevice

from conformance.diagnosis.evidence import Reason, size_of
from conformance.diagnosis.reasons import Explanations
from conformance.diagnosis.repairs import helps, of_cambricon, settings
from conformance.graph.operators import FIXED_POINT
from conformance.precision import parse_precision
from conformance.quantization.files import read_scales


def reasons(node, own, precision="int8-fp16"):
    """Return the kinds of causes of a node's error, were its own error so large."""
    store, chosen = planted_store(), parse_precision(precision)
    scales = read_scales(store.network.directory, chosen.fixed_bits, store.network.graph, "")
    expected = expectations(store)
    made = Explanations(store, chosen, scales, 0, expected.limits(""), expected.overflow, {node: own})
    (found,) = made.with_reasons([culprit(node, "node", [node])])
    return {reason.kind for reason in found.reasons}


@pytest.fixture(scope="module")
def convolution():
    """A convolution of which the goldens show causes at int8."""
    nodes = planted_store().network.graph.nodes
    names = [node.name for node in planted_store().manifest.key if nodes[node.name].op in FIXED_POINT]
    return max(names, key=lambda name: len(reasons(name, None)))


def test_a_cause_explains_errors_of_its_size_and_no_others(convolution):
    known = reasons(convolution, None)
    assert known
    assert reasons(convolution, 0.03) == known
    assert reasons(convolution, 100.0) == set()
    assert reasons(convolution, 1e-6) <= {"uneven channels"}
    assert reasons(convolution, 0.0) == set()


@pytest.mark.parametrize(
    ("figures", "size"),
    [
        ({"relative_error": 0.25, "snr_db": 3.0}, 0.25),
        ({"rounding": 0.1}, 0.1),
        ({"snr_db": 40.0, "tensor": "input"}, 0.01),
        ({"snr_db_median_channel": 20.0}, 0.1),
        ({"ratio": 12.0}, None),
    ],
)
def test_sizes_are_relative_errors(figures, size):
    found = size_of(Reason("a", "k", "It is.", figures))
    assert found == (None if size is None else pytest.approx(size))


@pytest.mark.parametrize(
    ("before", "after", "good"),
    [
        (25.0, 25.0, False),
        (25.0, 24.0, False),
        (25.0, 25.05, False),
        (25.0, 25.2, True),
        (39.99, 40.0, True),
        (41.0, 41.0, False),
        (41.0, 39.0, False),
        (None, 7.0, True),
    ],
)
def test_a_repair_helps_where_the_output_gains(before, after, good):
    made = culprit(before=quality(before, accepted=None), after=quality(after))
    assert helps(made) is good
    assert helps(culprit())


def test_a_node_that_is_wrong_without_effect_is_told_after_the_one_that_matters():
    store = planted_store()
    key = [node.name for node in store.manifest.key]
    harmless, harmful = key[0], key[-2]

    def change(name, golden, session):
        restored = f"golden/{harmful}" in session.graph.nodes  # also where nodes are run by themselves
        if name == "out":
            return golden if restored else golden + 0.5
        wrong = name == harmful or (name == harmless and restored)
        return golden * 1.5 if wrong else golden

    diagnosis = diagnosed(RightDevice(store, change), "int16-fp32")
    text = report(diagnosis)
    assert f"Culprit 1: {harmful}." in text
    assert f"Repairing this does not help: {harmless}." in text
    assert "Culprit 2" not in text
    assert diagnosis.born == harmful


def test_where_no_repair_of_a_node_helps_the_precision_is_looked_at():
    store = planted_store()
    harmless, last = store.manifest.key[0].name, store.manifest.key[-2].name

    def change(name, golden, session):
        if name == "out" and f"golden/{last}" not in session.graph.nodes:
            return golden + 0.5 * (str(session.precision) != "int16-fp32")
        return golden * 1.5 if name == harmless else golden

    diagnosis = diagnosed(RightDevice(store, change), "int8-fp16")
    assert not helps(diagnosis.culprits[-1])
    assert "Culprit 1: the precision itself" in report(diagnosis)
    assert f"Repairing this does not help: {harmless}." in report(diagnosis)


def test_settings_are_for_cambricons_device_and_name_a_parameter_file_where_there_is_one():
    assert [of_cambricon(kind) for kind in ("emulator", "cambricon", "cambricon-stock")] == [True] * 3
    assert not of_cambricon("cpu")
    assert any("MLU_QUANT_PARAM" in line for line in settings(choice()))
    assert not any("MLU_QUANT_PARAM" in line for line in settings(choice(), quantised=False))
