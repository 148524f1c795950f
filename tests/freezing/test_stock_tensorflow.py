"""Checkpoints that stock TensorFlow 1.15 wrote: with contrib operators, an optimiser, and BeautyGAN's graph.

The committed checkpoint (``tools/write_tf1_checkpoint.py small``) is frozen everywhere. What TensorFlow 1.15
computed with its variables lies beside it. Kernels of another version need not round alike: a convolution of
multiples of 1/64 is exact in any order, so that its bits must be the same; after a square root and a tanh
they may differ in last places. Bit for bit the frozen graph is compared within one version: in the installed
TensorFlow always, in TensorFlow 1.15 where an interpreter has it (``tools/stock_tensorflow.py`` makes one).
"""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from support.emulation import same_bits
from support.saved_checkpoints import run, session, tf1_graph
from support.stock_interpreter import stock_interpreter
from support.tool_modules import TOOLS

from conformance import locations
from conformance.freezing.checkpoint import Checkpoint
from conformance.freezing.freeze import Request, freeze
from conformance.freezing.published import read_published
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.networks import Network

SMALL = Path(__file__).parent / "checkpoints/small"
EXACT, LAST = "generator/conv2d/Conv2D", "generator/xs"
BEAUTYGAN = locations.NETWORKS / "beautygan"
LONGEST = 600


@pytest.fixture(scope="module")
def frozen():
    return freeze(SMALL, Request([EXACT, LAST]))


def stored(name):
    return dict(np.load(SMALL / name))


def test_it_is_small():
    assert sum(path.stat().st_size for path in SMALL.iterdir()) < 200_000


def test_it_was_written_by_tensorflow_1_with_operators_of_contrib_and_an_optimiser():
    meta = tensor_meta()
    assert meta.meta_info_def.tensorflow_version == "1.15.5"
    operators = {node.op for node in meta.graph_def.node}
    assert operators >= {"Resampler", "ResamplerGrad", "ApplyAdam", "VariableV2", "Switch", "AssignSub"}
    unknown = tensorflow().errors.NotFoundError
    with pytest.raises(unknown, match="Op type not registered 'Resampler"), tf1_graph():
        tensorflow().import_graph_def(meta.graph_def, name="")


def tensor_meta():
    tensorflow()
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    return MetaGraphDef.FromString((SMALL / "model.ckpt.meta").read_bytes())


def test_nothing_of_training_is_left(frozen):
    operators = {node.op for node in frozen.graph.nodes.values()}
    assert operators == {
        *("Placeholder", "Const", "Identity", "Conv2D", "Mean", "StopGradient", "SquaredDifference"),
        *("AddV2", "Rsqrt", "Mul", "Sub", "Relu", "RealDiv", "Tanh"),
    }
    assert frozen.graph.inputs == ("X",)
    assert len(frozen.variables) == 7
    assert any("is_training is False" in remark for remark in frozen.remarks)
    assert any("dropout generator/dropout" in remark for remark in frozen.remarks)


def test_constants_are_the_bytes_of_the_data_file(frozen):
    raw = (SMALL / "model.ckpt.data-00000-of-00001").read_bytes()
    for name in frozen.variables:
        entry = Checkpoint(SMALL / "model.ckpt").variables[name]
        value = frozen.graph.constant(name)
        assert value.tobytes() == raw[entry.offset : entry.offset + entry.size]
        assert value.any()


def test_outputs_are_those_of_tensorflow_1(frozen):
    results, expected = (
        run(frozen.graph.copied_graph_def(), stored("feeds.npz"), (EXACT, LAST)),
        stored("expected.npz"),
    )
    assert same_bits(results[EXACT], expected[EXACT])
    np.testing.assert_allclose(results[LAST], expected[LAST], rtol=0, atol=2e-6)
    assert expected[LAST].std() > 0.5


