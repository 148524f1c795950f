"""A run goes on whatever a card's process does: right outcome, right case, the rest judged, nothing left."""

import functools
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from support.fake_worker import LAST_WORDS, Fault, fake_vendor, started_groups
from support.kept_network import KEY_NODES, kept_network
from support.processes import group_lives, wait_until
from support.right_device import right_device
from support.suite_run import ROOT, run_suite

from conformance.devices.cambricon.card_lock import card_owner
from conformance.devices.isolated import parent as isolated
from conformance.devices.worker import arena
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.graph.cut import cut
from conformance.precision import parse_precision
from conformance.quantization.files import read_scales
from conformance.runs.directory import read_records

CULPRIT = "norm/mean"
NORM = {"norm/mean", "norm/squared", "norm/variance", "norm/scale", "norm/out"}
UPSTREAM_OR_BESIDE = {"bare/Conv2D", "style/Conv2D"}
OWN, CHAINED, FUSED = (f"mlu and int16 and fp32 and {mode}" for mode in ("own", "chained", "fused"))


@functools.cache
def goldens():
    """Return what a card that is right at int16-fp32 returns, and what it is fed, by ``SAMPLE|NODE``."""
    store = kept_network().store
    names = list(
        dict.fromkeys([node.name for node in store.manifest.key] + list(store.network.graph.outputs))
    )
    store.ensure(names)
    graph = cut(store.network.graph, key_shapes(store), names)
    scales = read_scales(store.network.directory, 16, store.network.graph)
    table = {}
    precision = parse_precision("int16-fp32")
    with right_device().open(graph, names, precision=precision, scales=scales) as session:
        for sample in range(store.network.samples):
            table |= {f"{sample}|golden of {name}": store.get(name, sample) for name in names}
            table |= {f"{sample}|{name}": value for name, value in store.network.feeds(sample).items()}
            results = session.run(golden_feeds(store, graph.inputs, sample))
            table |= {f"{sample}|{name}": results[name] for name in names}
    return table


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Private directories in the place of those that a run shares with everything else on the machine."""
    places = tmp_path / "shm", tmp_path / "tmp"
    for place in places:
        place.mkdir()
    monkeypatch.setattr(arena, "SHARED_MEMORY", places[0])
    monkeypatch.setattr(tempfile, "tempdir", str(places[1]))
    return places


@pytest.fixture
def run(network, tmp_path, places):
    """Run the suite on the small network with a card whose process has faults; see that nothing is left."""

    def run_with(*faults, markers=OWN, arguments=(), greeting=None, timeout=60):
        python = fake_vendor(tmp_path / "vendor", *faults, table=goldens(), greeting=greeting)
        options = {"allow-stock": "1", "python": python, "lock-dir": tmp_path / "locks"}
        result = run_suite(
            tmp_path / "run",
            "--device=cambricon",
            *(f"--device-option={key}={value}" for key, value in options.items()),
            f"--device-timeout={timeout}",
            "--no-waivers",
            *arguments,
            network=network,
            markers=markers,
        )
        groups = started_groups(tmp_path / "vendor")
        assert groups
        assert not [group for group in groups if group_lives(group)]
        assert [path for place in places for path in place.iterdir()] == []
        assert card_owner(0, tmp_path / "locks") is None
        assert "Traceback" not in result.text
        return result

    return run_with


def test_a_card_that_does_no_wrong_passes_everything_at_once(run):
    result = run(markers="mlu and int16 and fp32 and (own or chained or fused)")
    assert (result.code, result.failed) == (0, set())
    assert {record.outcome for record in result.records} == {"conforms", "measured"}
    assert {(record.device, record.simulated) for record in result.records} == {("cambricon-stock", True)}
    assert "stock TensorFlow 1.15.0 in place of Cambricon's" in result.text


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("segv", "was ended by SIGSEGV"),
        ("exit", "ended with exit code 0"),
        ("hang", "gave no answer to 'run' within 2 s"),
        ("flood-and-die", "was ended by SIGABRT"),
        ("tear", "ended with exit code 0"),
        ("garbage", "answered 'run' with garbage"),
        ("child", "ended with exit code 9"),
        ("refuse", "InvalidArgumentError: no kernel for this"),
    ],
)
def test_the_node_that_breaks_the_card_is_broken_and_all_others_are_judged(run, kind, reason):
    timeout = 2 if kind == "hang" else 60
    result = run(Fault(kind, node=CULPRIT), arguments=["--nodes=norm/*"], timeout=timeout)
    (broken,) = [record for record in result.records if record.outcome == "broken"]
    assert (broken.node, broken.precision, broken.mode) == (CULPRIT, "int16-fp32", "own")
    assert (result.code, result.failed) == (1, {f"{CULPRIT}-int16-fp32"})
    assert reason in broken.reasons[0]
    assert result.cases("conforms") == {f"{node}-int16-fp32" for node in NORM - {CULPRIT}}
    if kind in ("segv", "exit", "hang", "flood-and-die", "child"):
        assert f"last output: {LAST_WORDS}" in broken.reasons[0] or f"| {LAST_WORDS}" in broken.reasons[0]
        logs = list((result.directory / "logs").glob("*.log"))
        assert any(str(log) in broken.reasons[0] and LAST_WORDS in log.read_text() for log in logs)


def test_what_breaks_while_it_is_compiled_is_found_as_well(run):
    result = run(Fault("segv", at="open", node=CULPRIT), arguments=["--nodes=norm/*"])
    assert result.cases("broken") == {f"{CULPRIT}-int16-fp32"}
    assert len(result.cases("conforms")) == len(NORM) - 1


def test_what_breaks_with_one_sample_only_is_broken(run):
    result = run(Fault("segv", node=CULPRIT, sample=1), arguments=["--nodes=norm/*"])
    assert result.cases("broken") == {f"{CULPRIT}-int16-fp32"}
    assert len(result.cases("conforms")) == len(NORM) - 1


def test_every_file_that_a_worker_was_given_lies_in_the_run_directory(run):
    result = run(Fault("segv", node=CULPRIT))
    assert result.cases("broken") == {f"{CULPRIT}-int16-fp32"}
    assert len(result.cases("conforms")) == KEY_NODES - 1
    names = {path.name for path in (result.directory / "logs").iterdir()}
    (parameters,) = [name for name in names if name.endswith(".quant.txt")]
    assert parameters.startswith("int16-fp32-")
    assert (result.directory / "logs" / parameters).read_text().startswith("bit_width:16\n")
    assert len([name for name in names if name.startswith("int16-fp32-") and name.endswith(".log")]) > 1


def test_in_the_chain_what_needs_the_culprit_is_not_run_and_what_does_not_is_measured(run):
    result = run(Fault("segv", node=CULPRIT), markers=CHAINED)
    broken = {record.node: record.reasons[0] for record in result.records if record.outcome == "broken"}
    measured = {record.node for record in result.records if record.outcome == "measured"}
    assert result.code == 1
    assert measured == UPSTREAM_OR_BESIDE
    assert broken.keys() >= NORM
    assert len(broken) + len(measured) == KEY_NODES
    assert broken.pop(CULPRIT).startswith("the Cambricon worker was ended by SIGSEGV")
    for reason in broken.values():
        assert reason.startswith(f"not run, because it needs {CULPRIT}, which failed: the Cambricon worker")


def test_the_fused_network_breaks_as_a_whole_judged_and_timed(run):
    result = run(Fault("segv", node=CULPRIT), markers=FUSED)
    assert result.code == 1
    assert [(record.node, record.outcome) for record in result.records] == [("out", "broken")] * 2
    assert not (result.directory / "benchmark.json").exists()


@pytest.mark.parametrize("fault", [Fault("segv", least=5), Fault("segv", times=1)])
def test_a_failure_that_is_no_nodes_fault_fails_a_run_whose_nodes_are_all_judged(run, fault):
    result = run(fault, arguments=["--nodes=norm/*"])
    assert (result.code, result.failed) == (1, set())
    assert len(result.cases("conforms")) == len(NORM)
    assert "FAILED: the device broke while" in result.text
    assert "and not again when they were halved: the Cambricon worker was ended by SIGSEGV" in result.text


@pytest.mark.parametrize("markers", [OWN, FUSED + " and benchmark"])
def test_a_card_that_breaks_when_a_session_is_closed_fails_the_run(run, markers):
    result = run(Fault("segv", at="close"), markers=markers)
    assert (result.code, result.failed) == (1, set())
    assert "FAILED: the device broke while it closed a session: the Cambricon worker was ended" in result.text
    assert result.records


def test_a_card_that_cannot_be_started_is_one_sentence(run):
    result = run(Fault("segv", at="hello"))
    assert (result.code, result.outcomes) == (3, {})
    sentence = (
        "the device is lost: 3 starts in a row failed, the last one so: the Cambricon worker was ended by"
    )
    assert f"{sentence} SIGSEGV" in result.text
    assert not result.directory.exists()


def test_a_greeting_that_makes_no_sense_is_one_sentence(run):
    result = run(greeting={"stock": "maybe"})
    assert (result.code, result.outcomes) == (3, {})
    assert "the Cambricon worker does not say what it is: Expected `bool`, got `str`" in result.text


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (Fault("segv", at="hello", after=3), "the device is lost: 3 starts in a row failed"),
        (Fault("segv", node="sum"), "the device is lost: after a failure it does not even add two numbers"),
    ],
)
def test_a_card_that_is_lost_ends_the_run_and_keeps_what_was_judged(run, fault, sentence):
    trigger = Fault("segv", node=CULPRIT, after=2)  # the two samples of int8 come first
    result = run(trigger, fault, markers="mlu and own and fp32", arguments=["--nodes=norm/*"])
    assert result.code == 3
    assert sentence in result.text
    assert {record.node for record in result.records if record.outcome == "conforms"} == NORM
    assert {record.precision for record in result.records if record.outcome == "conforms"} == {"int8-fp32"}
    (broken,) = [record for record in result.records if record.outcome == "broken"]
    assert (broken.precision, broken.node) == ("int16-fp32", "norm/mean"), "the first case of int16"
    assert sentence in broken.reasons[0]


def test_a_device_that_would_end_the_run_is_isolated_and_the_rest_has_the_same_bits(
    network, tmp_path, places
):
    def judged(name, *arguments):
        return run_suite(tmp_path / name, "--nodes=norm/*", *arguments, network=network, markers=OWN)

    result = judged("isolated", "--isolate", "--device=support.crashing_devices:dies_at_mean")
    assert (result.code, result.failed) == (1, {f"{CULPRIT}-int16-fp32"})
    assert result.cases("broken") == result.failed
    (reason,) = [record.reasons[0] for record in result.records if record.outcome == "broken"]
    assert reason.startswith(
        "the process of device 'support.crashing_devices:dies_at_mean' was ended by SIGSEGV"
    )
    here = {record.node: record.sha256 for record in judged("here", "--profile=ideal").records}
    there = {record.node: record.sha256 for record in result.records if record.outcome == "conforms"}
    assert there == {node: here[node] for node in NORM - {CULPRIT}}
    assert [path for place in places for path in place.iterdir()] == []


def test_an_isolated_device_on_which_nothing_works_is_lost(network, tmp_path, places, monkeypatch):
    monkeypatch.setattr(isolated, "MODULE", "support.light_isolated_worker")
    device = (
        "--device=support.crashing_devices:CrashingDevice",
        "--device-option=at=open",
        "--device-option=fault=exit",
    )
    arguments = ("--isolate", *device, "--nodes=norm/*")
    result = run_suite(tmp_path / "run", *arguments, network=network, markers=OWN)
    assert result.code == 3
    assert "the device is lost: after a failure it does not even add two numbers" in result.text
    assert [record.outcome for record in result.records] == ["broken"]
    assert [path for place in places for path in place.iterdir()] == []


def test_an_interrupt_ends_a_run_that_waits_for_a_card_and_leaves_nothing(network, tmp_path):
    python = fake_vendor(tmp_path / "vendor", Fault("hang-with-lock", node="norm/out"), table=goldens())
    options = {"allow-stock": "1", "python": python, "lock-dir": tmp_path / "locks"}
    command = [
        *(sys.executable, "-m", "pytest", f"--config-file={ROOT / 'pytest.ini'}", "-pno:cacheprovider"),
        *(str(ROOT / "conformance/suite"), "-mmlu and own and fp32", f"--run-dir={tmp_path / 'run'}"),
        *(f"--network-path={network.directory}", f"--golden-dir={network.goldens}", "--device=cambricon"),
        *(f"--device-option={key}={value}" for key, value in options.items()),
        "--device-timeout=300",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        wait_until((tmp_path / "vendor" / "count-0").exists, 120)
        run.send_signal(signal.SIGINT)
        try:
            text = run.communicate(timeout=100)[0]  # far less than the deadline of the device
        finally:
            run.kill()
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert "KeyboardInterrupt" in text
    assert not [group for group in started_groups(tmp_path / "vendor") if group_lives(group)]
    assert not Path((tmp_path / "vendor" / "shared").read_text()).exists()
    assert card_owner(0, tmp_path / "locks") is None
    assert read_records(tmp_path / "run") == []
