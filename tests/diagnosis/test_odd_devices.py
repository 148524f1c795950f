"""Devices that break, decline, get lost or return no numbers: a diagnosis says so plainly."""

import math

import numpy as np
import pytest
from diagnosis.diagnosing import CONFIRMING, diagnosed, report
from diagnosis.planted import ALL
from diagnosis.planted_network import planted_store
from diagnosis.right_device import HostingTypes, RightDevice, at

from conformance.devices.base import DeviceLost, Unsupported
from conformance.diagnosis.engine import MOST_PASSES
from conformance.diagnosis.repairs import settings
from conformance.errors import DeviceError


def device(*arguments, kind=RightDevice, **options):
    return kind(planted_store(), *arguments, **options)


def raising(error):
    def raised(*_):
        raise error

    return raised


def declining(*precisions):
    def opening(precision):
        if str(precision) in precisions:
            raise Unsupported(f"{precision} is not offered")

    return opening


def choice(diagnosis, precision):
    return next(item for item in diagnosis.choices if item.precision == precision)


def test_a_right_device_has_no_culprit():
    diagnosis = diagnosed(device(), "int8-fp16")
    assert diagnosis.culprits == []
    assert diagnosis.quality.accepted
    assert "is good enough: cosine 0.99" in report(diagnosis)


def test_a_device_that_ignores_the_precision_has():
    """It returns goldens, which are more exact than int8 can be."""
    store = planted_store()
    ignoring = device(lambda name, _, session: np.array(store.get(name, session.sample)))
    diagnosis = diagnosed(ignoring, "int8-fp16")
    assert diagnosis.culprits
    assert diagnosis.quality.accepted


def test_a_device_that_breaks_everywhere_is_itself_to_blame():
    diagnosis = diagnosed(device(raising(DeviceError("the card fell off the bus"))), "int8-fp16")
    (culprit,) = diagnosis.culprits
    assert (culprit.what, culprit.kind) == ("the device", "device")
    assert len(culprit.nodes) == len(planted_store().manifest.key)
    assert diagnosis.recommended is None
    assert diagnosis.forwards <= MOST_PASSES + CONFIRMING
    text = report(diagnosis)
    assert "It said: the card fell off the bus." in text
    assert "is NOT good enough: there is nothing to compare." in text
    assert "none of them repairs it" in text


@pytest.mark.parametrize("error", [RuntimeError("no such firmware"), SystemExit(3)])
def test_whatever_a_device_raises_becomes_a_sentence(error):
    text = report(diagnosed(device(opening=raising(error)), "int16-fp16"))
    assert f"It said: the device raised {type(error).__name__}: {error}." in text
    assert "Traceback" not in text


def test_a_precision_that_is_not_offered_has_no_quality():
    diagnosis = diagnosed(device(opening=declining("int8-fp16", "int8-fp32")), "int8-fp16")
    assert not diagnosis.quality.offered
    assert diagnosis.culprits == []
    assert diagnosis.errors == []
    assert [choice(diagnosis, name).quality.offered for name in ALL] == [False, False, True, True]
    assert diagnosis.choices[diagnosis.recommended].precision == "int16-fp16"
    text = report(diagnosis)
    assert (
        "There is no output of twig at int8-fp16 on golden, SIMULATED: the device does not offer it." in text
    )
    assert "int8-fp16 is not offered" in text
    assert "culprit" not in text.lower()
    assert "misses the acceptance" not in text


def test_another_precision_that_is_not_offered_is_no_bad_result():
    diagnosis = diagnosed(device(opening=declining("int8-fp32")), "int16-fp32")
    assert not choice(diagnosis, "int8-fp32").quality.offered
    assert "misses the acceptance" not in report(diagnosis)
    assert "Nothing needs repair" in report(diagnosis)


@pytest.mark.parametrize("run", [1, 2, 3, 5, 7])
def test_a_device_that_is_lost_ends_the_diagnosis(run):
    lost = DeviceLost("the card is gone")

    def change(_, golden, session):
        if session.device.runs >= run:
            raise lost
        return golden

    with pytest.raises(DeviceLost, match="the card is gone"):
        diagnosed(device(change), "int8-fp16")


def test_outputs_without_numbers():
    diagnosis = diagnosed(device(at("out", lambda golden: golden * np.nan)), "int16-fp32")
    (culprit,) = diagnosis.culprits
    assert (culprit.what, culprit.effect) == ("out", None)
    assert "1728 NaN" in culprit.failure
    assert diagnosis.quality.psnr is None
    assert not diagnosis.quality.accepted
    assert "nothing that could be compared" in report(diagnosis)


