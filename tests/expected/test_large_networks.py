"""A large network: its file has bounds of key nodes alone, those of others are made when they are judged."""

import pytest
from diagnosis.planted_network import margins
from support.suite_run import run_suite
from support.toy_network import prepared, uniform, write_toy

from conformance.errors import GoldenError
from conformance.expected import attainable
from conformance.expected.attainable import bounded, read_attainable
from conformance.expected.expectations import Expectations
from conformance.expected.preparation import stale
from conformance.precision import PRECISIONS

SHAPE = (2, 6)


def build(tf):
    x = tf.compat.v1.placeholder(tf.float32, SHAPE, name="x")
    wide = tf.matmul(x, tf.constant(0.3, shape=(6, 4)), name="product")
    for step in range(4):
        wide = tf.tanh(tf.negative(wide, name=f"negative_{step}"), name=f"bounded_{step}")
    tf.reduce_sum(wide, 1, name="out")


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    def write(directory):
        write_toy(directory, build, uniform(3, SHAPE, "x", samples=2))

    return prepared(tmp_path_factory.mktemp("few"), write)


@pytest.fixture
def large(monkeypatch):
    monkeypatch.setattr(attainable, "MOST_BOUNDED", 3)


@pytest.fixture(scope="module")
def key_alone(tmp_path_factory):
    def write(directory):
        write_toy(directory, build, uniform(3, SHAPE, "x", samples=2))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(attainable, "MOST_BOUNDED", 3)
        return prepared(tmp_path_factory.mktemp("many"), write)


@pytest.mark.usefixtures("large")
def test_bounds_of_key_nodes_are_the_same_and_others_are_not_there(everything, key_alone):
    whole, part = (read_attainable(kept.store) for kept in (everything, key_alone))
    key = {node.name for node in key_alone.store.manifest.key}
    assert set(bounded(key_alone.store)) == part.nodes.keys() == key < whole.nodes.keys()
    assert part.nodes == {name: whole.nodes[name] for name in key}
    assert part.right == {name: whole.right[name] for name in key}
    assert (part.fused, part.timed) == (whole.fused, whole.timed)
    assert stale(key_alone.store, "bounds") == ""


@pytest.mark.usefixtures("large")
def test_those_of_others_are_made_when_they_are_needed(everything, key_alone):
    whole = read_attainable(everything.store)
    expected = Expectations(key_alone.store, margins())
    for precision in PRECISIONS:
        assert expected.attains("bounded_1", precision) == whole.nodes["bounded_1"][str(precision)]
    assert "bounded_1" not in read_attainable(key_alone.store).nodes
    with pytest.raises(GoldenError, match="'nowhere' has no attainable error"):
        expected.attains("nowhere", PRECISIONS[0])


@pytest.mark.usefixtures("large")
def test_a_run_that_judges_all_nodes_has_the_same_verdicts(everything, key_alone, tmp_path):
    runs = [
        run_suite(tmp_path / name, "--nodes=all", network=kept)
        for name, kept in {"few": everything, "many": key_alone}.items()
    ]
    records = [
        {(item.node, item.precision): (item.outcome, item.bounds) for item in run.records} for run in runs
    ]
    assert records[0] == records[1]
    assert {node for node, _ in records[1]} == {node.name for node in key_alone.store.manifest.nodes}
