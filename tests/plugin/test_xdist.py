"""How cases are spread over workers, and what a controller does with what they send."""

import functools
from types import SimpleNamespace

import pytest
from support.records import record
from support.suite_run import run_suite

from conformance.devices.cambricon import cards
from conformance.devices.cambricon.cards import Card, Survey
from conformance.errors import UsageError
from conformance.options import OPTIONS
from conformance.plugin import xdist as distribution
from conformance.plugin.execution import JOURNAL
from conformance.plugin.processes import OURS
from conformance.plugin.selection import group_of
from conformance.plugin.worker import Stop, WorkerMessage, pack, unpack
from conformance.plugin.xdist import Controller, pytest_xdist_auto_num_workers
from conformance.runs.directory import read_records
from conformance.runs.journal import Journal, ProcessStatus
from conformance.runs.records import encode_record

SUITE = "conformance/suite/test_nodes.py::test_node"


class Item:
    def __init__(self, nodeid, *markers, network=""):
        self.nodeid, self.markers = nodeid, markers
        self.callspec = SimpleNamespace(params={"network": network})

    def get_closest_marker(self, name):
        return name if name in self.markers else None


@pytest.mark.parametrize(
    ("item", "group"),
    [
        (Item(f"{SUITE}[a/b-int8-fp16]", "mlu", "own", "int8", "fp16"), "own int8-fp16"),
        (Item(f"{SUITE}[c[0]-int8-fp16]", "mlu", "own", "int8", "fp16"), "own int8-fp16"),
        (Item("f.py::test_x[int16-fp32]", "mlu", "fused", "int16", "fp32"), "fused int16-fp32"),
        (Item("f.py::test_y[int16-fp32]", "mlu", "fused", "benchmark", "int16", "fp32"), "fused int16-fp32"),
        (Item("f.py::test_scales[8]", "mlu", "calibration", "int8"), "calibration int8"),
        (Item("f.py::test_x[n-int8-fp16]", "mlu", "own", "int8", "fp16", network="n"), "own n int8-fp16"),
        (Item("f.py::test_mine[n-int8]", "mlu", "int8", network="n"), "f.py::test_mine n int8"),
    ],
)
def test_a_group_is_a_mode_at_a_precision_whatever_is_timed_of_it(item, group):
    assert group_of(item) == group


class Node:
    """A worker as pytest-xdist's scheduling sees it."""

    shutting_down = False

    def __init__(self, name):
        self.gateway, self.sent = SimpleNamespace(id=name), []

    def send_runtest_some(self, indices):
        self.sent += indices

    def shutdown(self):
        self.shutting_down = True


def scheduled(nodes, ids, groups, dist="load"):
    """Return the tests that each worker gets before any has run."""
    option = SimpleNamespace(dist=dist, loadscopereorder=True)
    config = SimpleNamespace(option=option, getvalue=lambda _: [f"{nodes}*popen"])
    scheduling = distribution._scheduling(config, None, groups)
    workers = [Node(f"gw{number}") for number in range(nodes)]
    for worker in workers:
        scheduling.add_node(worker)
        scheduling.add_node_collection(worker, ids)
    scheduling.schedule()
    return [{ids[index] for index in worker.sent} for worker in workers]


@pytest.mark.parametrize("dist", ["load", "loadgroup", "loadscope", "loadfile", "worksteal"])
def test_groups_stay_together_whatever_the_user_says_of_others(dist):
    ids = [f"s.py::test[{node}-{precision}]" for precision in "pqrs" for node in range(9)]
    groups = {nodeid: nodeid[-2] for nodeid in ids}
    for sent in scheduled(2, ids, groups, dist):
        assert len({groups[nodeid] for nodeid in sent}) == 1
        assert len(sent) == 9


@pytest.mark.parametrize(("dist", "files"), [("load", ["a", "a"]), ("loadfile", "ab"), ("loadscope", "ab")])
def test_other_tests_are_spread_as_the_user_says(dist, files):
    ids = [f"{name}.py::test_{number}" for name in "ab" for number in range(9)]
    sent = scheduled(2, ids, {"none": "none"}, dist)
    assert [{nodeid[0] for nodeid in part} for part in sent] == list(map(set, files))


def config(markers="mlu", **options):
    given = {option.destination: None for option in OPTIONS} | {
        f"mlu_{name}": value for name, value in options.items()
    }
    return SimpleNamespace(
        option=SimpleNamespace(markexpr=markers, dist="load"),
        getoption=given.get,
        invocation_params=SimpleNamespace(dir="/"),
        stash=pytest.Stash(),
    )


@pytest.mark.parametrize(
    ("usable", "asked", "workers"),
    [
        (2, {}, 2),
        (2, {"device": "cambricon"}, 2),
        (0, {}, None),
        (2, {"device": "emulator"}, None),
        (2, {"markers": "not mlu"}, None),
    ],
)
def test_auto_means_a_worker_per_card_where_cards_are_judged(monkeypatch, tmp_path, usable, asked, workers):
    found = [Card(index, tmp_path) for index in range(usable)] + [Card(9, None)]
    monkeypatch.setattr(cards, "survey", lambda: Survey(tuple(found), "", "", ()))
    assert pytest_xdist_auto_num_workers(config(**asked)) == workers


def test_workers_on_other_machines_are_refused():
    controller = Controller(config())
    controller.pytest_xdist_setupnodes([SimpleNamespace(popen=True), SimpleNamespace(popen=None)])
    with pytest.raises(UsageError, match=r"judges on a machine that this run's environment\.json would"):
        controller.begin(SimpleNamespace(), [], 0.0)


