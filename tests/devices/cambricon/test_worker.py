"""The worker file itself: its grammar, its imports, what it refuses, and its sessions under TensorFlow 2."""

import ast
import gc
import os
import socket
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from support import tensorflow_2_worker
from support.emulation import frozen, placeholder
from support.processes import group_lives

from conformance.devices.cambricon import worker as worker_module
from conformance.devices.worker.constant_files import PREFIX
from conformance.devices.worker.host import PROTOCOL, Launch, WorkerHost
from conformance.devices.worker.process import WorkerFailed, WorkerProcess
from conformance.devices.worker.session import RemoteSession
from conformance.errors import DeviceError, UsageError

WORKER = Path(worker_module.__file__)


def test_it_parses_under_the_grammar_of_python_3_5():
    ast.parse(WORKER.read_text(), feature_version=(3, 5))
    with pytest.raises(SyntaxError):
        ast.parse("x: int = 1", feature_version=(3, 5))  # so the check does check


def test_it_imports_the_standard_library_numpy_and_tensorflow_alone():
    tree = ast.parse(WORKER.read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported - {"numpy", "tensorflow"} <= set(sys.stdlib_module_names)


@pytest.fixture
def worker(tmp_path):
    worker = WorkerProcess([sys.executable, str(WORKER)], os.environ, tmp_path / "log", "the worker")
    yield worker
    worker.close()


def test_it_refuses_an_interpreter_out_of_range(worker):
    with pytest.raises(UsageError, match=r"is Python 3\.\d+, but TensorFlow 1\.x needs 3\.5 to 3\.7; give"):
        worker.request({"command": "hello", "protocol": PROTOCOL}, 20)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"command": "hello", "protocol": 99}, "the worker speaks protocol 2, the driver 99"),
        ({"command": "dance"}, "the worker knows no command 'dance'"),
        ({"command": "run", "session": 5}, "session 5 is not open"),
        ({"command": "open", "session": 1}, "say hello first"),
    ],
)
def test_it_refuses_what_it_cannot_do_and_stays(worker, request_, sentence):
    for _ in range(2):
        with pytest.raises(UsageError, match=sentence):
            worker.request(request_, 20)


def test_its_own_directory_hides_no_module_of_the_framework(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import cards\n")  # a neighbour of the worker file
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.version_info = (3, 7, 9)\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    worker = WorkerProcess([sys.executable, str(WORKER)], environment, None, "the worker")
    with pytest.raises(UsageError, match="cannot import TensorFlow: No module named 'cards'; give --device"):
        worker.request({"command": "hello", "protocol": PROTOCOL}, 20)
    worker.close()


@pytest.fixture
def channels():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield worker_module.Channel(ours), worker_module.Channel(theirs)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, np.float32(1)])
def test_an_answer_that_json_cannot_hold_is_a_refusal(channels, value):
    one, other = channels
    one.send({"ok": True, "value": value})
    answer = other.receive()
    assert (answer["ok"], answer["kind"]) == (False, "device")
    assert answer["error"].startswith("the answer cannot be sent: ")


def test_messages_arrive_one_by_one_and_the_end_is_none(channels):
    one, other = channels
    for number in range(3):
        one.send({"number": number})
    assert [other.receive()["number"] for _ in range(3)] == [0, 1, 2]
    one._connection.sendall(b"\0\0")
    one._connection.close()
    assert other.receive() is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("no kernel\n\t[[node a]]", "no kernel"),
        ("\n  no kernel  \n", "no kernel"),
        ("2 root error(s) found.\n  (0) Invalid argument: no kernel\n", "(0) Invalid argument: no kernel"),
        ("", "ValueError"),
    ],
)
def test_of_an_error_the_line_that_says_something_is_kept(text, line):
    assert worker_module.first_line(ValueError(text)) == line


class Options(types.SimpleNamespace):
    """As protobuf: a repeated field cannot be set."""

    def __setattr__(self, name, value):
        if isinstance(getattr(self, name, None), list):
            raise AttributeError("Assignment not allowed to repeated field")  # noqa: TRY004 - as protobuf does
        super().__setattr__(name, value)


@pytest.mark.parametrize(("before", "after"), [("", "Mean,Tanh"), ([], ["Mean", "Tanh"])])
def test_mlu_options_are_set_whatever_the_type_of_the_black_list(before, after):
    options = Options()
    vars(options)["optype_black_list"] = before
    config = types.SimpleNamespace(mlu_options=options)
    framework = types.SimpleNamespace()
    framework.compat = types.SimpleNamespace(v1=types.SimpleNamespace(ConfigProto=lambda **_: config))
    worker = worker_module.Worker(None)
    worker._tensorflow = framework
    request = {"core_num": 4, "core_version": "MLU270", "optype_black_list": "Mean,Tanh"}
    assert worker._config(request) is config
    assert (options.core_num, options.core_version, options.optype_black_list) == (4, "MLU270", after)


