"""Variables of TensorFlow 2 functions become constants as TensorFlow's own conversion makes them."""

import numpy as np
import pytest
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import run

from conformance.freezing.freeze import Request, freeze
from conformance.freezing.function_variables import without_variables
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow

X = np.random.default_rng(1).standard_normal((3, 40)).astype(np.float32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return a SavedModel that reads large variables in every way, and reads some inside of a loop."""
    tf = tensorflow()
    path = tmp_path_factory.mktemp("models") / "model"
    random = np.random.default_rng(2)

    def numbers(*shape):
        return random.standard_normal(shape) / 9

    class Model(tf.Module):
        def __init__(self):
            self.w = tf.Variable(numbers(40, 40), dtype=tf.float32, name="w")
            self.half = tf.Variable(numbers(40, 40), dtype=tf.bfloat16, name="half")
            self.table = tf.Variable(numbers(70, 40), dtype=tf.float32, name="table")
            self.small = tf.Variable(numbers(40), dtype=tf.float32, name="small")
            self.flags = tf.Variable(random.integers(0, 2, (30, 40)) > 0, name="flags")
            self.captured = tf.constant(numbers(40, 40), tf.float32)

        @tf.function
        def layer(self, x):
            return tf.tanh(x @ self.w + self.small)

        @tf.function(input_signature=[tf.TensorSpec([None, 40], tf.float32, name="x")])
        def straight(self, x):
            y = self.layer(self.layer(x) @ self.captured) @ tf.cast(self.half, tf.float32)
            y += tf.gather(self.table, tf.constant([1, 2], tf.int64))[0] + tf.gather(self.table, [3])
            y += tf.gather_nd(self.table, [[1, 2]]) + tf.cast(self.flags[2], tf.float32)
            return {"straight": y + tf.constant(numbers(40), tf.float32)}

        @tf.function(input_signature=[tf.TensorSpec([None, 40], tf.float32, name="x")])
        def looping(self, x):
            y = tf.while_loop(lambda i, _: i < 3, lambda i, y: (i + 1, self.layer(y)), [0, x])[1]
            return {"looping": tf.cond(y[0, 0] > 0, lambda: y @ self.w, lambda: y + self.table[0])}

    made = Model()
    tf.saved_model.save(made, str(path), {"straight": made.straight, "looping": made.looping})
    return path


def both_ways(path, signature):
    """Return the graph of a signature, and what TensorFlow's conversion makes of it."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    loaded = tensorflow().saved_model.load(str(path))
    function = loaded.signatures[signature]
    graph, outputs = without_variables(function, "model")
    converted = convert_variables_to_constants_v2(function, lower_control_flow=False)
    assert outputs == [tensor.op.name for tensor in converted.outputs]
    (output,) = outputs
    expected = function(x=tensorflow().constant(X))[signature].numpy()
    return graph, FrozenGraph.of(converted.graph.as_graph_def(), ()), output, expected


def test_it_is_the_graph_that_tensorflow_makes(model):
    graph, converted, output, expected = both_ways(model, "straight")
    assert graph.sha256 == converted.sha256
    assert graph.arrays.keys() == converted.arrays.keys()
    assert len(graph.arrays) == 4
    results = run(graph.copied_graph_def(), {"x": X}, [output])
    assert same_bits(results[output], expected)


def test_loops_and_branches_that_read_variables(model):
    """Names of converted functions count up, so the digests of two conversions differ."""
    graph, converted, output, expected = both_ways(model, "looping")
    assert list(graph.nodes) == list(converted.nodes)
    assert graph.arrays.keys() == converted.arrays.keys()
    assert not {node.op for function in graph.library.function for node in function.node_def} & {
        "ReadVariableOp",
        "ResourceGather",
    }
    for each in (graph, converted):
        assert same_bits(run(each.copied_graph_def(), {"x": X}, [output])[output], expected)


def test_no_value_of_a_large_variable_is_copied_into_a_graph(model):
    graph, _, _, _ = both_ways(model, "straight")
    assert graph.structure().ByteSize() < graph.constant_bytes / 2
    assert not any(array.flags.writeable for array in graph.arrays.values())


def test_values_outlive_the_model(model):
    frozen = freeze(model, Request(["straight"], signature="straight"))
    again = freeze(model, Request(["straight"], signature="straight"))
    assert sorted(frozen.variables) == ["flags", "half", "small", "table", "unknown_1", "w"]
    assert frozen.graph.sha256 == again.graph.sha256


def test_what_tensorflow_cannot_convert_is_one_sentence(tmp_path):
    tf = tensorflow()
    model = tf.Module()
    model.table = tf.Variable(np.ones((3, 400), np.float32))

    @tf.function(input_signature=[tf.TensorSpec([3, 2], tf.int32)])
    def gathered(x):
        read = tf.raw_ops.ResourceGather(
            resource=model.table.handle, indices=x, dtype=tf.float32, batch_dims=1
        )
        return {"o": read}

    model.run = gathered
    tf.saved_model.save(model, str(tmp_path), {"serving_default": model.run})
    with refused("batch_dims"):
        freeze(tmp_path, Request(["o"]))
