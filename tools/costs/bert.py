"""BERT with random weights as a frozen graph of plain TensorFlow operators: token ids to hidden states.

Source: Devlin et al., "BERT: Pre-training of Deep Bidirectional Transformers for Language Understanding",
2019; names of nodes as in github.com/google-research/bert. There is one segment and no padding, so neither
segment ids nor a mask are fed.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    Tensor = Any

INPUT, OUTPUT = "input_ids", "bert/encoder/sequence_output"
SEED = 2019


@dataclasses.dataclass(frozen=True)
class Size:
    """The sizes of a BERT; those of BERT-base, for 128 tokens, if nothing else is said."""

    layers: int = 12
    tokens: int = 128
    hidden: int = 768
    heads: int = 12
    inner: int = 3072
    vocabulary: int = 30522
    positions: int = 512


class Bert:
    """Writes one BERT into TensorFlow's current graph.

    Args:
        size: its sizes.
    """

    def __init__(self, size: Size) -> None:
        import tensorflow as tf

        self.tf = tf
        self.size = size
        self.random = np.random.RandomState(SEED)

    def write(self) -> None:
        """Write the placeholder ``INPUT``, int32 of shape (1, tokens), and all up to ``OUTPUT``."""
        tf, size = self.tf, self.size
        ids = tf.compat.v1.placeholder(tf.int32, (1, size.tokens), INPUT)
        x = self.embedded(ids)
        for number in range(size.layers):
            with tf.name_scope(f"bert/encoder/layer_{number}/"):
                x = self.layer(x)
        tf.reshape(x, (1, size.tokens, size.hidden), name=OUTPUT)

    def embedded(self, ids: Tensor) -> Tensor:
        """Return the embeddings of tokens and positions, normalised, of shape (tokens, hidden)."""
        tf, size = self.tf, self.size
        with tf.name_scope("bert/embeddings/"):
            words = self.drawn("word_embeddings", size.vocabulary, size.hidden)
            positions = self.drawn("position_embeddings", size.positions, size.hidden)
            x = tf.gather(words, tf.reshape(ids, (size.tokens,)))
            return self.normalised("LayerNorm", x + positions[: size.tokens])

    def layer(self, x: Tensor) -> Tensor:
        """Return what a layer makes of (tokens, hidden): attention and two dense layers, each added to."""
        size = self.size
        x = self.normalised(
            "attention/LayerNorm", x + self.dense("attention/output", self.attended(x), size.hidden)
        )
        inner = self.gelu(self.dense("intermediate", x, size.inner))
        return self.normalised("output/LayerNorm", x + self.dense("output", inner, size.hidden))

    def attended(self, x: Tensor) -> Tensor:
        """Return attention over all tokens, the heads side by side."""
        tf, size = self.tf, self.size
        query, key, value = (self.heads(f"attention/self/{name}", x) for name in ("query", "key", "value"))
        scores = tf.raw_ops.BatchMatMulV2(x=query, y=key, adj_y=True) / math.sqrt(size.hidden // size.heads)
        context = tf.raw_ops.BatchMatMulV2(x=tf.nn.softmax(scores), y=value)
        return tf.reshape(tf.transpose(context, (0, 2, 1, 3)), (size.tokens, size.hidden))

    def heads(self, name: str, x: Tensor) -> Tensor:
        """Return a dense layer of ``x``, as (1, heads, tokens, hidden / heads)."""
        tf, size = self.tf, self.size
        shape = (1, size.tokens, size.heads, size.hidden // size.heads)
        return tf.transpose(tf.reshape(self.dense(name, x, size.hidden), shape), (0, 2, 1, 3))

    def dense(self, name: str, x: Tensor, width: int) -> Tensor:
        """Return ``x`` times random weights, plus a random bias."""
        tf = self.tf
        kernel = self.drawn(f"{name}/kernel", x.shape[-1], width)
        return tf.nn.bias_add(tf.matmul(x, kernel, name=f"{name}/MatMul"), self.drawn(f"{name}/bias", width))

    def normalised(self, name: str, x: Tensor) -> Tensor:
        """Return ``x`` with mean 0 and variance 1 along the last axis, then scaled and shifted."""
        tf = self.tf
        with tf.name_scope(name):
            gamma, beta = self.drawn("gamma", x.shape[-1], mean=1.0), self.drawn("beta", x.shape[-1])
            mean = tf.reduce_mean(x, -1, keepdims=True)
            variance = tf.reduce_mean(tf.math.squared_difference(x, mean), -1, keepdims=True)
            scale = tf.math.rsqrt(variance + 1e-12) * gamma
            return x * scale + (beta - mean * scale)

    def gelu(self, x: Tensor) -> Tensor:
        """Return the Gaussian error linear unit, by its formula with tanh."""
        tf = self.tf
        return x * (0.5 * (1.0 + tf.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * tf.pow(x, 3.0)))))

    def drawn(self, name: str, *shape: int, mean: float = 0.0) -> Tensor:
        """Return a constant of normal numbers with the standard deviation with which BERT begins."""
        values = self.random.standard_normal(shape).astype(np.float32) * np.float32(0.02) + np.float32(mean)
        return self.tf.constant(values, name=name)


def write_bert(path: Path, size: Size) -> None:
    """Write a BERT as a frozen ``.pb``."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        Bert(size).write()
    path.write_bytes(graph.as_graph_def().SerializeToString(deterministic=True))


def token_ids(size: Size) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Return ids of random tokens, of shape (1, tokens)."""
    return np.random.RandomState(SEED).randint(0, size.vocabulary, (1, size.tokens)).astype(np.int32)
