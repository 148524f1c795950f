"""The run as a whole: one writer, one environment, and what fails it although no test did."""

import dataclasses
import hashlib
from contextlib import closing

import pytest
from support.records import record as made

from conformance.devices.base import DeviceInfo
from conformance.errors import InfrastructureError, UsageError
from conformance.runs.directory import read_environment, read_records
from conformance.runs.journal import Journal, ProcessStatus, run_path
from conformance.runs.shards import Ended, ShardOfRun

INFO = DeviceInfo(kind="cambricon", model="MLU270", simulated=False, firmware="1.1.4", serial="1")


def status(**changes):
    device = dataclasses.asdict(dataclasses.replace(INFO, **changes.pop("info", {})))
    return ProcessStatus(device=device, **changes)


def record(case="a", outcome="conforms", **changes):
    return made(outcome, case=case, simulated=False, **changes)


@pytest.fixture
def journal(plan, tmp_path):
    """A journal of two workers."""
    made = Journal(plan, tmp_path / "run", started=0.0, workers=2)
    with closing(made.directory):
        yield made


def test_the_environment_is_there_before_a_device_is_and_follows_the_devices(journal):
    path = journal.directory.path
    assert (read_environment(path).device, read_environment(path).devices) == ({}, [])
    journal.update(status(waivers=["w"]), "gw1")
    assert read_environment(path).device["serial"] == "1"
    journal.update(status(waivers=["w"], info={"serial": "2"}), "gw0")
    journal.add(record(), "gw0")
    journal.finish()
    found = read_environment(path)
    assert [(used.process, used.device["serial"], used.judged) for used in found.devices] == [
        ("gw1", "1", []),
        ("gw0", "2", ["own int8-fp16"]),
    ]
    assert found.waivers == ["w"]
    assert found.options["device"] == "auto"


def test_cards_may_differ_in_their_numbers_only(journal):
    journal.update(status(info={"serial": "1"}), "gw0")
    journal.update(status(info={"serial": "2"}), "gw1")
    journal.finish()
    assert journal.problems == []


@pytest.mark.parametrize(
    "name", ["kind", "model", "simulated", "driver", "firmware", "runtime", "framework", "profile"]
)
def test_what_devices_of_one_run_must_have_in_common(journal, name):
    journal.update(status(), "gw0")
    journal.update(status(info={name: True if name == "simulated" else "other"}), "gw1")
    journal.update(status(), "gw2")
    journal.add(record())
    journal.finish()
    (problem,) = journal.problems
    assert problem.startswith(
        f"the devices of this run differ in {name}: {getattr(INFO, name)!r} (gw0 gw2), "
    )
    assert journal.exit_code == 1


def test_what_all_processes_say_is_said_once_and_incidents_name_theirs(journal):
    for name in ("gw0", "gw1"):
        journal.update(status(problems=["w has expired"], incidents=["it hung"], notes=["slow"]), name)
    journal.failures.append("gw2 died")
    journal.note("shared cores")
    journal.finish()
    assert journal.problems == ["w has expired", "gw0: it hung", "gw1: it hung", "gw2 died"]
    assert journal.notes == ["golden", "slow", "shared cores"]


def test_an_incident_of_the_only_process_needs_no_name(plan, tmp_path):
    journal = Journal(plan, tmp_path / "run", started=0.0)
    journal.update(status(incidents=["it hung"]))
    journal.finish()
    assert journal.problems == ["it hung"]


def test_a_stale_waiver_is_found_once_whichever_workers_found_it(journal):
    for name in ("gw0", "gw1"):
        journal.add(record(name, waiver="w"), name)
    journal.add(record("c", "waived", waiver="w"), "gw1")
    journal.finish()
    (problem,) = journal.problems
    assert problem.startswith("waiver 'w' is stale: gw0 conforms")
    assert problem.endswith("(1 more cases)")


@pytest.mark.parametrize(
    ("outcomes", "code"), [((), 3), (("unsupported", "measured"), 3), (("measured", "conforms"), 0)]
)
def test_a_run_in_which_no_test_failed_passes_only_if_it_judged(journal, outcomes, code):
    for outcome in outcomes:
        journal.add(record(outcome, outcome))
    journal.finish()
    assert journal.exit_code == code


