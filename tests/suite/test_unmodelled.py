"""What rests on numerics that the emulator does not model is neither right nor wrong, wherever it is told."""

import json
import re
import xml.etree.ElementTree as ET

import pytest
from support.suite_run import run_suite
from support.unmodelled_network import UNMODELLED, kept_unmodelled

from conformance.graph.graph_file import load_frozen_graph

REASON = "its numerics at int8-fp32 are not modelled: norm (LRN) ran in float"
MARKERS = "mlu and int8 and fp32"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of everything at one precision."""
    directory = tmp_path_factory.mktemp("unmodelled")
    arguments = ("--nodes=all", f"--junit-xml={directory / 'junit.xml'}", "-rs")
    return run_suite(directory / "run", *arguments, network=kept_unmodelled(), markers=MARKERS)


def by_case(result, mode):
    return {record.node: record for record in result.records if record.mode == mode}


def test_the_node_itself_is_unmodelled_and_its_neighbours_fed_with_goldens_conform(finished):
    assert finished.code == 0
    own = by_case(finished, "own")
    assert {node for node, record in own.items() if record.outcome == "unmodelled"} == {UNMODELLED}
    assert {record.outcome for node, record in own.items() if node != UNMODELLED} == {"conforms"}
    assert own[UNMODELLED].unmodelled == REASON
    assert own[UNMODELLED].metrics is not None


def test_outputs_that_rest_on_it_are_unmodelled_and_errors_along_the_chain_say_so(finished):
    fused = [record for record in finished.records if record.mode == "fused"]
    assert [(record.outcome, record.unmodelled) for record in fused] == [("unmodelled", REASON)] * 2
    chained = by_case(finished, "chained")
    assert chained["out"].outcome == chained["first/Conv2D"].outcome == "measured"
    assert (chained["out"].unmodelled, chained["first/Conv2D"].unmodelled) == (REASON, "")


def test_the_table_counts_them_and_junit_has_them_skipped_with_the_reason(finished):
    assert "1 unmodelled" in finished.text
    assert re.search(
        rf"unmodelled: 3 of \d+ results say nothing of a card, \S+ first: {re.escape(REASON)}", finished.text
    )
    skipped = {
        case.get("name"): case.find("skipped").get("message")
        for case in ET.parse(finished.directory.parent / "junit.xml").iter("testcase")  # noqa: S314 - our own
        if case.find("skipped") is not None
    }
    assert len(skipped) == 3
    assert all("is unmodelled: " + REASON in message for message in skipped.values())


def test_a_run_may_fail_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("MLU_CONFORMANCE_UNMODELLED", "fail")
    result = run_suite(tmp_path / "run", "--nodes=all", network=kept_unmodelled(), markers=MARKERS)
    assert result.code == 1
    assert f"partly/norm-int8-fp32-own is unmodelled: {REASON}, and --unmodelled=fail" in result.text
    assert {record.outcome for record in result.records} == {"conforms", "measured", "unmodelled"}


def test_nothing_else_judged_is_nothing_judged(tmp_path):
    arguments = (f"--nodes={UNMODELLED}",)
    result = run_suite(tmp_path / "run", *arguments, network=kept_unmodelled(), markers=f"{MARKERS} and own")
    assert result.code == 3
    assert "nothing was judged, so the run shows nothing" in result.text


def test_a_device_in_a_process_of_its_own_says_it_too(tmp_path):
    result = run_suite(
        tmp_path / "run", "--isolate", "--nodes=all", network=kept_unmodelled(), markers=f"{MARKERS} and own"
    )
    assert result.cases("unmodelled") == {"norm-int8-fp32"}


def test_another_word_is_refused(tmp_path):
    result = run_suite(tmp_path / "run", "--unmodelled=pass", network=kept_unmodelled(), markers=MARKERS)
    assert result.code == 4
    assert "--unmodelled 'pass' is neither skip nor fail; give one of these" in result.text


def test_annotate_says_it_at_the_node(finished, said, tmp_path):
    code, _, error = said("annotate", finished.directory, "-o", tmp_path / "annotated.pb")
    assert (code, error) == (0, "")
    node = load_frozen_graph(tmp_path / "annotated.pb", ["out"]).nodes[UNMODELLED]
    assert (
        node.attr["_conformance"]
        .s.decode()
        .endswith("unmodelled at int8-fp32 own; measured at int8-fp32 chained")
    )
    assert REASON in node.attr["_conformance_int8_fp32_own"].s.decode()


@pytest.mark.parametrize("from_run", [True, False])
def test_show_says_it_beside_the_picture(finished, said, tmp_path, from_run):
    kept = kept_unmodelled()
    whole = ("--from-run", finished.directory) if from_run else (kept.directory, "--golden-dir", kept.goldens)
    code, text, _ = said("show", *whole, "--precision=int8-fp32", "-o", tmp_path / "shown.png")
    assert code == 0
    assert re.search(r"out +int8-fp32 +unmodelled +cosine", text)
    assert f"out at int8-fp32 says nothing of a card: {REASON}" in text


@pytest.mark.parametrize("from_run", [True, False])
def test_diagnose_recommends_nothing_that_rests_on_it_without_saying_so(finished, said, tmp_path, from_run):
    kept = kept_unmodelled()
    whole = ("--from-run", finished.directory) if from_run else (kept.directory, "--golden-dir", kept.goldens)
    code, text, _ = said("diagnose", *whole, "--precision=int8-fp32", "-o", tmp_path / "diagnosis")
    assert code == 0
    assert text.count(f"This says nothing of a card: {REASON}.") == 2
    assert re.search(r"(?m)^int8-fp32 .* yes, unmodelled$", text)
    found = json.loads((tmp_path / "diagnosis/diagnosis.json").read_text())
    assert found["quality"]["unmodelled"] == REASON