def test_an_offline_model_is_saved_where_it_shall_lie(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kept").mkdir()
    options = Options()
    config = types.SimpleNamespace(mlu_options=options)
    v1 = types.SimpleNamespace(ConfigProto=lambda **_: config)
    worker = worker_module.Worker(None)
    worker._tensorflow = types.SimpleNamespace(compat=types.SimpleNamespace(v1=v1))
    request = {"core_num": 1, "core_version": "MLU270", "offline": {"directory": "kept", "name": "net"}}
    worker._config(request)
    assert (options.save_offline_model, options.offline_model_name) == (True, "net")
    assert worker_module.os.getcwd() == str(tmp_path / "kept")


@pytest.fixture(scope="module")
def host():
    """A host of real workers under the present TensorFlow; one start is enough for all tests."""
    host = WorkerHost(60.0, lambda *_: None)
    host.ready(LAUNCH)
    yield host
    group = host._process._process.pid
    assert host.generation == 1
    path = host.path
    host.close()
    assert not group_lives(group)
    assert not path.exists()


LAUNCH = Launch("the worker", (sys.executable, tensorflow_2_worker.__file__), os.environ, {})
OPENING = {"core_num": 1, "core_version": "MLU270", "optype_black_list": ""}
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def build(tf):
    x = placeholder(tf, shape=(None, 3))
    y = placeholder(tf, "y", (3,))
    tf.add(x, y, name="sum")
    tf.cast(x * 2, tf.float16, name="half")
    tf.greater(x, y, name="larger")
    tf.slice(x, [0, 0], [0, 3], name="empty")
    tf.reduce_sum(x, name="scalar")
    tf.identity(x, name="same")
    tf.reshape(x, (2, 3), name="two_rows")
    tf.as_string(x, name="words")


@pytest.fixture
def session(host):
    def make(*fetches):
        return RemoteSession(host, LAUNCH, frozen(build, *fetches), fetches, OPENING)

    return make


def test_a_session_returns_what_tensorflow_computes(session):
    y = np.array([1, 0, 3], np.float32)
    results, seconds = session("sum", "half", "larger", "empty", "scalar", "same").run({"x": X, "y": y})
    expected = {
        "sum": X + y,
        "half": (X * 2).astype(np.float16),
        "larger": y < X,
        "empty": X[:0],
        "scalar": X.sum(),
        "same": X,
    }
    for name, value in expected.items():
        assert results[name].dtype == value.dtype
        assert results[name].shape == value.shape
        assert results[name].tobytes() == value.tobytes()
    assert seconds > 0


def test_sessions_of_one_worker_do_not_disturb_each_other(session):
    one, other = session("same"), session("scalar")
    assert other.run({"x": X})[0]["scalar"] == 15
    assert one.run({"x": X + 1})[0]["same"].sum() == 21
    one.close()
    assert other.run({"x": 2 * X})[0]["scalar"] == 30


@pytest.mark.parametrize(
    ("fetch", "rows", "sentence"),
    [
        ("two_rows", 3, "InvalidArgumentError: "),
        ("words", 2, "ValueError: cannot create an OBJECT array from memory buffer"),
    ],
)
def test_what_tensorflow_raises_is_one_line_and_the_worker_goes_on(session, fetch, rows, sentence):
    with pytest.raises(DeviceError, match=f"^{sentence}[^\\n]*$") as error:
        session(fetch).run({"x": np.zeros((rows, 3), np.float32)})
    assert not isinstance(error.value, WorkerFailed)
    assert session("scalar").run({"x": X})[0]["scalar"] == 15


def test_a_fetch_that_the_graph_lacks_is_refused(host):
    graph = frozen(build, "sum")
    ours = RemoteSession(host, LAUNCH, graph, ["no_such_node"], OPENING)
    with pytest.raises(DeviceError, match=r"KeyError: .*no_such_node"):
        ours.open()


def test_a_large_constant_is_written_once_and_goes_with_its_array(host):
    def build(tf):
        weights = tf.constant(np.arange(300, dtype=np.float32), name="weights")
        tf.add(placeholder(tf, shape=()), weights, name="sum")
        tf.subtract(placeholder(tf, shape=(), name="y"), weights, name="difference")

    graph = frozen(build, "sum", "difference")
    before = set(host.path.iterdir())
    for node, feed, sign in (("sum", "x", 1), ("difference", "y", -1)):
        session = RemoteSession(host, LAUNCH, graph.prune([node]), [node], OPENING)
        results, _ = session.run({feed: np.float32(7)})
        assert np.array_equal(results[node], 7 + sign * np.arange(300, dtype=np.float32))
        session.close()
        (file,) = [path for path in set(host.path.iterdir()) - before if path.name.startswith(PREFIX)]
        assert file.stat().st_size == 1200
    del graph, session
    gc.collect()
    assert not file.exists()
