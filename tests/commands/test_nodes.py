"""``mlu-conformance nodes``: the census, the key nodes with every reason, selections, JSON."""

import json

import numpy as np
import pytest
from support.emulation import placeholder
from support.kept_network import KEY_NODES
from support.toy_network import uniform, write_toy

CENSUS = """\
operator           count  share  on the MLU   first node
AddV2                  1   5.6%  elementwise  add
BiasAdd                1   5.6%  elementwise  wide/bias
ConcatV2               1   5.6%  movement     joined
Rsqrt                  1   5.6%  elementwise  norm/scale
SquaredDifference      1   5.6%  elementwise  norm/squared
Sub                    1   5.6%  elementwise  sub
Tanh                   1   5.6%  elementwise  out
Mean                   2  11.1%  reduction    norm/mean
Mul                    2  11.1%  elementwise  norm/out
Relu                   3  16.7%  elementwise  relu
Conv2D                 4  22.2%  fixed point  bare/Conv2D
18 nodes compute on 2 inputs; 10 more are constants

"""


def test_the_census_comes_first_then_the_key_nodes(said, network):
    code, text, note = said("nodes", network.directory)
    assert code == 0
    assert text.startswith(CENSUS)
    lines = text.removeprefix(CENSUS).splitlines()
    assert lines[0].split() == ["node", "operator", "why"]
    assert len(lines) == 1 + KEY_NODES
    assert [line for line in lines if line.startswith(("bare", "norm/variance", "joined", "out"))] == [
        "bare/Conv2D    Conv2D             fixed point: Conv2D 3x3, 27 terms",
        "norm/variance  Mean               reduction: Mean over 256 elements (axes 1, 2); rare: Mean 2 of 2",
        "joined         ConcatV2           first join of the branches from X and Y; rare: the only ConcatV2",
        "out            Tanh               output of the network; rare: the only Tanh",
    ]
    assert note == f"{KEY_NODES} nodes, {KEY_NODES} of small are key nodes\n"


def chosen(text):
    return [line.split()[0] for line in text.partition("\n\n")[2].splitlines()[1:]]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("norm/m*", ["norm/mean"]),
        ("relu_*,reductions", ["norm/mean", "norm/variance", "relu_style", "relu_wide"]),
        ("outputs,joins", ["joined", "out"]),
        ("op:Relu", ["relu", "relu_style", "relu_wide"]),
        ("fixed-point", ["bare/Conv2D", "style/Conv2D", "wide/Conv2D", "narrow/Conv2D"]),
        ("wide/bias:0", ["wide/bias"]),
    ],
)
def test_selections(said, network, pattern, names):
    code, text, note = said("nodes", "--nodes", pattern, network.directory)
    assert code == 0
    assert sorted(chosen(text)) == sorted(names)
    assert note == f"{len(names)} nodes, {KEY_NODES} of small are key nodes\n"


def test_a_node_without_reason_has_a_dash(said, network):
    _, text, _ = said("nodes", "--nodes", "all", network.directory)
    assert len(chosen(text)) == 18
    assert sum(line.endswith("  -") for line in text.splitlines()) == 18 - KEY_NODES


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("norm/meen", "--nodes 'norm/meen' matches no node of small (near names: norm/mean"),
        ("key,rar", "'rar' of --nodes 'key,rar' matches no node of small (near names: rare"),
        ("op:Rlu", "--nodes 'op:Rlu' matches no node of small (near names: op:Relu"),
    ],
)
def test_words_that_match_nothing(refusal, network, pattern, sentence):
    assert f"mlu-conformance: {sentence}" in refusal("nodes", "--nodes", pattern, network.directory)


def test_json_holds_the_same(said, network):
    code, text, note = said("nodes", "--json", "--nodes=all", network.directory)
    assert (code, note) == (0, "")
    listing = json.loads(text)
    assert (listing["network"], listing["inputs"], listing["constants"]) == ("small", 2, 10)
    assert listing["operators"][-1] == {
        "op": "Conv2D",
        "count": 4,
        "share": 4 / 18,
        "treatment": "fixed point",
        "first": "bare/Conv2D",
    }
    assert len(listing["nodes"]) == 18
    assert sum(node["key"] for node in listing["nodes"]) == listing["key"] == KEY_NODES
    assert listing["nodes"][0] == {
        "name": "bare/Conv2D",
        "op": "Conv2D",
        "key": True,
        "shape": [1, 16, 16, 8],
        "reasons": ["fixed point: Conv2D 3x3, 27 terms"],
    }


def test_json_says_which_dimensions_are_unknown(said):
    _, text, _ = said("nodes", "--json", "--nodes=generator/xs", "beautygan")
    (node,) = json.loads(text)["nodes"]
    assert node["shape"] == [None, 256, 256, 3]


def test_what_is_not_modelled_is_named(said, tmp_path):
    """An operator without a model, one that trains, and none that has a model."""

    def build(tf):
        x = placeholder(tf, "X", (1, 8, 8, 3))
        four = [np.ones(3, np.float32) for _ in range(4)]
        about = dict(zip(("scale", "offset", "mean", "variance"), four, strict=True))
        modelled = tf.raw_ops.FusedBatchNormV3(x=x, is_training=False, name="modelled", **about)[0]
        trains = tf.raw_ops.FusedBatchNormV3(x=modelled, is_training=True, name="trains", **about)[0]
        tf.tanh(tf.nn.local_response_normalization(trains, name="norm"), name="out")

    directory = write_toy(tmp_path / "network", build, uniform(1, (1, 8, 8, 3), "X"))
    _, text, note = said("nodes", directory)
    assert "2 of 4 nodes are not modelled: trains, norm; on the emulator, what rests on them says" in note
    (line,) = [line for line in text.splitlines() if line.startswith("FusedBatchNormV3")]
    assert "several steps" in line
    assert json.loads(said("nodes", "--json", directory)[1])["unmodelled"] == ["trains", "norm"]
