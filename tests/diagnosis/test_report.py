"""What a diagnosis says, and in which order."""

import dataclasses

import msgspec
import pytest
from diagnosis.handmade import EXACT, NOTHING, choice, culprit, errors, quality
from hypothesis import given
from hypothesis import strategies as st

from conformance.diagnosis.model import Choice, Diagnosis, Reason
from conformance.diagnosis.report import error_table, lines, number
from conformance.judging.verdicts import Acceptance

ACCEPTANCE = Acceptance(cosine=0.99, psnr=40.0)
REASON = Reason(node="a", kind="stagnation", sentence="The sum stagnates.", figures={"terms": 4096})
ERRORS = [
    errors("a", "Mean", fails=True, own=0.5),
    errors("b", branch="y", own=0.1, inherited=0.2, amplification=1.2),
    errors("c", branch="x+y", own=0.3, inherited=0.2, amplification=7.0),
    errors("out", branch="x+y", own=0.1, inherited=0.6, amplification=3.5),
]


def diagnosis(**changes):
    """Return a diagnosis of a Mean that fails, with changes."""
    made = Diagnosis(
        network="n",
        precision="int8-fp16",
        device="emulator",
        simulated=True,
        profile="mlu270",
        sample=0,
        quality=quality(7.0),
        chained_quality=quality(7.0),
        errors=ERRORS,
        born="a",
        culprits=[culprit("Mean", nodes=["a", "d"], after=quality(45.0), reasons=[REASON])],
        choices=[choice("int16-fp32"), choice("int8-fp32", 21.0)],
        recommended=0,
        forwards=8,
        seconds=20.4,
        remarks=["one thing more"],
    )
    return msgspec.structs.replace(made, **changes)


def text(**changes):
    return "\n".join(lines(diagnosis(**changes), ACCEPTANCE))


IN_ORDER = """
The output of n at int8-fp16 on emulator, SIMULATED is NOT good enough: cosine 0.9990000, 7.0 dB; accepted is
The error originates at a (Mean, branch x): it adds 0.5 where an ideal device adds 0.01.
It is amplified most at out (Conv2D, branch x+y): 3.5 times what it reads.
Culprit 1: Mean. 2 of its nodes fail by themselves; first a, farthest off a, at 10 times its bound.
Measured: with every Mean computed exactly on what reaches it the output goes from cosine 0.9990000, 7.0 dB
to cosine 0.9990000, 45.0 dB, which is accepted.
Why: The sum stagnates.
What was run, the best first
int8-fp32 misses the acceptance: cosine 0.9990000, 21.0 dB.
Use int16-fp32.
export MLU_OP_PRECISION=float32
Error along the network
Note: one thing more.
8 forward passes, 20 s.
"""


def test_sentences_come_first_in_the_order_of_the_questions():
    said = text()
    places = [said.index(part) for part in IN_ORDER.strip().splitlines()]
    assert places == sorted(places)


def test_what_inherits_less_than_it_adds_amplifies_nothing():
    assert "amplified most at c" not in text()
    assert "amplified" not in text(errors=[ERRORS[2]], born="c").partition("Culprit")[0]
    shrinking = [errors("a", inherited=0.5, amplification=0.5)]
    assert "No node makes more of what reaches it." in text(errors=shrinking, born="a")


def test_an_inner_node_is_named_where_the_error_is_born():
    assert "The error originates at a/inner, between the key nodes of the table." in text(born="a/inner")


def test_without_a_culprit_nothing_needs_repair():
    fine = {"quality": quality(50.0), "culprits": [], "choices": [choice("int8-fp16")]}
    said = text(**fine, errors=[errors("a")])
    assert "good enough" in said
    assert "NOT" not in said
    assert "No node adds more than it may. The largest own error is that of a" in said
    assert "No culprit: every node's own error is within its bound, and the output is accepted." in said
    assert "Nothing needs repair: int8-fp16 is accepted as it is." in said
    assert "in spite of" not in said


def test_a_cheaper_precision_is_mentioned():
    choices = [choice("int8-fp32", seconds=1e-3), choice("int16-fp32", seconds=2e-3)]
    changes = {"precision": "int16-fp32", "quality": quality(50.0), "choices": choices, "recommended": 1}
    assert "int8-fp32 is accepted, too, and modelled to be faster." in text(**changes, culprits=[])
    assert "int16-fp32 is accepted in spite of what is wrong. int8-fp32 is accepted" in text(**changes)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("node", "Culprit 1: a. It fails by itself, at 10 times its bound."),
        ("fused", "1: a. By itself it is right; what follows it is wrong while fusion runs across it."),
        ("precision", "Culprit 1: the precision itself, at 2 nodes of type a. Each is within its bound"),
        ("device", "Culprit 1: a. It could compute none of the 2 key nodes."),
    ],
)
def test_each_kind_of_culprit_has_its_sentence(kind, sentence):
    assert sentence in text(culprits=[culprit("a", kind)])


