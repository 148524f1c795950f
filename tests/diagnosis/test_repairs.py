"""Which way to run a network is best, what is left to the host, and what to set."""

import dataclasses
import itertools

import msgspec
import pytest
from diagnosis.diagnosing import CONFIRMING, diagnosed
from diagnosis.handmade import NOTHING, choice, culprit, finding, quality
from diagnosis.planted_network import expectations, planted_store
from diagnosis.right_device import RightDevice
from hypothesis import given
from hypothesis import strategies as st

from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.diagnosis.engine import MOST_PASSES
from conformance.diagnosis.forward_passes import ForwardPasses
from conformance.diagnosis.model import Choice
from conformance.diagnosis.quality import decibels, described, plainly_worse, quality_of
from conformance.diagnosis.repairs import Repairs, ranked, recommended, settings
from conformance.expected.roofline import ModelledTime
from conformance.judging.verdicts import Acceptance, Reached
from conformance.precision import PRECISIONS, parse_precision


def test_accepted_before_others_then_all_on_the_card_then_the_cheapest():
    ordered = [
        choice("int8-fp32", seconds=1.0),
        choice("int16-fp32", seconds=2.0),
        choice("int8-fp16", seconds=0.5, host_operators=["Mean"]),
        choice("int16-fp16", 30.0),
        choice("int8-fp16", 7.0, seconds=0.1),
        Choice(precision="int8-fp16", quality=NOTHING, modelled_seconds=0.1),
        Choice(
            precision="int8-fp16", quality=quality(None, cosine=None, offered=False), modelled_seconds=0.1
        ),
    ]
    for shuffled in (ordered[::-1], ordered[3:] + ordered[:3]):
        assert ranked(shuffled) == ordered


@given(st.permutations([choice(str(precision), 40 + index) for index, precision in enumerate(PRECISIONS)]))
def test_the_order_does_not_depend_on_the_order_of_running(choices):
    assert ranked(choices) == ranked(choices[::-1])
    assert [item.precision for item in ranked(choices)] == list(map(str, PRECISIONS))


def test_what_was_asked_for_is_recommended_if_it_will_do():
    choices = ranked([choice("int8-fp16", seconds=0.5), choice("int16-fp32", seconds=2.0)])
    assert choices[recommended(choices, parse_precision("int16-fp32"))].precision == "int16-fp32"
    assert choices[recommended(choices, parse_precision("int16-fp16"))].precision == "int8-fp16"
    hosted = [choice("int16-fp16", host_nodes=["a"]), choice("int16-fp16", 7.0)]
    assert recommended(hosted, parse_precision("int16-fp16")) == 0
    other = [choice("int8-fp16"), choice("int16-fp16", host_nodes=["a"])]
    assert recommended(other, parse_precision("int16-fp16")) == 0
    assert recommended([choice("int16-fp16", 7.0)], parse_precision("int16-fp16")) is None


def test_settings_are_those_of_the_precision():
    lines = settings(choice("int16-fp32"))
    assert "export MLU_OP_PRECISION=float32" in lines
    assert any("int16.quant.txt" in line and "bit_width:16" in line for line in lines)
    assert "optype_black_list = 'Mean,Rsqrt'" in settings(choice(host_operators=["Mean", "Rsqrt"]))[-1]
    assert "export MLU_OP_PRECISION=float16" in settings(choice("int8-fp16"))


def repairs(precision="int8-fp16", psnr=7.0, **tried):
    """Return repairs where other precisions have been run, such as ``int8_fp32=50.0``."""
    passes = ForwardPasses(RightDevice(planted_store()), expectations(planted_store()), 0)
    times = ModelledTime(expectations(planted_store()), "MLU270")
    made = Repairs(passes, times, parse_precision(precision), quality(psnr), [0])
    made.choices += [choice(name.replace("_", "-"), value) for name, value in tried.items()]
    return made


def plan(made, *culprits):
    """Return at which precision what would be left to the host."""
    found = made._host_plan(culprits)
    return found and (str(found[0]), [item.what for item in found[1]])


def test_a_culprit_whose_golden_repairs_the_output_is_left_to_the_host_alone():
    enough, other = culprit("joined", "node", after=quality(45.0)), culprit(after=quality(9.0))
    assert plan(repairs(), other, enough) == ("int8-fp16", ["joined"])


def test_else_the_cheapest_precision_is_tried_where_float32_suffices():
    bad = culprit(after=quality(21.0))
    assert plan(repairs(int16_fp16=7.0, int16_fp32=60.0, int8_fp32=21.0), bad) == ("int16-fp16", ["Mean"])
    assert plan(repairs(int16_fp16=50.0, int16_fp32=60.0, int8_fp32=21.0), bad) is None


@pytest.mark.parametrize("kind", ["precision", "device"])
def test_what_is_no_operator_cannot_be_left_to_the_host(kind):
    assert plan(repairs(), culprit(kind=kind, after=quality(45.0))) is None


