"""What passes between a session and its worker: every array as it is, and no answer that makes no sense."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from support import echo_worker
from support.fake_worker import TWISTS, Fault, fake_vendor, started_groups
from support.processes import group_lives

from conformance.devices.base import Unsupported
from conformance.devices.cambricon import worker
from conformance.devices.worker import session as remote
from conformance.devices.worker.host import Launch, WorkerHost
from conformance.devices.worker.process import WorkerFailed
from conformance.devices.worker.session import RemoteSession
from conformance.errors import DeviceError, SpaceError, UsageError
from conformance.graph.editing import placeholder, plain
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow

X = np.arange(6, dtype=np.float32).reshape(2, 3)
ECHO = Launch("the echo", (sys.executable, echo_worker.__file__), os.environ, {})


def graph(*fetches):
    """Return a graph with the input ``x`` and nodes that only have names."""
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.append(placeholder("x", tf.float32, None))
    graph_def.node.extend(plain(name, "Identity", ["x"], T=tf.float32) for name in fetches)
    return FrozenGraph.of(graph_def, fetches)


@pytest.fixture(scope="module")
def host():
    """A host that the tests share; every worker of it is the echo."""
    host = WorkerHost(30.0, lambda *_: None)
    yield host
    host.close()


@pytest.fixture
def session(host):
    return lambda *fetches: RemoteSession(host, ECHO, graph(*fetches), fetches, {})


@settings(deadline=None, max_examples=40)
@given(
    arrays.arrays(
        st.sampled_from(["<f4", "<f8", "<f2", "<i8", "|u1", "|b1", ">f4", "<c8"]),
        arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
    ),
    st.sampled_from([lambda x: x, np.transpose, lambda x: x[..., ::-1] if x.ndim else x]),
)
def test_any_array_arrives_as_it_is(host, value, seen):
    value = seen(value)
    results, seconds = RemoteSession(host, ECHO, graph("copy"), ["copy"], {}).run({"x": value})
    assert seconds == 0.25
    assert results["copy"].dtype == value.dtype
    assert results["copy"].shape == value.shape
    assert results["copy"].tobytes() == value.tobytes()


def test_feeds_may_be_read_only_and_are_not_changed(session):
    value = X.copy()
    value.flags.writeable = False
    results, _ = session("copy").run({"x": value})
    results["copy"][...] = 0
    assert value.tolist() == X.tolist()


@pytest.mark.parametrize("dtype", ["float16", "bool", "int8", "complex128"])
@pytest.mark.parametrize("shape", ["", "0", "3x0x2", "2x3"])
def test_results_of_any_type_and_shape_arrive(session, dtype, shape):
    name = f"zeros/{dtype}/{shape}"
    (value,) = session(name).run({"x": X})[0].values()
    assert value.dtype == np.dtype(dtype)
    assert value.shape == tuple(int(size) for size in shape.split("x") if size)
    assert not value.any()


def test_a_bfloat16_arrives_with_its_bytes(session):
    import ml_dtypes

    value = np.array([1.5, -2.0], ml_dtypes.bfloat16)
    found = session("copy").run({"x": value})[0]["copy"]
    assert found.tobytes() == value.tobytes()
    assert not np.issubdtype(found.dtype, np.floating)  # NumPy itself knows none, so it is judged to be none


def test_results_grow_beyond_what_was_there_before(session):
    for elements in (10, 5_000_000, 3):
        ours = session(f"zeros/float32/{elements}", "copy")
        results, _ = ours.run({"x": np.full(elements, 7, np.float32)})
        assert results["copy"].sum() == 7 * elements
        assert results[f"zeros/float32/{elements}"].shape == (elements,)


def test_results_stay_what_they_are_while_they_are_in_use(session):
    ours = session("copy")
    kept = [ours.run({"x": X + number})[0]["copy"] for number in range(5)]
    assert [int(value[0, 0]) for value in kept] == [0, 1, 2, 3, 4]
    part = kept.pop()[1:, ::2]
    kept.clear()
    for number in range(5, 10):
        ours.run({"x": X + number})
    assert part.tolist() == [[7, 9]]


def test_memory_is_used_again_once_results_are_not(session, host):
    ours = session("copy")
    for number in range(20):
        ours.run({"x": X + number})
    assert len(list(host.path.glob(f"results-{host.generation}-*"))) <= 5  # some are kept by the test before


def test_results_outlive_their_worker():
    host = WorkerHost(30.0, lambda *_: None)
    results, _ = RemoteSession(host, ECHO, graph("copy"), ["copy"], {}).run({"x": X})
    path = host.path
    host.close()
    assert not path.exists()
    assert results["copy"].tolist() == X.tolist()


def test_what_a_session_says_besides_is_heard(session):
    ours = session("copy", "say/note", "say/problem", "say/incident")
    for step in (ours.open, lambda: ours.run({"x": X}), ours.close):
        step()
        assert ours.notes == ("said so",)
        assert ours.incidents == ("it smoked",)
        assert isinstance(ours.problems["copy"], Unsupported)
        assert str(ours.problems["copy"]) == "no copies"


def test_only_its_own_inputs_are_fed(session):
    assert session("copy").run({"x": X, "more": X})[0]["copy"].tolist() == X.tolist()
    with pytest.raises(UsageError, match="input x of the graph is not fed"):
        session("copy").run({"y": X})


def test_sessions_live_side_by_side_and_are_compiled_once(session, host):
    one, other = session("copy"), session("zeros/float32/2")
    one.open()
    generation = host.generation
    for _ in range(2):
        assert list(one.run({"x": X})[0]) == ["copy"]
        assert list(other.run({"x": X})[0]) == ["zeros/float32/2"]
    assert host.generation == generation
    assert not list(host.path.glob("*.pb"))
    one.close()
    one.close()
    assert list(other.run({"x": X})[0]) == ["zeros/float32/2"]
    other.close()


def test_a_session_is_compiled_again_by_the_worker_that_follows(session, host):
    ours = session("copy")
    ours.run({"x": X})
    host.stop()
    ours.close()  # it went with its worker
    assert ours.run({"x": X})[0]["copy"].tolist() == X.tolist()


def test_no_room_for_the_feeds_is_one_sentence(session, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    ours = session("copy")
    ours.open()
    monkeypatch.setattr(os, "posix_fallocate", full)
    sentence = r"80000000 bytes of tensors cannot be shared in .*: No space left on device; free some"
    with pytest.raises(SpaceError, match=sentence):
        ours.run({"x": np.zeros(20_000_000, np.float32)})


ANSWERS = [name for name in TWISTS if name != "as-greeted"]


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_makes_no_sense_ends_the_worker_and_the_next_one_goes_on(tmp_path, kind):
    python = fake_vendor(tmp_path, Fault(kind, times=1), table={"0|copy": X, "0|x": X})
    probed = []
    host = WorkerHost(30.0, lambda *_: probed.append(1))
    ours = RemoteSession(
        host,
        Launch("the worker", (str(python), worker.__file__), os.environ, {}),
        graph("copy"),
        ["copy"],
        {},
    )
    with pytest.raises(WorkerFailed, match="the worker answered 'run' with garbage"):
        ours.run({"x": X})
    (group,) = started_groups(tmp_path)
    assert not group_lives(group)
    ours.close()
    assert ours.run({"x": X})[0]["copy"].tolist() == X.tolist()
    assert probed == [1]
    host.close()


def test_the_probe_adds_two_numbers(tmp_path):
    host = WorkerHost(30.0, lambda *_: None)
    python = fake_vendor(tmp_path)
    remote.probe(host, Launch("the worker", (str(python), worker.__file__), os.environ, {}), {})
    host.close()
    (group,) = started_groups(tmp_path)
    assert not group_lives(group)


@pytest.mark.parametrize(
    ("results", "said"),
    [
        ({}, "gave None"),
        ({"sum": np.full((1, 4), 2.5)}, "gave array"),
        ({"sum": np.full((1, 4), np.nan)}, "gave array"),
        ({"sum": np.full((4,), 2.0)}, "gave array"),
    ],
)
def test_the_probe_finds_a_wrong_sum(monkeypatch, results, said):
    monkeypatch.setattr(RemoteSession, "run", lambda *_: (results, 0.1))
    with pytest.raises(DeviceError, match=rf"0\.5 \+ 1\.5 {said}"):
        remote.probe(WorkerHost(1.0, lambda *_: None), ECHO, {})
