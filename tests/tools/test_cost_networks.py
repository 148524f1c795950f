"""The networks of the cost table are what they are called, and numbers in them stay sane."""

import sys

import numpy as np
import pytest
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from costs import bert, keras_networks

SMALL = bert.Size(layers=2, tokens=5, hidden=8, heads=2, inner=12, vocabulary=11, positions=7)


@pytest.fixture(scope="module")
def small_bert(tmp_path_factory):
    import tensorflow as tf

    path = tmp_path_factory.mktemp("bert") / "bert.pb"
    bert.write_bert(path, SMALL)
    return tf.compat.v1.GraphDef.FromString(path.read_bytes())


def hidden_states(graph_def, ids):
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.graph_util.import_graph_def(graph_def, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        return session.run(f"{bert.OUTPUT}:0", {f"{bert.INPUT}:0": ids})


class PlainBert:
    """BERT in NumPy, float64, from its paper: one head at a time."""

    def __init__(self, graph_def, size):
        from tensorflow import make_ndarray

        self.size = size
        self.values = {
            node.name: make_ndarray(node.attr["value"].tensor).astype(np.float64)
            for node in graph_def.node
            if node.op == "Const"
        }

    def __call__(self, ids):
        words = self.values["bert/embeddings/word_embeddings"][ids[0]]
        positions = self.values["bert/embeddings/position_embeddings"][: self.size.tokens]
        x = self.norm("bert/embeddings/LayerNorm", words + positions)
        for number in range(self.size.layers):
            x = self.layer(f"bert/encoder/layer_{number}", x)
        return x[None]

    def layer(self, name, x):
        query, key, value = (
            self.dense(f"{name}/attention/self/{part}", x) for part in ("query", "key", "value")
        )
        width = self.size.hidden // self.size.heads
        heads = [slice(start, start + width) for start in range(0, self.size.hidden, width)]
        context = [self.softmax(query[:, h] @ key[:, h].T / np.sqrt(width)) @ value[:, h] for h in heads]
        attended = self.dense(f"{name}/attention/output", np.concatenate(context, -1))
        x = self.norm(f"{name}/attention/LayerNorm", x + attended)
        inner = self.dense(f"{name}/intermediate", x)
        inner = 0.5 * inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3)))
        return self.norm(f"{name}/output/LayerNorm", x + self.dense(f"{name}/output", inner))

    def dense(self, name, x):
        return x @ self.values[f"{name}/kernel"] + self.values[f"{name}/bias"]

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        return (
            centred / centred.std(-1, keepdims=True) * self.values[f"{name}/gamma"]
            + self.values[f"{name}/beta"]
        )

    @staticmethod
    def softmax(x):
        powers = np.exp(x)
        return powers / powers.sum(-1, keepdims=True)


def test_bert_computes_what_its_paper_says(small_bert):
    ids = bert.token_ids(SMALL)
    assert ids.shape == (1, 5)
    assert ids.dtype == np.int32
    found = hidden_states(small_bert, ids)
    assert found.shape == (1, 5, 8)
    np.testing.assert_allclose(found, PlainBert(small_bert, SMALL)(ids), atol=2e-5)
    assert not np.allclose(found, hidden_states(small_bert, (ids + 1) % 11), atol=1e-2)


def test_bert_is_made_of_plain_operators_in_their_numbers(small_bert):
    operators = [node.op for node in small_bert.node]
    assert operators.count("MatMul") == 6 * SMALL.layers
    assert operators.count("BatchMatMulV2") == 2 * SMALL.layers
    assert operators.count("Mean") == 2 * (2 * SMALL.layers + 1)
    assert {"GatherV2", "SquaredDifference", "Rsqrt", "Softmax", "Tanh"} <= set(operators)
    assert not small_bert.library.function


def test_bert_base_is_meant_unless_something_else_is_said():
    base = bert.Size()
    assert (base.layers, base.tokens, base.hidden, base.heads) == (12, 128, 768, 12)
    assert (base.inner, base.vocabulary) == (3072, 30522)
    assert bert.token_ids(base).max() < base.vocabulary
    assert len(np.unique(bert.token_ids(base))) > 100


def pictures_network():
    import tensorflow as tf

    layers = tf.keras.layers
    return tf.keras.Sequential(
        [
            layers.Input((16, 16, 3)),
            *(layers.Conv2D(32, 3), layers.BatchNormalization(name="first"), layers.ReLU()),
            *(layers.DepthwiseConv2D(3), layers.BatchNormalization(name="second"), layers.ReLU()),
            *(layers.GlobalAveragePooling2D(), layers.Dense(10)),
        ]
    )


@pytest.fixture(scope="module")
def model():
    model = pictures_network()
    keras_networks.draw_weights(model, (-100.0, 100.0))
    return model


@pytest.mark.parametrize("name", ["first", "second"])
def test_batch_norms_know_what_reaches_them(model, name):
    import tensorflow as tf

    norm = model.get_layer(name)
    pictures = keras_networks.picture((None, 16, 16, 3), (-100.0, 100.0), keras_networks.PICTURES)
    values = tf.keras.Model(model.inputs[0], norm.output)(pictures, training=False).numpy()
    gamma, beta = norm.gamma.numpy(), norm.beta.numpy()
    np.testing.assert_allclose(values.mean((0, 1, 2)), beta, atol=0.02)
    np.testing.assert_allclose(values.std((0, 1, 2)), gamma, rtol=0.02)
    assert np.ptp(gamma) > 0.3
    assert np.std(norm.moving_variance.numpy()) > 0


def test_kernels_keep_the_size_of_numbers(model):
    convolution, dense = model.layers[0], model.layers[-1]
    depthwise = next(layer for layer in model.layers if type(layer).__name__ == "DepthwiseConv2D")
    for layer, summed in ((convolution, 27), (depthwise, 9), (dense, 32)):
        assert np.std(layer.weights[0].numpy()) == pytest.approx(np.sqrt(2 / summed), rel=0.15)
    assert np.any(dense.bias.numpy())


def test_the_same_weights_are_drawn_again(model):
    again = pictures_network()
    keras_networks.draw_weights(again, (-100.0, 100.0))
    for first, second in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-5, atol=1e-6)


def test_a_layer_that_scales_pixels_keeps_its_constants():
    import tensorflow as tf

    layers = tf.keras.layers
    scaled = tf.keras.Sequential([layers.Input((4, 4, 3)), layers.Normalization(), layers.Conv2D(2, 1)])
    before = scaled.layers[0].get_weights()
    keras_networks.draw_weights(scaled, (0.0, 255.0))
    for first, second in zip(before, scaled.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
