"""A worker at hand: started, replaced, given up; and gone when the process that started it is."""

import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from support.fake_worker import LAST_WORDS, Fault, fake_vendor, started_groups
from support.processes import group_lives, interrupted, wait_until

from conformance.devices.base import DeviceLost, Unsupported
from conformance.devices.cambricon import worker
from conformance.devices.cambricon.card_lock import card_owner
from conformance.devices.worker import host as worker_host
from conformance.devices.worker.arena import Arena
from conformance.devices.worker.host import Launch, WorkerHost
from conformance.devices.worker.process import WorkerFailed
from conformance.errors import DeviceError, UsageError

QUICK = {"command": "close", "session": 1}  # of a session that is not open: answered at once


@pytest.fixture
def launch(tmp_path):
    """Make a launch of a worker with faults, in a directory of its own."""

    def make(*faults, name="worker", prepare=lambda: None, **greeting):
        python = fake_vendor(tmp_path / name, *faults, greeting=greeting)
        return Launch(
            what="the fake worker",
            command=(str(python), worker.__file__),
            environment=os.environ,
            hello={},
            name=name,
            prepare=prepare,
        )

    return make


@pytest.fixture
def groups(tmp_path):
    return lambda name="worker": started_groups(tmp_path / name)


@pytest.fixture
def host(groups):
    """Make a host; see that nothing of it is left in the end."""
    made = []

    def make(timeout=30.0, probe=lambda *_: None):
        made.append(WorkerHost(timeout, probe))
        return made[-1]

    yield make
    for each in made:
        path = each.path
        each.close()
        each.close()
        assert not path.exists()
    assert not [group for group in groups() if group_lives(group)]


def test_a_worker_is_started_once_and_used_again(launch, host, groups):
    ours, one = host(), launch()
    assert not ours.alive
    assert ours.ready(one) == ours.ready(launch()) == 1
    assert ours.alive
    assert ours.greeting["tensorflow"] == "1.15.0"
    assert ours.request(QUICK) == {"ok": True}
    assert len(groups()) == 1


def test_another_launch_ends_the_worker_before(launch, host, groups):
    ours = host()
    ours.ready(launch())
    feeds, _ = ours.arenas
    assert ours.ready(launch(name="other")) == 2
    assert not group_lives(groups()[0])
    assert group_lives(groups("other")[0])
    assert not feeds.path.exists()
    assert ours.ready(launch()) == 3


def test_what_is_prepared_is_prepared_before_every_start(launch, host):
    prepared = []
    ours, one = host(), launch(prepare=lambda: prepared.append(1))
    ours.ready(one)
    ours.ready(one)
    ours.stop()
    ours.ready(one)
    assert len(prepared) == 2


def test_what_cannot_be_prepared_leaves_nothing_behind(launch, host, groups):
    def fail():
        raise UsageError("no such file")

    with pytest.raises(UsageError, match="no such file"):
        host().ready(launch(prepare=fail))
    assert groups() == []


def test_a_start_that_the_device_refuses_loses_it_at_once(launch, host, groups):
    with pytest.raises(DeviceLost, match=r"^InvalidArgumentError: no kernel for this$"):
        host().ready(launch(Fault("refuse", at="hello")))
    assert len(groups()) == 1


@pytest.mark.parametrize("kind", ["segv", "garbage"])
def test_three_starts_in_a_row_that_fail_lose_the_device(launch, host, groups, kind):
    ours = host()
    with pytest.raises(DeviceLost, match="3 starts in a row failed"):
        ours.ready(launch(Fault(kind, at="hello")))
    assert len(groups()) == 3
    assert not ours.alive


def test_a_start_that_hangs_has_a_deadline_of_its_own(launch, host, groups, monkeypatch):
    monkeypatch.setattr(worker_host, "START_SECONDS", 0.6)
    with pytest.raises(DeviceLost, match=r"3 starts .* gave no answer to 'hello' within 0\.6 s"):
        host(timeout=0.1).ready(launch(Fault("hang", at="hello")))
    assert len(groups()) == 3


