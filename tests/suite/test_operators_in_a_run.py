"""Operators by themselves in a run: asked for by name, recorded, and handed on as networks."""

import os
import re
from pathlib import Path
from unittest import mock

import pytest
from support.suite_run import run_suite

from conformance.networks import Network
from conformance.runs.directory import read_records

TESTS = Path(__file__).resolve().parents[1]

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


@pytest.mark.slow
def test_what_kills_the_process_in_a_batch_is_found_and_shrunk_and_the_rest_is_judged(tmp_path):
    dying = "--device=operators.broken_operators:DyingDevice"
    with mock.patch.dict(os.environ, PYTHONPATH=str(TESTS)):
        done = run(tmp_path / "run", dying, "--isolate")
    assert done.code == 1, done.text
    assert {record.node: record.outcome for record in done.records} == {
        "Softsign": "broken",
        "Transpose": "conforms",
    }
    (reasons,) = [record.reasons for record in done.records if record.outcome == "broken"]
    assert "SIGKILL" in reasons[0]
    assert "minimal case: operand 0: 1 float32" in reasons[0]
    assert (tmp_path / "run/repro/softsign-int8-fp32/network.toml").is_file()


def test_shards_workers_and_other_readers_of_runs_see_operators(tmp_path, said):
    def spread(name, *arguments, **more):
        both = ("-k", "Softsign-int8 or Transpose-int8", "--examples=2", "--profile=ideal")
        done = run_suite(tmp_path / name, *both, *arguments, markers="mlu and operators", **more)
        assert done.code == 0, done.text
        return done

    one, _ = spread("runs/one"), spread("runs/two", workers=2)
    shards = [spread(str(place), f"--shard={place}/2").directory for place in (1, 2)]
    assert said("merge", *shards, "-o", tmp_path / "runs/merged")[0] == 0
    for name in ("two", "merged"):
        assert digests(read_records(tmp_path / "runs" / name)) == digests(one.records)
        assert said("gate", one.directory, tmp_path / "runs" / name)[0] == 0
    assert said("track", tmp_path / "runs")[0] == 0


def test_a_deviation_of_an_operator_is_waived_by_what_waive_writes(tmp_path, said):
    coarse = "--device=operators.broken_operators:coarse_softsign"
    assert run(tmp_path / "run", coarse).code == 1
    waivers = tmp_path / "waivers.toml"
    assert said("waive", tmp_path / "run", "-o", waivers)[0] == 0
    text = waivers.read_text()
    assert 'network = "operators"' in text
    assert '"Softsign"' in text


def digests(records):
    return {(record.case, record.outcome, tuple(record.sha256)) for record in records}