def test_nothing_is_left_to_the_host_where_the_output_is_accepted():
    assert plan(repairs(psnr=45.0), culprit(after=quality(60.0))) is None


def test_several_culprits_may_be_left_to_the_host_together():
    assert plan(repairs(), culprit(after=quality(9.0)), culprit("a", "node")) == ("int8-fp16", ["Mean", "a"])
    assert plan(repairs(), culprit(after=quality(9.0))) is None


def test_precisions_are_run_once_the_widest_first():
    made = repairs()
    assert list(map(str, made.untried)) == ["int16-fp32", "int16-fp16", "int8-fp32"]
    for precision in (*made.untried, *PRECISIONS):
        made.try_precision(precision)
    assert made.untried == []
    assert made._passes.count == 3
    assert made.accepted(parse_precision("int8-fp32"))
    assert not made.accepted(parse_precision("int8-fp16"))


def test_a_choice_with_the_host_is_not_the_precision_itself():
    made = repairs()
    made.choices.append(choice("int8-fp16", 50.0, host_nodes=["a"]))
    assert not made.accepted(parse_precision("int8-fp16"))


def test_the_time_of_an_unknown_model_is_that_of_the_mlu270_and_said_to_be():
    own, other = (ModelledTime(expectations(planted_store()), model) for model in ("MLU270", "ideal"))
    for precision in PRECISIONS:
        assert own.seconds(precision) == other.seconds(precision) > 0
    assert own.remark == ""
    assert "nothing is known of 'ideal'" in other.remark
    diagnosis = diagnosed(RightDevice(planted_store()), "int8-fp16")
    assert any("MLU270" in remark for remark in diagnosis.remarks)
    assert all(item.modelled_seconds for item in diagnosis.choices)


def test_the_emulator_of_the_card_has_times_of_its_own():
    diagnosis = diagnosed(open_device(DeviceRequest("emulator")), "int16-fp32")
    assert not any("modelled" in remark for remark in diagnosis.remarks)
    assert diagnosis.forwards <= MOST_PASSES + CONFIRMING


def test_of_several_outputs_the_worst_counts():
    reached = [
        Reached(cosine=0.9, psnr=60.0),
        Reached(cosine=0.99, psnr=50.0),
        Reached(cosine=None, psnr=None),
    ]
    listed = [with_reached(finding(str(index)), item) for index, item in enumerate(reached)]
    limits = Acceptance(cosine=0.9, psnr=50.0)
    assert quality_of(listed, limits) == quality(50.0, cosine=0.9, accepted=True)
    assert not quality_of(listed, Acceptance(cosine=0.9, psnr=50.1)).accepted
    lost = quality_of([*listed, finding("lost", state="broken", reason="it hung")], limits)
    assert lost == quality(None, cosine=None, accepted=False, reasons=["it hung"])
    assert not quality_of([], limits).accepted


def with_reached(made, reached):
    return dataclasses.replace(made, verdict=msgspec.structs.replace(made.verdict, reached=reached))


def test_qualities_in_decibels_and_words():
    exact, bad = quality(None, accepted=True), quality(20.0)
    assert decibels(exact) > decibels(bad) > decibels(NOTHING) == 0
    assert described(NOTHING) == "nothing that could be compared"
    assert described(quality(20.0)) == "cosine 0.9990000, 20.0 dB"
    assert described(exact) == "cosine 0.9990000, exact"
    assert described(quality(30.0, cosine=None)) == "cosine undefined, 30.0 dB"
    assert described(quality(None, cosine=None, offered=False)) == "not offered by the device"
    for found, than in itertools.pairwise([exact, quality(45.0), bad, NOTHING]):
        assert not plainly_worse(found, than)
    assert plainly_worse(bad, exact)
    assert plainly_worse(NOTHING, bad)
    assert not plainly_worse(quality(15.0), quality(20.0))


def test_what_one_sample_accepts_and_another_does_not_is_not_recommended(monkeypatch):
    """With float16 nothing is accepted, with int8-fp32 the first sample alone."""
    fused = ForwardPasses.fused

    def spoiled(self, precision, samples, **options):
        found = fused(self, precision, samples, **options)
        good = str(precision) == "int16-fp32" or (str(precision) == "int8-fp32" and list(samples) == [0])
        return found if good else msgspec.structs.replace(found, accepted=False, psnr=3.0)

    monkeypatch.setattr(ForwardPasses, "fused", spoiled)
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", "ideal")), "int8-fp16")
    assert diagnosis.choices[diagnosis.recommended].precision == "int16-fp32"
    assert "int8-fp32 is accepted on some samples, but not on sample 1: cosine" in " ".join(diagnosis.remarks)
    assert [item.precision for item in diagnosis.choices if item.quality.accepted] == ["int16-fp32"]