def test_the_third_start_may_do(launch, host, groups):
    ours = host()
    ours.ready(launch(Fault("segv", at="hello", times=2)))
    assert ours.request(QUICK)["ok"]
    assert (ours.generation, len(groups())) == (3, 3)


@pytest.mark.parametrize(("kind", "error"), [("usage", UsageError), ("unsupported", Unsupported)])
def test_a_refusal_to_work_is_not_tried_again(launch, host, groups, monkeypatch, kind, error):
    monkeypatch.setattr(worker_host, "PROTOCOL", 99)
    greeting = {"ok": False, "kind": kind, "error": "no such TensorFlow"}
    ours = host()
    with pytest.raises(error, match=r"^no such TensorFlow$"):
        ours.ready(launch(Fault("as-greeted", at="hello"), **greeting))
    assert len(groups()) == 1
    assert not ours.alive


def test_an_interpreter_that_cannot_be_run_is_no_crash(host):
    nowhere = Launch("the worker", ("/no/such/python",), {}, {})
    with pytest.raises(DeviceLost, match="the worker cannot be started: /no/such/python: No such file"):
        host().ready(nowhere)


def test_a_worker_that_died_is_replaced_and_the_next_one_is_probed_once(launch, host):
    probed = []
    ours = host(probe=lambda *arguments: probed.append(arguments))
    one = launch(Fault("segv", at="close", times=1))
    ours.ready(one)
    with pytest.raises(WorkerFailed, match=f"SIGSEGV; last output: {LAST_WORDS}"):
        ours.request(QUICK)
    assert not ours.alive
    with pytest.raises(DeviceError, match="the worker is gone"):
        ours.request(QUICK)
    assert probed == []
    assert ours.ready(one) == 2
    assert ours.ready(one) == 2
    assert ours.request(QUICK)["ok"]
    assert probed == [(ours, one)]


def test_a_worker_that_was_told_to_end_is_not_followed_by_a_probe(launch, host):
    probed = []
    ours = host(probe=lambda *arguments: probed.append(arguments))
    ours.ready(launch())
    ours.ready(launch(name="other"))
    assert probed == []


@pytest.mark.parametrize("error", [DeviceError("0.5 + 1.5 gave 3"), WorkerFailed("was ended by SIGSEGV")])
def test_a_probe_that_fails_loses_the_device_and_is_made_again_later(launch, host, error):
    def probe(*_):
        raise error

    ours, one = host(probe=probe), launch(Fault("segv", at="close", times=1))
    ours.ready(one)
    with pytest.raises(WorkerFailed):
        ours.request(QUICK)
    sentence = f"the device is lost: after a failure it does not even add two numbers: {error}"
    for _ in range(2):
        with pytest.raises(DeviceLost, match=re.escape(sentence)):
            ours.ready(one)
        assert not ours.alive


def test_a_probe_that_came_to_no_end_is_made_again(launch, host):
    probes = iter([UsageError("no graph"), KeyboardInterrupt(), None])

    def probe(*_):
        if error := next(probes):
            raise error

    ours, one = host(probe=probe), launch(Fault("segv", at="close", times=1))
    ours.ready(one)
    with pytest.raises(WorkerFailed):
        ours.request(QUICK)
    for error in (UsageError, KeyboardInterrupt):
        with pytest.raises(error):
            ours.ready(one)
    ours.ready(one)
    assert next(probes, "none left") == "none left"


def test_a_device_that_does_not_offer_the_probe_is_alive(launch, host):
    def probe(*_):
        raise Unsupported("no addition")

    ours, one = host(probe=probe), launch(Fault("segv", at="close", times=1))
    ours.ready(one)
    with pytest.raises(WorkerFailed):
        ours.request(QUICK)
    ours.ready(one)
    assert ours.request(QUICK)["ok"]


