"""Any device in a process of its own: it does the same there, and may end as it likes."""

import sys

import numpy as np
import pytest
from support.crashing_devices import CrashingDevice
from support.emulation import frozen, placeholder
from support.processes import group_lives

from conformance.devices.base import DeviceInfo, DeviceLost, DeviceRequest, Hosted, KeepsLogs, Unsupported
from conformance.devices.isolated import parent as isolated_module
from conformance.devices.isolated.child import IsolatedSession, IsolatedWorker
from conformance.devices.isolated.parent import IsolatedDevice, _opening
from conformance.devices.registry import open_device
from conformance.devices.worker.process import WorkerProcess
from conformance.errors import DeviceError, UsageError
from conformance.graph.editing import placeholder as placeholder_node
from conformance.graph.editing import plain
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.precision import PRECISIONS, parse_precision
from conformance.quantization.parameter_file import QuantizationScales

FP32 = parse_precision("int16-fp32")
SCALES = QuantizationScales(16, {})
FEEDS = {"x": np.arange(4, dtype=np.float32)}


def graph(*fetches):
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.append(placeholder_node("x", tf.float32, (4,)))
    graph_def.node.extend(plain(name, "Identity", ["x"], T=tf.float32) for name in fetches)
    return FrozenGraph.of(graph_def, fetches)


@pytest.fixture
def isolated(monkeypatch):
    """Open a crashing device in a process of its own; see that no process is left in the end."""
    monkeypatch.setattr(isolated_module, "MODULE", "support.light_isolated_worker")
    made, groups = [], []
    real = WorkerProcess.__init__

    def remember(self, *arguments, **named):
        real(self, *arguments, **named)
        groups.append(self._process.pid)

    monkeypatch.setattr(WorkerProcess, "__init__", remember)

    def make(timeout=60.0, **options):
        request = DeviceRequest(
            "support.crashing_devices:CrashingDevice", options=options, timeout=timeout, isolate=True
        )
        made.append(open_device(request))
        return made[-1]

    make.groups = groups
    yield make
    for device in made:
        device.close()
    assert groups
    assert not [group for group in groups if group_lives(group)]


def opened(device, *fetches, precision=FP32):
    return device.open(graph(*fetches), fetches, precision=precision, scales=SCALES)


def test_it_says_what_it_is_and_runs_there(isolated, tmp_path):
    device = isolated()
    assert isinstance(device, IsolatedDevice)
    assert isinstance(device, KeepsLogs)
    expected = DeviceInfo(kind="crashing", model="C1", simulated=True, settings={"a": {"b": "c"}})
    assert device.info() == expected
    device.keep_logs(tmp_path / "logs")
    with opened(device, "a", "note", "declared", "incident", "scalar", "list", "objects") as session:
        results = session.run(FEEDS)
        assert session.device_seconds == 0.5
        assert session.notes == ("note note",)
    assert results.keys() == {"a", "note", "incident", "scalar"}
    assert results["a"].tolist() == [0, 1, 2, 3]
    assert (results["scalar"].shape, results["scalar"].item()) == ((), 3)
    assert session.incidents == ["incident incident"]
    problems = {name: (type(error), str(error)) for name, error in session.problems.items()}
    assert problems == {
        "declared": (Unsupported, "declared"),
        "list": (DeviceError, "the device returned a list for list, but should return an array"),
        "objects": (
            DeviceError,
            "the device returned a ndarray of object for objects, but should return an array",
        ),
    }
    assert len(isolated.groups) == 1
    assert (tmp_path / "logs" / "device-1.log").exists()


@pytest.mark.parametrize(
    ("options", "error", "sentence"),
    [
        ({"at": "info", "fault": "segv"}, DeviceLost, "was ended by SIGSEGV; last output: about to segv"),
        ({"at": "factory", "fault": "exit"}, DeviceLost, "ended with exit code 5"),
        ({"at": "factory", "fault": "system-exit"}, DeviceError, "could not be made: SystemExit: 6"),
        ({"at": "info", "fault": "error"}, DeviceError, "does not say what it is: ZeroDivisionError"),
        ({"at": "factory", "fault": "usage"}, UsageError, "^no such scale$"),
        ({"at": "info", "fault": "odd"}, DeviceError, "does not say what it is: Expected `str`, got `int`"),
        ({"ad": "factory"}, UsageError, r"\(ad\): got an unexpected keyword argument 'ad'"),
    ],
)
def test_a_device_that_cannot_be_had(isolated, options, error, sentence):
    with pytest.raises(error, match=sentence):
        isolated(**options)


