"""Key nodes: each rule on small graphs, all of them on BeautyGAN."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import ROOT, frozen, placeholder
from support.fresh_python import without_tensorflow

from conformance.errors import UsageError
from conformance.files import read_json
from conformance.goldens import MANIFEST, Manifest
from conformance.graph.selection import (
    SelectableNode,
    judgeable_nodes,
    key_nodes,
    node_classes,
    select_nodes,
    selectable_nodes,
)
from conformance.graph.structure import Structure
from conformance.networks import Network

OUTPUT, FIXED, REDUCTION = "output of the network", "fixed-point operator", "reduction"
JOIN, END, RARE = "first join of branches from different inputs", "end of a module", "rare operator"
FILTER = np.ones((1, 1, 3, 3), np.float32)


def reasons(build, *outputs, **options):
    return key_nodes(frozen(build, *outputs, **options))


def common(tf, x, count=4):
    """Chain operators so often that they are not rare."""
    for _ in range(count):
        x = tf.nn.relu(x + 1.0)
    return x


NAMED = "named in network.toml"


def unrolled(tf):
    state = placeholder(tf)
    for step in range(12):
        state = tf.multiply(tf.tanh(state, name=f"step_{step}/t"), 0.5, name=f"step_{step}/c")
    tf.identity(state, name="o")


def test_nodes_that_the_user_names_are_key_nodes():
    graph = frozen(unrolled, "o")
    found = key_nodes(graph, ["step_*/c", "step_3/?"])
    assert list(key_nodes(graph)) == ["o"]
    assert list(found) == [
        *(f"step_{step}/c" for step in range(3)),
        "step_3/t",
        *(f"step_{step}/c" for step in range(3, 12)),
        "o",
    ]
    assert all(reasons == [NAMED] for name, reasons in found.items() if name != "o")


@pytest.mark.parametrize("pattern", ["step_*/cc", "o:0", "x", ""])
def test_a_name_that_means_no_node_is_an_error(pattern):
    with pytest.raises(UsageError, match="is no node that computes on the inputs"):
        key_nodes(frozen(unrolled, "o"), ["step_*/c", pattern])


def test_named_nodes_are_a_class():
    nodes = selectable_nodes(Structure(frozen(unrolled, "o"), ["step_*/c"]))
    assert select_nodes("named", nodes, "n") == [f"step_{step}/c" for step in range(12)]


def test_outputs():
    def build(tf):
        x = common(tf, placeholder(tf))
        tf.add(x, 1.0, name="o")
        tf.add(x, 2.0, name="p")

    found = reasons(build, "o", "p")
    assert OUTPUT in found["o"]
    assert OUTPUT in found["p"]


def test_fixed_point_operators():
    def build(tf):
        x = placeholder(tf)
        for index in range(4):
            x = tf.nn.conv2d(x, FILTER, 1, "SAME", name=f"conv{index}")
        tf.identity(x, name="o")

    found = reasons(build, "o")
    assert [name for name, why in found.items() if FIXED in why] == [f"conv{index}" for index in range(4)]


def test_reductions():
    def build(tf):
        x = placeholder(tf)
        for index in range(4):
            x -= tf.reduce_mean(x, [1, 2], keepdims=True, name=f"mean{index}")
        tf.identity(x, name="o")

    found = reasons(build, "o")
    assert [name for name, why in found.items() if REDUCTION in why] == [f"mean{index}" for index in range(4)]


def test_the_first_join_of_two_inputs_and_not_the_later_ones():
    def build(tf):
        x, y = common(tf, placeholder(tf)), common(tf, placeholder(tf, "y"))
        first = tf.add(x, y, name="first")
        second = tf.add(first, y, name="second")
        tf.add(common(tf, second), first, name="o")

    found = reasons(build, "o")
    assert [name for name, why in found.items() if JOIN in why] == ["first"]


def test_a_join_of_three_inputs():
    def build(tf):
        x, y, z = (placeholder(tf, name) for name in "xyz")
        pair = tf.add(x, y, name="pair")
        tf.add(common(tf, pair), z, name="all")
        tf.identity(common(tf, tf.concat([x, z], -1, name="other")), name="p")

    found = reasons(build, "all", "p")
    assert sorted(name for name, why in found.items() if JOIN in why) == ["all", "other", "pair"]


def test_the_end_of_a_module_is_where_all_branches_of_a_fork_meet():
    def build(tf):
        x = common(tf, placeholder(tf))
        left = tf.add(x, 1.0, name="left")
        inner = tf.add(left + 2.0, left + 3.0, name="inner")
        outer = tf.add(inner, x, name="outer")
        tf.identity(common(tf, outer), name="o")

    found = reasons(build, "o")
    assert [name for name, why in found.items() if END in why] == ["inner", "outer"]


def test_the_ends_of_repeated_blocks_are_ends_of_modules():
    def build(tf):
        x = common(tf, placeholder(tf))
        for index in range(3):
            x = tf.tanh(tf.nn.conv2d(x, FILTER, 1, "SAME"), name=f"end{index}")
        tf.identity(x, name="o")

    assert [name for name, why in reasons(build, "o").items() if END in why] == ["end0", "end1", "end2"]


def test_branches_that_never_meet_have_no_end():
    def build(tf):
        x = common(tf, placeholder(tf))
        tf.identity(common(tf, x), name="o")
        tf.identity(common(tf, x), name="p")

    assert not [name for name, why in reasons(build, "o", "p").items() if END in why]


def test_rare_operators():
    def build(tf):
        x = common(tf, placeholder(tf))
        x = tf.exp(x, name="once")
        x = tf.tanh(tf.tanh(x, name="twice"), name="again")
        for index in range(3):
            x = tf.square(x, name=f"thrice{index}")
        tf.identity(x, name="o")

    found = reasons(build, "o")
    assert [name for name, why in found.items() if RARE in why] == ["once", "twice", "again"]
    assert RARE not in found["o"], "an Identity computes nothing"


@given(counts=st.lists(st.integers(1, 5), min_size=3, max_size=3))
@settings(max_examples=10, deadline=None)
def test_rare_means_at_most_two(counts):
    def build(tf):
        x = placeholder(tf, shape=(3,))
        for op, count in zip((tf.exp, tf.tanh, tf.square), counts, strict=True):
            for _ in range(count):
                x = op(x)
        tf.identity(x, name="o")

    graph = frozen(build, "o")
    rare = {graph.nodes[name].op for name, why in key_nodes(graph).items() if RARE in why}
    assert rare == {op for op, count in zip(("Exp", "Tanh", "Square"), counts, strict=True) if count <= 2}


def test_what_cannot_be_judged_is_no_key_node():
    def build(tf):
        x = placeholder(tf)
        weights = tf.exp(tf.constant(1.0), name="folded")
        index = tf.argmax(x, -1, name="index")
        tf.add(x * weights, tf.cast(index, tf.float32)[..., None], name="o")

    graph = frozen(build, "o")
    judgeable = judgeable_nodes(graph)
    assert not {"x", "folded", "index"} & set(judgeable)
    assert "o" in judgeable
    assert set(key_nodes(graph)) <= set(judgeable)


def test_nodes_inside_loops_and_branches_are_no_key_nodes():
    def build(tf):
        x = placeholder(tf, shape=(3,))
        state = tf.while_loop(lambda i, _: i < 3, lambda i, t: (i + 1, tf.tanh(t)), [tf.constant(0), x])[1]
        tf.add(state, tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x), lambda: -x), name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    operators = {graph.nodes[name].op for name in judgeable_nodes(graph)}
    assert not operators & {"Tanh", "Exp", "Neg", "Switch", "NextIteration"}
    assert OUTPUT in key_nodes(graph)["o"]


def test_producers_come_first():
    def build(tf):
        x = common(tf, placeholder(tf))
        tf.reduce_sum(tf.exp(x, name="first"), 1, name="o")

    graph = frozen(build, "o")
    names = list(key_nodes(graph))
    assert names == [name for name in judgeable_nodes(graph) if name in names]
    assert names.index("first") < names.index("o")


NAMES = ["a/conv", "a/mean", "b/conv", "b/mean", "o"]
NODES = [SelectableNode(name, "Relu", [NAMED] if name.endswith("mean") else []) for name in NAMES]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("key", ["a/mean", "b/mean"]),
        ("all", NAMES),
        ("*/conv", ["a/conv", "b/conv"]),
        ("o", ["o"]),
        ("[ab]/m*", ["a/mean", "b/mean"]),
        ("o, a/conv", ["a/conv", "o"]),
        ("a/conv:0,b/*", ["a/conv", "b/conv", "b/mean"]),
        ("o,key,o", ["a/mean", "b/mean", "o"]),
    ],
)
def test_patterns(pattern, expected):
    assert select_nodes(pattern, NODES, "net") == expected


@pytest.mark.parametrize(
    ("pattern", "near"), [("a/cov", "near names: a/conv"), ("*/conf", ""), ("", "lists nodes and classes")]
)
def test_a_pattern_that_matches_nothing(pattern, near):
    with pytest.raises(UsageError, match=f"--nodes .* matches no node of net.*{near}"):
        select_nodes(pattern, NODES, "net")


DESCRIBED = [
    SelectableNode("conv", "Conv2D", [FIXED]),
    SelectableNode("relu", "Relu", []),
    SelectableNode("mean", "Mean", [REDUCTION, RARE]),
    SelectableNode("concat", "ConcatV2", [JOIN]),
    SelectableNode("add", "Add", [END]),
    SelectableNode("pool", "MaxPool", [REDUCTION, NAMED]),
    SelectableNode("key", "Add", [OUTPUT, END]),
]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("all", ["conv", "relu", "mean", "concat", "add", "pool", "key"]),
        ("key", ["conv", "mean", "concat", "add", "pool", "key"]),
        ("key:0", ["key"]),
        ("outputs", ["key"]),
        ("reductions", ["mean", "pool"]),
        ("fixed-point", ["conv"]),
        ("joins", ["concat"]),
        ("modules", ["add", "key"]),
        ("rare", ["mean"]),
        ("named", ["pool"]),
        ("op:Add", ["add", "key"]),
        ("op:Relu", ["relu"]),
        ("op:M*", ["mean", "pool"]),
        ("rare,op:Conv2D,c*t:0", ["conv", "mean", "concat"]),
    ],
)
def test_classes(pattern, expected):
    assert select_nodes(pattern, DESCRIBED, "net") == expected


@pytest.mark.parametrize(
    ("pattern", "sentence"),
    [
        ("reduction", "--nodes 'reduction' matches no node of net (near names: reductions)"),
        ("op:Maen", "--nodes 'op:Maen' matches no node of net (near names: op:Mean"),
        ("op:mean", "--nodes 'op:mean' matches no node of net (near names: op:Mean"),
        ("key,cnov", "'cnov' of --nodes 'key,cnov' matches no node of net (near names: conv"),
        ("zzz*", "--nodes 'zzz*' matches no node of net; `mlu-conformance nodes` lists nodes and classes"),
        ("conv:1", "--nodes 'conv:1' matches no node of net: only the first output of a node is judged; "),
        ("conv,", "--nodes 'conv,' has nothing between two commas, or at an end; drop a comma"),
        ("conv,,add", "--nodes 'conv,,add' has nothing between two commas, or at an end; drop a comma"),
    ],
)
def test_bad_words(pattern, sentence):
    with pytest.raises(UsageError) as caught:
        select_nodes(pattern, DESCRIBED, "net")
    assert str(caught.value).startswith(sentence)


@pytest.mark.parametrize(
    "word", ["joins", "rare", "named", "fixed-point", "reductions", "outputs", "modules", "key"]
)
def test_a_class_without_nodes_is_an_error_that_says_so(word):
    with pytest.raises(UsageError, match=f"'{word}' of .* matches no node of net: none is of this class"):
        select_nodes(f"relu,{word}", [DESCRIBED[1]], "net")


@given(words=st.lists(st.sampled_from([*node_classes(DESCRIBED), "conv", "c*", "relu:0"]), min_size=1))
@settings(max_examples=50, deadline=None)
def test_a_list_means_what_its_words_mean_together(words):
    alone = [set(select_nodes(word, DESCRIBED, "net")) for word in words]
    names = [node.name for node in DESCRIBED]
    expected = [name for name in names if name in set.union(*alone)]
    assert select_nodes(", ".join(words), DESCRIBED, "net") == expected


@pytest.fixture(scope="module")
def beautygan():
    graph = Network(ROOT / "fixtures/networks/beautygan").graph
    return graph, key_nodes(graph)


def test_key_nodes_of_beautygan(beautygan):
    graph, found = beautygan
    assert len(found) == 91
    assert collections.Counter(graph.nodes[name].op for name in found) == {
        "Mean": 40,
        "Add": 26,
        "Conv2D": 21,
        "ResizeNearestNeighbor": 2,
        "ConcatV2": 1,
        "Tanh": 1,
    }


def test_reasons_of_beautygan(beautygan):
    _, found = beautygan
    norms = [f"generator/InstanceNorm{'' if i == 0 else f'_{i}'}/instancenorm/add_1" for i in range(20)]
    adds = [f"generator/add{'' if i == 0 else f'_{i}'}" for i in range(6)]
    for name in [*norms, *adds]:
        assert END in found[name], name
    assert JOIN in found["generator/concat"]
    assert OUTPUT in found["generator/xs"]
    assert RARE in found["generator/ResizeNearestNeighbor"]
    assert [name for name, why in found.items() if JOIN in why] == ["generator/concat"]
    assert list(found)[-1] == "generator/xs"


def test_the_manifest_of_beautygan_has_these_key_nodes_with_these_reasons(beautygan):
    _, found = beautygan
    manifest = read_json(ROOT / "goldens/beautygan" / MANIFEST, Manifest, "golden manifest")
    assert {node.name: node.reasons for node in manifest.key} == found


def test_a_manifest_selects_what_the_graph_selects(beautygan):
    graph, _ = beautygan
    manifest = read_json(ROOT / "goldens/beautygan" / MANIFEST, Manifest, "golden manifest")
    nodes = selectable_nodes(Structure(graph))
    classes = node_classes(nodes)
    assert node_classes(manifest.nodes) == classes
    counts = {word: len(names) for word, names in classes.items() if not word.startswith("op:")}
    assert counts == {
        "all": 265,
        "key": 91,
        "outputs": 1,
        "joins": 1,
        "modules": 26,
        "rare": 4,
        "named": 0,
        "reductions": 40,
        "fixed-point": 21,
    }
    assert select_nodes("op:ResizeNearestNeighbor,outputs,joins", manifest.nodes, "beautygan") == [
        "generator/concat",
        "generator/ResizeNearestNeighbor",
        "generator/ResizeNearestNeighbor_1",
        "generator/xs",
    ]


OF_A_MANIFEST = """
import pathlib
from conformance.files import read_json
from conformance.goldens import Manifest
from conformance.graph.selection import select_nodes
manifest = read_json(pathlib.Path(sys.argv[1]), Manifest, "golden manifest")
print(len(select_nodes("reductions,modules,op:Tanh", manifest.nodes, "beautygan")))
"""


def test_selecting_from_a_manifest_needs_no_tensorflow():
    text, _ = without_tensorflow(OF_A_MANIFEST, ROOT / "goldens/beautygan" / MANIFEST)
    assert text == f"{40 + 26 + 1}\n"
