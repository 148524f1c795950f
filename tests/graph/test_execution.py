"""Running graphs: feeds are checked, the graph is meant literally, errors are sentences."""

import subprocess
import sys
import weakref

import numpy as np
import pytest
from support.emulation import frozen, placeholder
from support.refusals import refused

from conformance.errors import ConformanceError
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow, tensorflow_version


def build(tf):
    x = placeholder(tf, shape=(None, 3))
    left, right = tf.split(x, [1, 2], axis=1, name="split")
    tf.add(left, right * 2.0, name="o")
    tf.reduce_sum(placeholder(tf, "count", (), "int32") * 2, name="twice")


@pytest.fixture(scope="module")
def runner():
    return GraphRunner(frozen(build, "o", "twice", "split"), ["o", "twice", "split:1", "o"])


def test_feeds_and_fetches(runner):
    results = runner({"x": [[1, 2, 3]], "count": 4.0})
    assert list(results) == ["o", "twice", "split:1"]
    assert results["o"].tolist() == [[5, 7]]
    assert results["twice"] == 8
    assert results["split:1"].tolist() == [[2, 3]]
    assert runner.seconds > 0


def test_a_batch_of_any_size(runner):
    assert runner({"x": np.ones((5, 3)), "count": 1})["o"].shape == (5, 2)


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({"x": np.ones((1, 3))}, "inputs count are missing or unknown; feed x, count"),
        ({"x": np.ones((1, 3)), "count": 1, "y": 1}, "inputs y are missing or unknown; feed x, count"),
        ({"x": np.ones((1, 4)), "count": 1}, r"'x' has shape \(1, 4\), but the graph wants \(None, 3\)"),
        ({"x": np.ones(3), "count": 1}, r"input 'x' has shape \(3,\), but the graph wants \(None, 3"),
        ({"x": np.ones((1, 3)), "count": [1]}, r"input 'count' has shape \(1,\), but the graph wants \(\)"),
        ({"x": [["a", "b", "c"]], "count": 1}, "'x' cannot be fed as float32: could not convert string"),
    ],
)
def test_wrong_feeds(runner, feeds, said):
    with refused(said):
        runner(feeds)


def test_inputs_that_only_a_kernel_can_refuse():
    def build(tf):
        tf.reshape(placeholder(tf, shape=None), [2, 3], name="o")

    with refused("cannot run this graph on these inputs: Input to reshape is a tensor with 5"):
        GraphRunner(frozen(build, "o"), ["o"])({"x": np.ones(5)})


def test_a_graph_that_tensorflow_refuses():
    graph = frozen(build, "o")
    list(graph.nodes.values())[-1].attr["T"].type = tensorflow().float64.as_datatype_enum
    with refused(r"TensorFlow cannot load graph: .*(double|float)"):
        GraphRunner(FrozenGraph.of(graph.copied_graph_def(), ["o"]), ["o"])


def test_a_missing_fetch():
    with pytest.raises(ConformanceError, match="cannot load graph"):
        GraphRunner(frozen(build, "o"), ["nothing"])


def test_the_optimisers_are_off():
    """Grappler would take (x + 1e8) - 1e8 for x, or fold constants in another order."""

    def build(tf):
        x = placeholder(tf, shape=(1,))
        tf.subtract(tf.add(x, 1e8), 1e8, name="o")
        tf.add(tf.add(x, 1e8), -1e8, name="p")

    results = GraphRunner(frozen(build, "o", "p"), ["o", "p"])({"x": [1.0]})
    assert (results["o"].tolist(), results["p"].tolist()) == ([0], [0])
    assert tensorflow().config.optimizer.get_experimental_options()["disable_meta_optimizer"]


def test_a_closed_runner_is_freed():
    runner = GraphRunner(frozen(build, "o"), ["o"])
    function = weakref.ref(runner._run)
    runner.close()
    runner.close()
    assert function() is None


def test_the_version_is_known_without_an_import():
    code = (
        "import sys\n"
        "from conformance.graph.lazy_tensorflow import tensorflow_version\n"
        "print(tensorflow_version(), 'tensorflow' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout
    assert printed.split() == [tensorflow().__version__, "False"]
    assert tensorflow_version() == tensorflow().__version__