@pytest.mark.parametrize(
    ("at", "fault", "sentence"),
    [
        ("run", "segv", "process of device 'support.crashing_devices:CrashingDevice' was ended by SIGSEGV"),
        ("run", "system-exit", "ended with exit code 6"),
        ("open", "exit", "ended with exit code 5; last output: about to exit"),
        ("run", "refuse", "^the card is hot$"),
        ("run", "silent", "^the device raised DeviceError and said no more$"),
        ("run", "error", r"^ZeroDivisionError: division by zero$"),
        ("run", "no-mapping", "returned a list, but should return a mapping"),
        ("run", "nan", "says that the run took nan seconds"),
        ("run", "none", "says that the run took None seconds"),
    ],
)
def test_one_fetch_that_fails_is_its_problem(isolated, at, fault, sentence):
    with opened(isolated(at=at), fault) as session:
        assert session.run(FEEDS) == {}
    (problem,) = session.problems.values()
    with pytest.raises(DeviceError, match=sentence):
        raise problem


def test_a_crash_in_the_middle_and_a_hang_cost_the_others_nothing(isolated):
    with opened(isolated(timeout=2.0), "a", "hang", "b", "segv") as session:
        assert session.run(FEEDS).keys() == {"a", "b"}
        assert session.run(FEEDS).keys() == {"a", "b"}
    assert "gave no answer to 'run' within 2 s" in str(session.problems["hang"])
    assert "was ended by SIGSEGV" in str(session.problems["segv"])
    assert session.incidents == []


def test_what_is_not_offered_is_unsupported_as_a_whole(isolated):
    with pytest.raises(Unsupported, match=r"^no such operator$"):
        opened(isolated(at="open"), "a", "unsupported")


def test_a_crash_on_close_is_an_incident(isolated):
    with opened(isolated(at="close"), "a", "segv") as session:
        session.run(FEEDS)
    (incident,) = session.incidents
    assert incident.startswith("the device broke while it closed a session: the process of device")


def network(tf):
    x = placeholder(tf, "x", (1, 8, 8, 3))
    filters = tf.constant(np.random.default_rng(1).uniform(-1, 1, (3, 3, 3, 16)).astype(np.float32))  # large
    hidden = tf.nn.leaky_relu(tf.nn.conv2d(x, filters, 1, "SAME", name="conv"), name="relu")
    tf.tanh(tf.reduce_mean(hidden, [1, 2], name="mean"), name="out")


def test_the_emulator_computes_the_same_bits_there():
    graph, nodes = frozen(network, "out"), ["conv", "relu", "mean", "out"]
    feeds = {"x": np.random.default_rng(3).uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32)}
    devices = [open_device(DeviceRequest("emulator", isolate=isolate)) for isolate in (False, True)]
    assert devices[0].info() == devices[1].info()
    for precision, fuse in ((PRECISIONS[0], True), (PRECISIONS[-1], False)):
        scales = QuantizationScales(precision.fixed_bits, {"conv/input": 100.0, "conv/filter": 99.5})
        results = []
        for device in devices:
            with device.open(graph, nodes, precision=precision, scales=scales, fuse=fuse) as session:
                results.append(session.run(feeds))
                assert session.device_seconds > 0
        for node in nodes:
            assert results[0][node].tobytes() == results[1][node].tobytes()
    hosted = Hosted(operators=frozenset({"Mean"}))
    with devices[1].hosting(hosted).open(graph, nodes, precision=precision, scales=scales) as session:
        assert session.run(feeds).keys() == set(nodes)
    for device in devices:
        device.close()


def test_the_device_is_given_what_it_would_be_given_here(tmp_path, monkeypatch):
    worker = IsolatedWorker(None)
    worker.device = CrashingDevice()
    scales = QuantizationScales(8, {"a/input": 1 / 3}, convfirst=("{", "}"))
    (tmp_path / "g.pb").write_bytes(graph("a", "b").copied_graph_def().SerializeToString())
    opening = _opening(PRECISIONS[0], scales, fuse=False)
    session = worker.opened({"graph": str(tmp_path / "g.pb"), "fetches": ["b"], **opening})
    assert isinstance(session, IsolatedSession)
    given, fetches, precision, given_scales, fuse = worker.device.asked
    assert list(given.nodes) == ["x", "b"]
    assert (fetches, precision, given_scales, fuse) == (["b"], PRECISIONS[0], scales, False)
    monkeypatch.setattr(session._session, "run", lambda feeds: feeds["x"].__setitem__(0, 1))
    with pytest.raises(ValueError, match="read-only"):
        session.run({"x": np.zeros(4, np.float32)})


def test_the_child_imports_what_this_process_would_and_no_file_that_lies_about(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    monkeypatch.chdir(tmp_path)
    if sys.version_info < (3, 11):
        pytest.skip("Python 3.10 puts the working directory first, whatever one does")
    device = open_device(DeviceRequest("cpu", isolate=True))
    assert device.info().kind == "cpu"
    device.close()