def test_outputs_are_bit_for_bit_those_of_the_checkpoints_graph(frozen):
    """Both run by the installed TensorFlow; the graph with variables is cut out by TensorFlow itself."""
    tf = tensorflow()
    meta, feeds = tensor_meta(), stored("feeds.npz")
    cut = tf.compat.v1.graph_util.extract_sub_graph(meta.graph_def, [EXACT, LAST, "save/restore_all"])
    with tf1_graph() as graph:
        tf.import_graph_def(cut, name="")
    assert "VariableV2" in {node.op for node in cut.node}
    with session(graph) as running:
        running.run("save/restore_all", {meta.saver_def.filename_tensor_name: str(SMALL / "model.ckpt")})
        expected = running.run([f"{EXACT}:0", f"{LAST}:0"], {"X:0": feeds["X"]})
    results = run(frozen.graph.copied_graph_def(), feeds, (EXACT, LAST))
    assert same_bits(results[EXACT], expected[0])
    assert same_bits(results[LAST], expected[1])


@pytest.fixture
def tool():
    """Run the tool that writes checkpoints and runs graphs in TensorFlow 1.15."""
    python = stock_interpreter()
    if python is None:
        pytest.skip("no Python here has TensorFlow 1.15.5; tools/stock_tensorflow.py makes one")
    script = TOOLS / "write_tf1_checkpoint.py"

    def running(*arguments):
        command = [str(python), str(script), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONGEST)
        assert done.returncode == 0, done.stderr[-2000:]

    return running


def run_by_tensorflow_1(tool, frozen, feeds, directory, *outputs):
    """Return what TensorFlow 1.15 computes of a frozen graph, read from the file that ``freeze`` writes."""
    frozen.graph.save(directory / "frozen.pb")
    graph, names = directory / "frozen.pb", ",".join(outputs)
    tool("run", directory / "results.npz", "--graph", graph, "--feeds", feeds, "--outputs", names)
    return dict(np.load(directory / "results.npz"))


def test_the_tool_writes_the_committed_checkpoint(tool, tmp_path):
    tool("small", tmp_path)
    made, committed = Checkpoint(tmp_path / "model.ckpt"), Checkpoint(SMALL / "model.ckpt")
    assert made.variables == committed.variables
    assert freeze(tmp_path, Request([LAST])).graph.sha256 == freeze(SMALL, Request([LAST])).graph.sha256


def test_tensorflow_1_computes_the_same_bits_of_both_graphs(tool, tmp_path):
    """The checkpoint's graph is run here, too: the machine of the committed outputs may round otherwise."""
    tool("small", tmp_path)
    frozen = freeze(tmp_path, Request([EXACT, LAST]))
    results = run_by_tensorflow_1(tool, frozen, tmp_path / "feeds.npz", tmp_path, EXACT, LAST)
    expected = np.load(tmp_path / "expected.npz")
    assert all(same_bits(results[name], expected[name]) for name in (EXACT, LAST))


def test_beautygan_freezes_to_the_same_bits(tool, tmp_path):
    """Names, order, constants, and the picture that TensorFlow 1.15 computes on this machine."""
    network, published = Network(BEAUTYGAN), read_published(BEAUTYGAN)
    weights = {name: network.graph.constant(name) for name in published.variables}
    np.savez(tmp_path / "weights.npz", **weights)
    np.savez(tmp_path / "fed.npz", **network.feeds(0))
    tool(
        *(
            "graph",
            tmp_path / "saved",
            "--graph",
            BEAUTYGAN / "graph.pb",
            "--weights",
            tmp_path / "weights.npz",
        ),
        *("--feeds", tmp_path / "fed.npz", "--outputs", LAST),
    )
    frozen = freeze(tmp_path / "saved", Request([LAST]))
    assert list(frozen.graph.nodes) == published.nodes
    assert frozen.variables == list(published.variables)
    assert all(same_bits(frozen.graph.constant(name), weights[name]) for name in weights)
    results = run_by_tensorflow_1(tool, frozen, tmp_path / "fed.npz", tmp_path, LAST)
    expected = np.load(tmp_path / "saved/expected.npz")
    assert same_bits(results[LAST], expected[LAST])
    assert expected[LAST].std() > 0.1

    with_weights = network.with_weights(tmp_path / "saved")
    assert with_weights.graph.sha256 == network.graph.sha256
    shutil.rmtree(tmp_path / "saved")