def test_what_must_be_exact_has_no_factor():
    said = text(culprits=[culprit("a", "node", ["a"], excess=None)])
    assert "It fails by itself, where it should be exact." in said


def test_a_failure_is_told_instead_of_a_factor():
    broken = culprit("a", "node", ["a"], excess=None, failure="The device could not compute it: it hung")
    said = text(culprits=[broken], errors=[errors("a", outcome="broken", own=None)])
    assert "Culprit 1: a. It fails by itself.\n  The device could not compute it: it hung.\n" in said
    assert "The error originates at a (Conv2D, branch x), which gave nothing that could be compared." in said


def test_a_fault_of_fusion_is_born_where_it_is_fused():
    said = text(culprits=[culprit("c", "fused", ["c"])], born="c")
    assert "The error originates at c (Conv2D, branch x+y), but only where it is fused with others" in said


def test_nothing_to_compare_is_said_with_the_reason():
    said = text(quality=NOTHING)
    assert said.startswith(
        "The output of n at int8-fp16 on emulator, SIMULATED is NOT good enough: there is nothing"
    )
    assert "out has 3 NaN" in said


def test_what_is_not_offered_is_neither_good_nor_bad():
    declined = quality(None, cosine=None, offered=False, reasons=["int8-fp16 is not offered"])
    tried = [choice(), Choice(precision="int8-fp16", quality=declined, modelled_seconds=None)]
    said = text(quality=declined, errors=[], born="", culprits=[], choices=tried)
    assert "There is no output of n at int8-fp16" in said
    assert "not offered" in next(line for line in said.splitlines() if line.startswith("int8-fp16  "))
    assert "misses" not in said
    assert "culprit" not in said.lower()
    assert "Error along" not in said


def test_none_repairs_it():
    said = text(choices=[choice(psnr=7.0)], recommended=None)
    assert "None of these reaches cosine 0.99 and 40 dB, so none of them repairs it." in said
    assert "export" not in said


def test_nothing_was_run_fused():
    assert "nothing can be said of what repairs it" in text(choices=[], recommended=None)


def test_the_card_is_not_simulated():
    assert "SIMULATED" not in text(simulated=False)


def test_exact_outputs_are_called_exact():
    exact = Choice(precision="int8-fp16", quality=EXACT, modelled_seconds=1e-3)
    assert "exact" in text(choices=[exact], quality=EXACT)


def test_single_nodes_on_the_host_are_not_for_the_card():
    hosted = choice("int8-fp16", host_nodes=["a"])
    said = text(choices=[hosted])
    assert "Use int8-fp16 with a on the host." in said
    assert "optype_black_list takes whole types only" in said


def test_two_branches_stand_side_by_side_and_every_node_once():
    x, y = [errors("x1"), errors("x2", "Mean")], [errors("y1", branch="y"), errors("y2", "Tanh", branch="y")]
    table = error_table([*x, *y, errors("joined", branch="x+y")])
    assert table[0].split()[0:2] == ["node", "x"]
    assert table[1].split()[0] == "x1"
    assert "y1" in table[1]
    assert [line.split()[0] for line in table[4:]] == ["x2", "y2", "joined"]


def test_more_branches_stand_below_each_other():
    items = [errors(f"{name}1", branch=name) for name in "xyz"] + [errors("j", branch="x+y+z")]
    table = error_table(items)
    assert [line.split()[:2] for line in table[1:]] == [["x1", "x"], ["y1", "y"], ["z1", "z"], ["j", "x+y+z"]]


def test_one_branch_is_a_plain_table():
    table = error_table([errors("a", own=None, excess=None), errors("b")])
    assert table[0].split()[:2] == ["node", "branch"]
    assert table[1].split()[2] == "-"


@given(st.floats(0, 1e12))
def test_figures_are_short_and_near(value):
    assert len(number(value)) <= 9
    assert float(number(value)) == pytest.approx(value, rel=1e-2)


def test_a_diagnosis_survives_json():
    made = diagnosis(sample=None, recommended=None)
    written = msgspec.json.encode(made)
    assert msgspec.json.decode(written, type=Diagnosis) == made
    with pytest.raises(msgspec.ValidationError, match="unknown"):
        msgspec.json.decode(written.replace(b'"born"', b'"unknown":1,"born"'), type=Diagnosis)
    assert not dataclasses.is_dataclass(made)
