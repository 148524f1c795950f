"""The evidence of a waiver is what a run measured of what it covers, no more and no less."""

import sys

import pytest
from support.records import record
from support.tool_modules import TOOLS, tool_module
from support.waivers import waiver, waiver_toml

sys.path.insert(0, str(TOOLS))

from waiver_evidence import ceiling, evidence, unexplained, with_evidence

from conformance.errors import UsageError
from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Acceptance, Reached
from conformance.judging.waivers import read_waivers

LIMITS = ErrorValues(0.01, 0.01, 0.1, 0.01)


def own(node, times, precision="int8-fp16", op="Mean"):
    needed = ErrorValues(0.0, 0.0, 0.1 * times, 0.0)
    outcome = "deviates" if times > 1 else "conforms"
    named = {"case": f"{node}-{precision}", "node": node, "op": op, "precision": precision}
    return record(outcome, **named, bounds=LIMITS, needed=needed)


def fused(precision, outcome="deviates", **reached):
    named = {"case": f"out-{precision}-fused", "node": "out", "precision": precision, "mode": "fused"}
    found = Reached(**({"cosine": 0.5, "psnr": 7.25} | reached))
    return record(outcome, **named, acceptance=Acceptance(cosine=0.999, answers=0.9), reached=found)


RECORDS = [
    own("mean_1", 22.0),
    own("mean_2", 2390.0),
    own("mean_2", 30.0, "int16-fp16"),
    own("other", 0.5),
    own("sum", 0.5, op="Sum"),
]


def test_nodes_precisions_and_factors_are_those_of_the_run():
    said = (
        "2 of 3 judged Mean nodes deviate at int8-fp16 and int16-fp16, by 22 to 2.39e+03 times their bound."
    )
    assert evidence(waiver(), RECORDS) == said
    assert evidence(waiver(nodes=["mean_1"]), RECORDS[:1]).endswith("by 22 times their bound.")


def test_outputs_say_what_they_reached_and_what_is_accepted():
    records = [fused("int8-fp16"), fused("int16-fp16", psnr=None, answers=0.875)]
    said = evidence(
        waiver(nodes=["out"], operators=None, modes=["fused"], at_least=Acceptance(psnr=1.0)), records
    )
    assert said == (
        "Reached: cosine 0.50000, 7.2 dB at int8-fp16; cosine 0.50000, 87.5% right answers at int16-fp16. "
        "Accepted: at least cosine 0.999 and 90 % right answers."
    )


def test_a_waiver_without_a_deviation_is_refused():
    with pytest.raises(UsageError, match="waiver 'means' covers nothing that deviates; remove it"):
        evidence(waiver(nodes=["other"], operators=None), RECORDS)


def test_a_waiver_that_covers_what_conforms_is_refused():
    with pytest.raises(UsageError, match="covers other-int8-fp16, which conforms; narrow it"):
        evidence(waiver(nodes=["*"], operators=None), RECORDS)


def test_what_no_waiver_covers_is_named():
    assert unexplained([waiver(nodes=["mean_1"])], RECORDS) == ["mean_2-int8-fp16", "mean_2-int16-fp16"]
    assert unexplained([waiver()], RECORDS) == []


TEXT = "\n".join(
    [
        "# comment",
        waiver_toml(evidence="old"),
        waiver_toml(id="means-too", nodes=["sum"], operators=None, reason="evidence = ", evidence="kept"),
    ]
)


def test_only_one_waivers_evidence_is_written_anew():
    changed = with_evidence(TEXT, "means", "new: 2.39e+03 times", ["at_most = 4780.0"])
    first, second = TEXT.split("[[waiver]]")[1:]
    assert changed.split("[[waiver]]")[2] == second
    assert 'evidence = "new: 2.39e+03 times"\nat_most = 4780.0\nowner = ' in changed
    assert changed.count("at_most") == TEXT.count("at_most") == 2
    again = with_evidence(changed, "means", "old", ["at_most = 5.0", "at_least = { cosine = 0.5 }"])
    assert again.split("[[waiver]]")[1].splitlines() == [
        line
        for old in first.splitlines()
        for line in ({"at_most = 1000000.0": []}.get(old, [old]))
        + (["at_most = 5.0", "at_least = { cosine = 0.5 }"] if old == 'evidence = "old"' else [])
    ]


def test_the_ceiling_is_twice_what_the_run_measured():
    assert ceiling(waiver(), RECORDS) == ["at_most = 4780.0", "at_least = { cosine = 0.999 }"]
    outputs = waiver(nodes=["out"], operators=None, modes=["fused"], at_least=Acceptance(psnr=1.0))
    assert ceiling(outputs, [fused("int8-fp16", cosine=0.99)]) == ["at_least = { cosine = 0.96, psnr = 1.2 }"]


@pytest.mark.parametrize("text", [TEXT.replace('evidence = "old"\n', ""), TEXT.replace('"means"', '"mean"')])
def test_a_waiver_without_that_line_is_an_error(text):
    with pytest.raises(UsageError, match="waiver 'means' has no line evidence"):
        with_evidence(text, "means", "new", [])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "waivers.toml"
    path.write_text(TEXT)
    return path


def test_the_file_stays_one_that_is_read(file):
    with tool_module("regenerate") as tool:
        tool.renew_waivers("n", [*RECORDS[:-1], own("sum", 3.0, op="Sum")], file)
    first, second = read_waivers(file)
    assert first.evidence.startswith("2 of 3 judged Mean nodes deviate")
    assert second.evidence == "1 of 1 judged Sum nodes deviate at int8-fp16, by 3 times their bound."
    assert (first.at_most, second.at_most, second.at_least) == (4780.0, 6.0, Acceptance(cosine=0.999))


def test_what_no_waiver_covers_leaves_the_file_alone(file):
    with tool_module("regenerate") as tool, pytest.raises(UsageError, match=r"1 cases fail .* x-int8-fp16"):
        tool.renew_waivers("n", [*RECORDS, own("x", 3.0)], file)
    assert file.read_text() == TEXT