def test_a_worker_that_answers_nonsense_is_ended_by_whoever_sees_it(launch, host, groups):
    ours = host()
    ours.ready(launch())
    assert str(ours.failed("said 2 + 2 = 5")).startswith("the fake worker said 2 + 2 = 5; last output: none")
    assert not ours.alive
    assert not group_lives(groups()[0])


def test_an_interrupt_ends_the_worker_and_nobody_waits_for_it_any_more(launch, host, groups):
    ours = host(timeout=300.0)
    ours.ready(launch(Fault("hang", at="close")))
    with pytest.raises(KeyboardInterrupt), interrupted(0.5):
        ours.request(QUICK)
    assert not ours.alive
    assert not group_lives(groups()[0])


def test_an_interrupted_start_leaves_nothing_behind(launch, host, groups):
    ours = host(timeout=300.0)
    with pytest.raises(KeyboardInterrupt), interrupted(1.0):
        ours.ready(launch(Fault("hang", at="hello")))
    assert not ours.alive
    assert not [group for group in groups() if group_lives(group)]


def test_arenas_are_there_as_long_as_the_worker_is(launch, host):
    ours = host()
    with pytest.raises(DeviceError, match="the worker is gone"):
        _ = ours.arenas
    ours.ready(launch())
    feeds, results = ours.arenas
    assert isinstance(feeds, Arena)
    feeds.place({"x": np.ones(1000, np.float32)})
    assert results.free().path.parent == ours.path
    ours.stop()
    assert list(ours.path.iterdir()) == []
    with pytest.raises(DeviceError, match="the worker is gone"):
        _ = ours.arenas


def test_logs_are_kept_from_then_on_without_a_restart(launch, host, tmp_path):
    ours, one = host(), launch(Fault("segv", at="close", times=1))
    ours.ready(one)
    ours.keep_logs(tmp_path / "run" / "logs")
    assert ours.ready(one) == 1
    with pytest.raises(WorkerFailed, match=r"\(log: .*run/logs/worker-1\.log\)"):
        ours.request(QUICK)
    assert LAST_WORDS in (tmp_path / "run/logs/worker-1.log").read_text()
    ours.ready(one)
    assert (tmp_path / "run/logs/worker-2.log").exists()


ORPHAN = """
import os, sys, time
from conformance.devices.cambricon.driver import CambriconDevice
from conformance.devices.cambricon.cards import Survey

python, locks = sys.argv[1:]
device = CambriconDevice(
    {"allow-stock": "1", "python": python, "lock-dir": locks}, look=lambda: Survey((), "", "", ())
)
print(device._host.path, flush=True)
device._host.request({"command": "close", "session": 1})
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("kind", ["hang", "hang-with-lock"])
def test_a_hung_worker_does_not_outlive_the_process_that_started_it(tmp_path, number, kind):
    python = fake_vendor(tmp_path / "vendor", Fault(kind, at="close"))
    locks = tmp_path / "locks"
    command = [sys.executable, "-c", textwrap.dedent(ORPHAN), str(python), str(locks)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        shared = Path(parent.stdout.readline().strip())
        wait_until((tmp_path / "vendor" / "count-0").exists)
        group = started_groups(tmp_path / "vendor")[0]
        assert group_lives(group)
        assert shared.is_dir()
        assert f"process {parent.pid} of" in card_owner(0, locks)
        parent.send_signal(number)
    wait_until(lambda: not group_lives(group))
    assert not shared.exists()
    assert card_owner(0, locks) is None


def test_a_worker_that_is_well_ends_with_its_parent_in_good_order(tmp_path):
    python = fake_vendor(tmp_path / "vendor")
    host = WorkerHost(30.0, lambda *_: None)
    host.ready(Launch("the worker", (str(python), worker.__file__), os.environ, {}))
    (group,) = started_groups(tmp_path / "vendor")
    shared = host.path
    host._process._socket.close()  # as the kernel does when this process ends
    assert host._process._process.wait(20) == 0
    wait_until(lambda: not group_lives(group))
    assert not shared.exists()
    host.close()