def test_a_parcel_arrives_as_it_was_sent():
    status = ProcessStatus(
        device={"kind": "card", "settings": {"int8-fp16": {"A": "1"}}}, notes=["×"], seconds={"device": 0.5}
    )
    sent = WorkerMessage(
        worker="gw0",
        status=status,
        records=["{}\n"],
        benchmarks=[{"stats": {"data": [0.1]}}],
        stop=Stop(sentence="lost", exit_code=3),
    )
    assert unpack(pack(sent)) == sent
    assert unpack(pack(WorkerMessage(worker="gw1"))) == WorkerMessage(worker="gw1")


@pytest.mark.parametrize("code", [3, 4])
def test_a_stop_is_the_error_that_it_was(code):
    error = Stop(sentence="why", exit_code=code).error
    assert (str(error), error.exit_code) == ("why", code)


@pytest.fixture
def controller(plan, tmp_path):
    """A controller whose run has begun."""
    made = config()
    made.pluginmanager = SimpleNamespace(has_plugin=lambda _: True)
    made.stash[JOURNAL] = Journal(plan, tmp_path / "run", started=0.0, workers=2)
    return Controller(made)


def journal_of(controller):
    return controller._config.stash.get(JOURNAL, None)


def report(text, worker="gw0"):
    """Return the report of a test that carries the record of a case."""
    lines = [encode_record(record(case=text)).decode()]
    message = WorkerMessage(worker=worker, status=ProcessStatus(device={"kind": "card"}), records=lines)
    return SimpleNamespace(nodeid="t", when="call", passed=True, **{OURS: pack(message)})


def node(stop=None, status=None):
    """Return a worker that has ended."""
    message = WorkerMessage(worker="gw1", stop=stop, status=status)
    return SimpleNamespace(gateway=SimpleNamespace(id="gw1"), workeroutput={OURS: pack(message)})


def test_records_of_reports_are_written_as_they_come_in(controller):
    controller.pytest_runtest_logreport(report("a", "gw0"))
    controller.pytest_runtest_logreport(SimpleNamespace(nodeid="t", when="setup", passed=True))
    controller.pytest_runtest_logreport(report("b", "gw1"))
    journal = journal_of(controller)
    assert [found.case for found in read_records(journal.directory.path)] == ["a", "b"]
    assert (journal.count_of("gw0"), journal.count_of("gw1")) == (1, 1)


def test_a_case_that_comes_in_twice_ends_the_run(controller):
    controller.pytest_runtest_logreport(report("a", "gw0"))
    with pytest.raises(pytest.exit.Exception, match="case a was recorded twice") as ended:
        controller.pytest_runtest_logreport(report("a", "gw1"))
    assert ended.value.returncode == 3


def test_a_worker_that_died_fails_the_run(controller):
    dead = SimpleNamespace(gateway=SimpleNamespace(id="gw1"))
    controller.pytest_testnodedown(dead, "Not properly terminated")
    journal_of(controller).finish()
    (problem,) = journal_of(controller).problems
    assert problem.startswith("worker gw1 died (Not properly terminated)")


def test_a_worker_that_has_ended_well_is_no_problem(controller):
    controller.pytest_testnodedown(node(status=ProcessStatus(device={"kind": "card"})), None)
    journal_of(controller).finish()
    assert journal_of(controller).problems == []
    assert journal_of(controller).statuses["gw1"].device == {"kind": "card"}


@pytest.mark.parametrize(("code", "error"), [(3, pytest.exit.Exception), (4, pytest.UsageError)])
def test_a_worker_that_could_not_begin_leaves_no_directory(controller, tmp_path, code, error):
    with pytest.raises(error, match=r"^why$"):
        controller.pytest_testnodedown(node(Stop(sentence="why", exit_code=code)), None)
    assert journal_of(controller) is None
    assert not (tmp_path / "run").exists()


def test_a_worker_that_cannot_go_on_is_named_and_the_records_are_kept(controller, tmp_path):
    controller.pytest_runtest_logreport(report("a", "gw0"))
    with pytest.raises(pytest.exit.Exception, match=r"^gw1: lost$") as ended:
        controller.pytest_testnodedown(node(Stop(sentence="lost", exit_code=3)), None)
    assert ended.value.returncode == 3
    assert len(read_records(tmp_path / "run")) == 1


@pytest.mark.parametrize("arguments", [["-pno:xdist"], ["-n0"], ["--dist=no"]])
def test_without_workers_this_process_judges(network, tmp_path, arguments):
    result = run_suite(tmp_path / "run", "--profile=ideal", "--nodes=joined", *arguments, network=network)
    assert (result.code, len(result.records)) == (0, 4)
    assert "device: emulator" in result.text.partition("test_nodes")[0]
    assert "workers: " not in result.text


@pytest.mark.parametrize(
    ("failed", "goes_on", "ends"), [(0, False, False), (2, False, True), (2, True, False)]
)
def test_what_cannot_be_collected_ends_the_session_before_a_worker_says_it_again(failed, goes_on, ends):
    class Session:
        Interrupted = pytest.Session.Interrupted
        testsfailed = 0

        def perform_collect(self):
            self.testsfailed = failed

    made = config()
    made.option.continue_on_collection_errors = goes_on
    collect = functools.partial(Controller(made).pytest_collection, Session())
    if ends:
        with pytest.raises(KeyboardInterrupt, match=r"2 error\(s\) during collection"):
            collect()
    else:
        collect()