def test_a_node_that_is_not_offered_is_named():
    def change(name, golden, session):
        if name != "joined":
            return golden
        session.problems = {name: Unsupported("no such kernel")}
        return None

    diagnosis = diagnosed(device(change), "int16-fp32")
    (culprit,) = diagnosis.culprits
    assert (culprit.what, culprit.failure) == ("joined", "The device does not offer it: no such kernel")


def test_incidents_are_told():
    def change(_, golden, session):
        session.incidents = ["the worker was started again"]
        return golden

    diagnosis = diagnosed(device(change), "int16-fp32")
    assert diagnosis.remarks[0].endswith("no node is to blame: the worker was started again")
    assert "Note: the device failed, and no node is to blame: the worker was started again." in report(
        diagnosis
    )


def test_a_missing_result_is_to_blame():
    diagnosis = diagnosed(device(at("merged", lambda _: None)), "int16-fp32")
    assert diagnosis.culprits[0].what == "merged"
    assert "is missing from what the device returned" in diagnosis.culprits[0].failure


SUB, READER = "block_1/norm_2/shift", "block_1/norm_2/normal"


def spoiling(name, golden, session):
    """Return a wrong Sub, wherever it is computed on the device, and a wrong result of what reads it."""
    if SUB not in session.graph.nodes or "Sub" in getattr(session.device, "hosted", ()):
        return golden
    return golden + 1 if name in (SUB, READER) or (name == "out" and not is_cut(session)) else golden


def test_on_a_card_whole_types_are_left_to_the_host():
    diagnosis = diagnosed(device(spoiling, kind=HostingTypes), "int16-fp32")
    assert diagnosis.culprits[0].what == SUB
    chosen = diagnosis.choices[diagnosis.recommended]
    assert (chosen.precision, chosen.host_operators, chosen.host_nodes) == ("int16-fp32", ["Sub"], [])
    assert "config.mlu_options.optype_black_list = 'Sub'" in settings(chosen)[-1]
    assert "MLU_OP_PRECISION" not in report(diagnosis)  # it is another device than Cambricon's


def test_a_device_that_leaves_nothing_to_the_host_has_no_repair():
    diagnosis = diagnosed(device(spoiling), "int16-fp32")
    assert diagnosis.culprits[0].what == SUB
    assert diagnosis.recommended is None
    assert not any(item.host_operators or item.host_nodes for item in diagnosis.choices)


def is_cut(session):
    """Return whether key nodes are fed to a session."""
    return any(node.startswith("golden/") for node in session.graph.nodes)


def fusing(name, golden, session):
    """Return a wrong output while a node inside the fused network is not fetched."""
    fused = "block_1/add" in session.graph.nodes and "block_1/add" not in session.fetches
    return golden + 1 if name == "out" and fused and not is_cut(session) else golden


def test_a_node_that_fails_only_when_fused_is_found_and_precisions_are_run_besides():
    diagnosis = diagnosed(device(fusing), "int8-fp16")
    (culprit,) = diagnosis.culprits
    assert (culprit.what, culprit.kind) == ("block_1/add", "fused")
    assert culprit.effect.after.accepted
    assert {item.precision for item in diagnosis.choices} == set(ALL)
    bisection = math.ceil(math.log2(len(planted_store().manifest.key)))
    most = MOST_PASSES + bisection + planted_store().network.samples
    assert MOST_PASSES < diagnosis.forwards <= most


def remembering(name, golden, session):
    """Return from the second run of a session on what is right for the run before."""
    if name not in ("joined", "out") or (name == "out" and is_cut(session)):
        return golden
    whole = "joined" in session.graph.nodes
    before, session.last = getattr(session, "last", {}), {**getattr(session, "last", {}), name: golden}
    return before.get(name, golden) if whole else golden


def test_old_results_are_found_in_a_second_look_and_precisions_are_run_besides():
    diagnosis = diagnosed(device(remembering), "int8-fp16")
    (culprit,) = diagnosis.culprits
    assert culprit.what == "joined"
    assert [reason.figures for reason in culprit.reasons][:1] == [{"sample": 0, "before": 1}]
    assert culprit.effect.after.accepted
    assert {item.precision for item in diagnosis.choices} == set(ALL)
    assert diagnosis.recommended is None
    assert "hands out an old result" in report(diagnosis)


def shy(name, golden, session):
    """Decline whatever is left to the host, only once it runs."""
    if session.device.hosted:
        raise Unsupported("the framework has no such list")
    return spoiling(name, golden, session)


def test_a_host_that_is_declined_late_is_no_choice():
    diagnosis = diagnosed(device(shy, kind=HostingTypes), "int16-fp32")
    assert diagnosis.culprits[0].what == SUB
    assert not any(item.host_operators for item in diagnosis.choices)
    assert all(item.quality.offered for item in diagnosis.choices)
