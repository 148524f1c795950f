"""What a gate is rendered as: lines, Markdown, JUnit, JSON; none breaks on odd names."""

import json
from xml.etree import ElementTree as ET

import msgspec
import pytest
from support.made_runs import Made, made_side, own, usual

from conformance.gating.gate import Demands, gate
from conformance.gating.junit import junit
from conformance.gating.lines import gate_lines
from conformance.gating.markdown import MOST_BYTES, markdown
from conformance.gating.result import Gate

TIMES = {"int8-fp16": 0.01, "int16-fp32": 0.02}
ODD = "a|b`<script>]\x07&\"'"


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    def judged(records, times=TIMES, baseline=None):
        root = tmp_path_factory.mktemp("sides")
        before = made_side(root / "before", [Made(baseline or usual(), TIMES)] * 3)
        after = made_side(root / "after", [Made(records, times, {"driver": "4.20.11"})] * 3, first=50)
        return gate(before, after, Demands())

    return judged


@pytest.fixture(scope="module")
def fine(judge):
    return judge(usual())


@pytest.fixture(scope="module")
def wrong(judge):
    """Many nodes that regressed, one of them with an odd name, and times that are slower."""
    names = [ODD, *(f"node_{number}" for number in range(300))]
    before = {name: own(name, "Odd|<b>", "int8-fp16") for name in names}
    after = {name: own(name, "Odd|<b>", "int8-fp16", error=9.0, outcome="deviates") for name in names}
    return judge(usual(**after), {name: 1.5 * seconds for name, seconds in TIMES.items()}, usual(**before))


def test_lines_begin_with_the_verdict_and_what_is_judged(fine, wrong):
    assert gate_lines(fine)[0] == "GO: driver 4.20.6 -> 4.20.11"
    assert gate_lines(fine)[1] == "cambricon (MLU270): n; 3 + 3 runs, cards 0123"
    assert "  nothing changed: all 10 results are bit-identical" in gate_lines(fine)
    assert gate_lines(wrong)[0] == "NO-GO: driver 4.20.6 -> 4.20.11"
    assert len(gate_lines(wrong)) <= 40


def test_lines_say_how_fast_and_what_moved(wrong):
    text = "\n".join(gate_lines(wrong))
    assert "outcomes  regressed 301" in text
    assert "+50.0 % [+50.0 %, +50.0 %] slower than the 3 % allowed" in text
    assert "0.25 -> 4.5 of its bound, +8.5 attainable errors in" in text
    assert "and 296 more cases" in text


def test_json_reads_back_as_it_was_and_holds_every_case(wrong):
    text = msgspec.json.encode(wrong)
    assert msgspec.json.decode(text, type=Gate) == wrong
    assert len(json.loads(text)["outcomes"]) == 301


def test_markdown_is_trimmed_and_says_so(wrong):
    whole = markdown(wrong, 10**9)
    assert whole.startswith("## NO-GO: driver 4.20.6 -\\> 4.20.11")
    assert "281 more rows in `gate.json`" in whole
    short = markdown(wrong, 3000)
    assert len(short.encode()) <= 3000
    assert short.endswith("*Trimmed: the rest is in `gate.json`.*\n")
    assert short.count("<details>") == short.count("</details>")
    assert len(markdown(wrong).encode()) <= MOST_BYTES


def test_markdown_takes_names_for_nothing_else(wrong):
    whole = markdown(wrong, 10**9)
    assert "<script>" not in whole
    assert "<b>" not in whole
    rows = [line for line in whole.splitlines() if line.startswith("| Odd")]
    assert rows
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1


def test_junit_fails_for_what_fails_and_every_name_is_there_once(fine, wrong):
    root = ET.fromstring(junit(wrong))  # noqa: S314 - made here
    cases = [(suite.get("name"), case.get("name")) for suite in root for case in suite]
    assert len(cases) == len(set(cases))
    for suite in root:
        assert int(suite.get("tests")) == len(suite)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    assert len(root.findall(".//failure")) == 1 + 301 + 2  # the verdict, the cases, the timings
    assert not ET.fromstring(junit(fine)).findall(".//failure")  # noqa: S314 - made here


def test_what_cannot_be_told_is_an_error_in_junit(tmp_path):
    before = made_side(tmp_path / "a", [Made(usual(), TIMES)])
    after = made_side(tmp_path / "b", [Made(usual(), TIMES)], first=9)
    root = ET.fromstring(junit(gate(before, after, Demands())))  # noqa: S314 - made here
    assert len(root.findall(".//error")) == 3
    assert "cannot tell" in root.find(".//error").text.lower()
