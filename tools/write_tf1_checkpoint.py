"""Write checkpoints with stock TensorFlow 1.15, and run graphs with it: what ``freeze`` is tested against.

    python3.7 tools/write_tf1_checkpoint.py small tests/freezing/checkpoints/small
    python3.7 tools/write_tf1_checkpoint.py graph DIRECTORY --graph frozen.pb --weights weights.npz …
    python3.7 tools/write_tf1_checkpoint.py run RESULTS.npz --graph frozen.pb --feeds feeds.npz --outputs a,b

It runs under CPython 3.6 or 3.7 with TensorFlow 1.15 and NumPy alone; nothing of this project is imported.
Operators run as they are written: the graph optimisers fold constants, so a graph with variables and a frozen
one would not compute the same bits with them.
"""

# ruff: noqa: UP006, UP035, UP045 - CPython 3.6 and 3.7 know no other way

import argparse
import os
import sys
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
os.environ.pop("TF2_BEHAVIOR", None)  # TensorFlow 2 sets it for its children, too

import tensorflow as tf
from tensorflow.core.framework.variable_pb2 import VariableDef

Arrays = Dict[str, np.ndarray]
SIZE = 8
SMALL_OUTPUTS = ("generator/conv2d/Conv2D", "generator/xs")
NAME = "model.ckpt"
EXPECTED = "expected.npz"
FEEDS = "feeds.npz"


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Write a checkpoint or run a graph, and return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    commands = parser.add_subparsers(dest="command")
    commands.required = True
    small = commands.add_parser("small", help="a small network with instance norm, dropout and an optimiser")
    small.add_argument("directory", type=Path)
    graph = commands.add_parser("graph", help="a frozen graph whose constants become variables again")
    graph.add_argument("directory", type=Path)
    graph.add_argument("--weights", type=Path, required=True, help=".npz with one array per variable")
    run = commands.add_parser("run", help="the outputs of a frozen graph, as .npz")
    run.add_argument("results", type=Path)
    for command in (graph, run):
        command.add_argument("--graph", type=Path, required=True)
        command.add_argument("--feeds", type=Path, required=True, help=".npz with one array per placeholder")
        command.add_argument("--outputs", type=lambda text: text.split(","), required=True)
    options = parser.parse_args(arguments)
    {"small": write_small, "graph": write_graph, "run": run_graph}[options.command](options)
    return 0


def write_small(options: argparse.Namespace) -> None:
    """Write a checkpoint of a small network with training, and what it computes when it does not train."""
    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(1)
        build_small()
        with session() as running:
            running.run(tf.compat.v1.global_variables_initializer())
            load_dyadic(running, np.random.RandomState(2021))
            feeds = {"X": dyadic(np.random.RandomState(1), [2, SIZE, SIZE, 3])}
            save(running, options.directory, feeds, SMALL_OUTPUTS)


def build_small() -> None:
    """Build the network in TensorFlow 1's own words, with operators of tf.contrib in training."""
    x = tf.compat.v1.placeholder(tf.float32, [None, SIZE, SIZE, 3], name="X")
    keep = tf.compat.v1.placeholder_with_default(1.0, [], name="keep_probability")
    training = tf.compat.v1.placeholder_with_default(input=False, shape=[], name="is_training")
    with tf.compat.v1.variable_scope("generator"):
        features = tf.compat.v1.layers.conv2d(x, 8, 3, padding="same", use_bias=False)
        features = tf.nn.relu(tf.contrib.layers.instance_norm(features))
        features = tf.contrib.layers.batch_norm(
            features, is_training=training, updates_collections=None, fused=False
        )
        features = tf.nn.dropout(features, keep_prob=keep)
        features = tf.compat.v1.layers.conv2d(features, 3, 3, padding="same", use_bias=False)
        result = tf.tanh(features, name="xs")
    warp = tf.zeros([tf.shape(result)[0], SIZE, SIZE, 2])
    loss = tf.reduce_mean(tf.square(tf.contrib.resampler.resampler(result, warp) - x))
    steps = tf.compat.v1.train.get_or_create_global_step()
    tf.compat.v1.train.AdamOptimizer().minimize(loss, steps)