def test_the_busy_share_is_of_all_workers(journal, monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 10.0)
    for name in ("gw0", "gw1"):
        journal.update(status(seconds={"device": 4.0, "judge": 1.0}), name)
    journal.update(status(seconds={"device": 6.0}), "gw1")
    journal.finish()
    assert journal.busy_share == pytest.approx(0.5)


def test_a_case_that_two_workers_record_is_an_error(journal):
    journal.add(record(), "gw0")
    with pytest.raises(InfrastructureError, match="case a was recorded twice"):
        journal.add(record(), "gw1")
    assert len(read_records(journal.directory.path)) == 1


def test_an_environment_that_cannot_be_written_at_the_end_fails_the_run(journal):
    journal.add(record())
    file = journal.directory.path / "environment.json"
    file.unlink()
    file.mkdir()
    journal.finish()
    assert "environment.json cannot be written" in "".join(journal.problems)
    assert journal.exit_code == 1


def test_a_directory_is_given_up_only_while_it_has_no_records(plan, tmp_path):
    Journal(plan, tmp_path / "run", started=0.0).directory.discard()
    assert not (tmp_path / "run").exists()
    journal = Journal(plan, tmp_path / "run", started=0.0)
    journal.add(record())
    journal.directory.discard()
    assert len(read_records(tmp_path / "run")) == 1
    with pytest.raises(UsageError, match="already holds a run"):
        Journal(plan, tmp_path / "run", started=0.0)


def test_an_account_gives_back_the_device_without_what_it_does_not_know():
    assert status().info == INFO
    assert ProcessStatus(device=dataclasses.asdict(INFO) | {"cores": 4}).info == INFO


def test_the_run_directory_is_the_users_or_named_after_time_network_and_device(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = run_path(plan, "cambricon")
    assert path.parent == tmp_path / "runs"
    assert path.name.endswith("-n-cambricon")
    plan.settings = dataclasses.replace(plan.settings, shard="2/3")
    assert run_path(plan, "cambricon").name.endswith("-n-shard-2-3-cambricon")
    plan.settings = dataclasses.replace(plan.settings, run_dir=tmp_path / "mine")
    assert run_path(plan, "cambricon") == tmp_path / "mine"


@pytest.mark.parametrize(
    ("outcomes", "code"), [(("unsupported",), 3), (("measured",), 0), (("conforms",), 0)]
)
def test_a_shard_may_only_have_measured(plan, tmp_path, outcomes, code):
    shard = ShardOfRun(index=1, total=2, batches=[], held_to={})
    journal = Journal(plan, tmp_path / "run", started=0.0, shard=shard)
    for outcome in outcomes:
        journal.add(record(outcome, outcome))
    journal.finish()
    assert journal.exit_code == code


def test_how_a_shard_ended_is_written_when_it_has(plan, tmp_path):
    shard = ShardOfRun(index=1, total=2, batches=[], held_to={"a": "b"})
    journal = Journal(plan, tmp_path / "run", started=0.0, shard=shard)
    assert read_environment(tmp_path / "run").shard == shard
    journal.add(record())
    journal.failures.append("it hung")
    journal.ended = Ended(failed=True, unjudged=["b"])
    journal.finish()
    ended = Ended(failed=True, problems=["it hung"], records=1, unjudged=["b"])
    assert read_environment(tmp_path / "run").shard.ended == ended


def test_the_state_of_a_card_is_kept_from_before_and_after(journal):
    path = journal.directory.path
    journal.update(status(before={"temperature_celsius": 41.0}))
    journal.update(status(before={"temperature_celsius": 41.0}, after={"temperature_celsius": 63.0}))
    journal.finish()
    (used,) = read_environment(path).devices
    assert (used.before, used.after) == ({"temperature_celsius": 41.0}, {"temperature_celsius": 63.0})


def test_the_end_says_what_the_files_hold_and_why_not_all_was_judged(journal):
    path = journal.directory.path
    journal.add(record())
    journal.finish("interrupted")
    ended = read_environment(path).ended
    assert (ended.cut_short, ended.records) == ("interrupted", 1)
    assert ended.sha256 == {
        "records.jsonl": hashlib.sha256((path / "records.jsonl").read_bytes()).hexdigest()
    }
