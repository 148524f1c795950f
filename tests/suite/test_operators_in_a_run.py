"""Operators by themselves in a run: asked for by name, recorded, and handed on as networks."""

import re

from support.suite_run import run_suite

from conformance.networks import Network

FEW = "Softsign-int8-fp32 or Transpose-int8-fp32"


def run(directory, *arguments, markers="mlu and operators"):
    return run_suite(directory, "-k", FEW, "--examples=2", *arguments, markers=markers)


def test_they_are_not_even_collected_unless_they_are_asked_for(tmp_path, network):
    done = run_suite(tmp_path / "run", "--collect-only", "-q", network=network, markers="mlu")
    assert "test_operators.py" not in done.text
    done = run_suite(tmp_path / "run", "--collect-only", "-q", network=network, markers="mlu and operators")
    assert len(re.findall("test_operator\\[", done.text)) == 464


def test_right_ones_pass_without_any_network(tmp_path):
    done = run(tmp_path / "run", "--profile=ideal")
    assert done.code == 0, done.text
    assert {record.case: record.outcome for record in done.records} == {
        "operators/Softsign-int8-fp32-own": "conforms",
        "operators/Transpose-int8-fp32-own": "conforms",
    }
    assert "compilations (int8-fp32" in done.text


def test_a_broken_one_fails_with_its_minimal_case_which_is_a_network(tmp_path, said):
    done = run(tmp_path / "run", "--device=operators.broken_operators:coarse_softsign")
    assert done.code == 1
    assert {name for name, outcome in done.outcomes.items() if outcome == "failed"} == {
        "test_operator[Softsign-int8-fp32]"
    }
    (reasons,) = [record.reasons for record in done.records if record.outcome == "deviates"]
    assert any(reason.startswith("minimal case: operand 0: ") for reason in reasons)
    directory = tmp_path / "run/repro/softsign-int8-fp32"
    assert Network(directory).feeds(0)
    assert said("prepare", directory, "--golden-dir", tmp_path / "goldens")[0] == 0
    assert said("nodes", directory)[0] == 0


def test_a_record_of_operators_makes_a_page_and_a_gate(tmp_path, said):
    for name in ("before", "after"):
        assert run(tmp_path / name, "--profile=ideal").code == 0
    assert said("report", tmp_path / "after", "-o", tmp_path / "page.html")[0] == 0
    code, text, error = said("gate", tmp_path / "before", tmp_path / "after")
    assert code == 0, (text, error)