def load_dyadic(running: tf.compat.v1.Session, random: np.random.RandomState) -> None:
    """Give every float variable numbers that are exact in any arithmetic; variances are positive."""
    for variable in tf.compat.v1.global_variables():
        if variable.dtype.base_dtype == tf.float32:
            value = dyadic(random, variable.shape.as_list())
            is_variance = variable.op.name.endswith("/moving_variance")
            variable.load(np.abs(value) + 1 if is_variance else value, running)


def dyadic(random: np.random.RandomState, shape: List[int]) -> np.ndarray:
    """Return multiples of 1/64 below 1, whose products a convolution sums exactly in any order."""
    return (random.randint(-63, 64, shape) / 64).astype(np.float32)


def write_graph(options: argparse.Namespace) -> None:
    """Write a checkpoint of a frozen graph, with variables in place of the constants that have weights."""
    weights = dict(np.load(str(options.weights)))
    graph_def, variables = with_variables(read_graph(options.graph), weights)
    keys = tf.compat.v1.GraphKeys
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        for variable in variables:
            graph.add_to_collections(
                [keys.GLOBAL_VARIABLES, keys.TRAINABLE_VARIABLES], tf.Variable.from_proto(variable)
            )
        with session() as running:
            for name, value in weights.items():
                running.run(name + "/Assign", {name + "/initial:0": value})
            save(running, options.directory, dict(np.load(str(options.feeds))), options.outputs)


def with_variables(
    graph_def: tf.compat.v1.GraphDef, weights: Arrays
) -> Tuple[tf.compat.v1.GraphDef, List[VariableDef]]:
    """Return a graph with variables, each with what assigns it, and what TensorFlow keeps of a variable."""
    changed = tf.compat.v1.GraphDef(versions=graph_def.versions)
    definitions = []
    for node in graph_def.node:
        if node.name in weights:
            definitions.append(add_variable(changed, node))
        else:
            changed.node.add().CopyFrom(node)
    return changed, definitions


def add_variable(graph_def: tf.compat.v1.GraphDef, constant: tf.compat.v1.NodeDef) -> VariableDef:
    """Add a variable in place of a constant, and a placeholder and an assignment that set it."""
    name, dtype = constant.name, constant.attr["dtype"]
    variable = graph_def.node.add(name=name, op="VariableV2")
    variable.attr["dtype"].CopyFrom(dtype)
    variable.attr["shape"].shape.CopyFrom(constant.attr["value"].tensor.tensor_shape)
    graph_def.node.add(name=name + "/initial", op="Placeholder").attr["dtype"].CopyFrom(dtype)
    assign = graph_def.node.add(name=name + "/Assign", op="Assign", input=[name, name + "/initial"])
    assign.attr["T"].CopyFrom(dtype)
    return VariableDef(
        variable_name=name + ":0",
        initializer_name=name + "/Assign",
        snapshot_name=name + "/read:0",
        trainable=True,
    )


def run_graph(options: argparse.Namespace) -> None:
    """Run a frozen graph and write its outputs."""
    with tf.Graph().as_default():
        tf.import_graph_def(read_graph(options.graph), name="")
        with session() as running:
            results = computed(running, dict(np.load(str(options.feeds))), options.outputs)
    np.savez(str(options.results), **results)


def read_graph(path: Path) -> tf.compat.v1.GraphDef:
    """Return the GraphDef in a file."""
    return tf.compat.v1.GraphDef.FromString(path.read_bytes())


def session() -> tf.compat.v1.Session:
    """Return a session that runs every operator as it is written."""
    config = tf.compat.v1.ConfigProto()
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    config.graph_options.optimizer_options.opt_level = tf.compat.v1.OptimizerOptions.L0
    return tf.compat.v1.Session(config=config)


def computed(running: tf.compat.v1.Session, feeds: Arrays, outputs: Sequence[str]) -> Arrays:
    """Return the outputs by name."""
    fed = {name + ":0": value for name, value in feeds.items()}
    return running.run({name: name + ":0" for name in outputs}, fed)


def save(running: tf.compat.v1.Session, directory: Path, feeds: Arrays, outputs: Sequence[str]) -> None:
    """Write checkpoint and meta graph, what was fed, and what came out."""
    directory.mkdir(parents=True, exist_ok=True)
    tf.compat.v1.train.Saver(save_relative_paths=True).save(running, str(directory / NAME))
    np.savez(str(directory / FEEDS), **feeds)
    np.savez(str(directory / EXPECTED), **computed(running, feeds, outputs))


if __name__ == "__main__":
    sys.exit(main())
