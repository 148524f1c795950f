"""Checkpoints that TensorFlow 2 writes in the manner of TensorFlow 1, and what their graphs compute."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path

import numpy as np
from support.emulation import same_bits

from conformance.freezing.checkpoint import Checkpoint
from conformance.freezing.freeze import Request, freeze
from conformance.freezing.published import Published, PublishedVariable
from conformance.graph.execution import GraphRunner
from conformance.graph.lazy_tensorflow import tensorflow

NAME = "model.ckpt"


@dataclasses.dataclass(frozen=True)
class Saved:
    """A checkpoint with its meta graph.

    Attributes:
        prefix: of its files.
        expected: what the graph computed with its variables, by tensor.
        values: of the variables, by the name in the checkpoint.
        graph_def: the whole graph.
    """

    prefix: Path
    expected: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    graph_def: object

    @property
    def data(self):
        return Path(f"{self.prefix}.data-00000-of-00001")

    @property
    def index(self):
        return Path(f"{self.prefix}.index")

    @property
    def meta(self):
        return Path(f"{self.prefix}.meta")


def save(directory, build, feeds=None, fetches=(), *, names=(NAME,), saver=None):
    """Write what ``build(tf)`` makes, initialised, under each of ``names``, and return the last.

    Every operator runs as it is written: with the optimisers on, a graph of variables computes other bits
    than one of constants.
    """
    tf = tensorflow()
    directory.mkdir(parents=True, exist_ok=True)
    with tf1_graph() as graph:
        build(tf)
        writer = tf.compat.v1.train.Saver(**(saver or {}))
        with session(graph) as running:
            running.run(tf.compat.v1.global_variables_initializer())
            for name in names:
                prefix = Path(writer.save(running, str(directory / name)))
            expected = running.run(
                {name: f"{name}:0" for name in fetches}, {f"{k}:0": v for k, v in (feeds or {}).items()}
            )
    reader = tf.train.load_checkpoint(str(prefix))
    values = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    return Saved(prefix, expected, values, graph.as_graph_def())


def save_values(prefix, values):
    """Write a checkpoint of these arrays, without a graph."""
    tensorflow().raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )


def published_of(prefix, names):
    """Return what would have been published of these variables of a checkpoint."""
    stored = Checkpoint(prefix).variables
    entries = {
        name: PublishedVariable(
            list(stored[name].shape), stored[name].offset, stored[name].size, stored[name].crc32c
        )
        for name in names
    }
    return Published("a test", [], {}, entries)


def frozen_alike(saved, feeds, *outputs, **request):
    """Freeze a checkpoint, demand the bits that its graph computed, and return what was frozen."""
    frozen = freeze(saved.prefix, Request(outputs, **request))
    run = GraphRunner(frozen.graph, outputs)
    results = run({name: feeds[name] for name in run.feeds})
    for name in outputs:
        assert same_bits(results[name], saved.expected[name]), name
    assert not {node.op for node in frozen.graph.nodes.values()} & {"VariableV2", "VarHandleOp"}
    return frozen


@contextlib.contextmanager
def tf1_graph():
    """Be in a graph whose branches and loops are those of TensorFlow 1."""
    tf = tensorflow()
    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            tf.compat.v1.set_random_seed(7)
            yield graph
    finally:
        tf.compat.v1.enable_control_flow_v2()


def session(graph):
    tf = tensorflow()
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    return tf.compat.v1.Session(graph=graph, config=config)


def run(graph_def, feeds, names):
    """Return what a frozen graph computes, in a session: the names of its functions are its own there."""
    with tf1_graph() as graph:
        tensorflow().import_graph_def(graph_def, name="")
    with session(graph) as running:
        return running.run({name: f"{name}:0" for name in names}, {f"{k}:0": v for k, v in feeds.items()})


def variable(name, shape, dtype="float32", *, resource=False, initial=None):
    """Return a variable with random numbers in it."""
    tf = tensorflow()
    if initial is None:
        random = np.random.default_rng(abs(hash_of(name)))
        initial = (random.standard_normal(shape) * 40).astype(tf.as_dtype(dtype).as_numpy_dtype)
    return tf.compat.v1.get_variable(name, initializer=tf.constant(initial, dtype), use_resource=resource)


def hash_of(name):
    """Return a number that is the same in every process."""
    return int.from_bytes(name.encode(), "little") % 2**32
