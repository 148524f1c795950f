"""Cambricon's quantised nodes become TensorFlow's: the same bits, and nothing quantised twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.emulation import run, same_bits
from support.refusals import refused
from support.vendor_graphs import OUTPUT, SHAPE, UNSET, feeds, quantised_file, twin

from conformance.graph.editing import plain
from conformance.graph.graph_file import load_frozen_graph, read_mapped
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.own_scales import own_scales, told_scales, without_scales
from conformance.graph.vendor_nodes import with_plain_nodes
from conformance.graph.vendor_operators import QUANTISED
from conformance.quantization.calibration import calibrate, largest_magnitudes, quantized_tensors
from conformance.quantization.parameter_file import QuantizationScales, as_written


@pytest.fixture
def path(tmp_path):
    return tmp_path / "quantised.pb"


def loaded(path, bits=8, change=len):
    quantised_file(path, bits, change)
    return load_frozen_graph(path, [OUTPUT])


@pytest.mark.parametrize("floats", ["fp16", "fp32"])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_quantised_graph_gives_what_its_twin_gives_bit_for_bit(path, bits, floats):
    plain_twin, scales = quantised_file(path, bits)
    graph = load_frozen_graph(path, [OUTPUT])
    written = QuantizationScales(bits, {key: as_written(scale) for key, scale in scales.items()})
    own = calibrate(largest_magnitudes(graph, [feeds()]), bits)
    assert own == written
    precision = f"int{bits}-{floats}"
    found, _ = run(graph, feeds(), precision, scales=own)
    expected, _ = run(plain_twin, feeds(), precision, scales=written)
    assert same_bits(found[OUTPUT], expected[OUTPUT])
    recalibrated = calibrate(largest_magnitudes(without_scales(graph), [feeds()]), bits)
    other, _ = run(graph, feeds(), precision, scales=recalibrated)
    assert not same_bits(found[OUTPUT], other[OUTPUT])


def test_the_nodes_are_those_of_the_twin(path):
    plain_twin, _ = quantised_file(path)
    graph = load_frozen_graph(path, [OUTPUT])
    assert {name: (node.op, list(node.input)) for name, node in graph.nodes.items()} == {
        name: (node.op, list(node.input)) for name, node in plain_twin.nodes.items()
    }
    assert quantized_tensors(graph) == quantized_tensors(plain_twin)
    for name, node in plain_twin.nodes.items():
        if node.op == "Const":
            assert np.array_equal(graph.constant(name), plain_twin.constant(name)), name


def test_every_kind_of_node_stands_in_the_graphs_of_these_tests(path):
    seen = set()
    for bits in (8, 16):
        quantised_file(path, bits)
        seen |= {node.op for node in read_mapped(path).nodes.values()}
    assert {op for op in QUANTISED if not op.startswith("Fix8")} <= seen


@given(st.sampled_from([8, 16]), st.floats(1e-4, 1e6), st.data())
def test_integers_come_back(bits, scale, data):
    """Dequantised by its float32 scale, quantised by the six digits of the parameter file."""
    scale = float(np.float32(scale))
    limit = 2 ** (bits - 1)
    q = data.draw(st.integers(-limit, limit - 1))
    x = np.float32(q / scale)
    assert np.clip(np.round(np.float64(x) * as_written(scale)), -limit, limit - 1) == q


def test_a_graph_without_such_nodes_is_left_alone():
    graph = twin()
    assert with_plain_nodes(graph) is graph
    assert own_scales(graph) == {}
    assert told_scales(graph) == []
    assert without_scales(graph) is graph


def test_scales_stay_with_a_graph_that_is_saved(path, tmp_path):
    graph = loaded(path)
    graph.save(tmp_path / "plain.pb")
    again = load_frozen_graph(tmp_path / "plain.pb", [OUTPUT])
    assert own_scales(again) == own_scales(graph)
    assert set(own_scales(again)) == {8}
    assert again.sha256 == graph.sha256 != without_scales(graph).sha256


def test_a_scale_may_have_a_position(path):
    def with_position(nodes):
        for which in ("input", "filter"):
            nodes["first"].attr[f"{which}_position"].i = UNSET
        nodes["dense"].op = "Fix8MatMul"
        nodes["dense"].attr["input_position"].i = -3
        nodes["dense"].attr["input_scale"].f = 1.5

    found = own_scales(loaded(path, change=with_position))[8]
    assert found["dense/input"] == 12.0
    assert found["first/input"] == own_scales(loaded(path))[8]["first/input"]


def test_padding_that_was_folded_in_stands_before_the_convolution(path):
    def padded(nodes):
        nodes["first"].attr["paddings"].list.i[:] = [1, 2, 0, 3]

    graph = loaded(path, change=padded).prune(["first"])
    pad = graph.nodes["first/Pad"]
    assert (pad.op, pad.input[0], graph.nodes["first"].input[0]) == ("Pad", "x", "first/Pad")
    assert graph.constant("first/paddings").tolist() == [[0, 0], [1, 2], [0, 3], [0, 0]]
    scales = calibrate(largest_magnitudes(graph, [feeds()]), 8)
    assert run(graph, feeds(), scales=scales)[0]["first"].shape == (1, 6, 6, 6)


def test_a_filter_that_is_a_float_is_left_to_be_quantised(path):
    before = twin()

    def floating(nodes):
        for key, node in (("T1", "dense"), ("T", "w4/read")):
            nodes[node].attr[key].type = nodes["dense"].attr["T"].type
        nodes["w4"].CopyFrom(before.nodes["w4"])

    graph = loaded(path, change=floating)
    assert np.array_equal(graph.constant("w4/read"), before.constant("w4/read"))
    assert "dense/filter" in own_scales(graph)[8]


def test_a_normalisation_loses_its_position(path):
    lrn = plain("normed", "Int8LRN", ["x"], T="float32")
    lrn.attr["depth_radius"].i, lrn.attr["position"].i = 2, -3

    def normed(nodes):
        nodes["first"].input[0] = "normed"
        nodes["relu"].input[0] = "first"

    quantised_file(path, 8, normed)
    graph_def = _with_node(path, lrn)
    path.write_bytes(graph_def.SerializeToString())
    node = load_frozen_graph(path, [OUTPUT]).nodes["normed"]
    assert (node.op, node.attr["depth_radius"].i, "position" in node.attr) == ("LRN", 2, False)


def _with_node(path, node):
    graph_def = tensorflow().compat.v1.GraphDef.FromString(path.read_bytes())
    graph_def.node.append(node)
    return graph_def


def test_a_scale_that_comes_from_a_shape_is_told(path):
    def of_shape(nodes):
        nodes["wide"].attr["input_scale"].f = 127 / 4  # the output is 1x4x4x4

    (first, second) = told_scales(loaded(path, change=of_shape))
    assert first.startswith("6 nodes were quantised at int8 (Conv2D 2, MatMul 2, ")
    assert "the input scale of wide is that of the output's shape, not of the values" in second
    assert len(told_scales(loaded(path))) == 1


def changed(node, **attributes):
    def change(nodes):
        for key, value in attributes.items():
            entry = nodes[node].attr[key]
            if value is None:
                del nodes[node].attr[key]
            elif isinstance(value, list):
                getattr(entry.list, "f" if isinstance(value[0], float) else "i").extend(value)
            else:
                setattr(entry, {bool: "b", int: "i", float: "f", bytes: "s"}[type(value)], value)

    return change


def shared(nodes):
    nodes["relu"].input[0] = "w1/read"


def unequal(nodes):
    nodes["dense"].input[1] = "w5/read"


def computed(nodes):
    nodes["w1/read"].op = "Neg"


def halves(nodes):
    nodes["dense"].attr["T"].type = 19


def without_bias(nodes):
    del nodes["biased"].input[2]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            changed("first", input_scale=None),
            r"node 'first' \(Int8Conv2D\) in .*\.pb has no input_scale; quant",
        ),
        (
            changed("biased", filter_scale=None),
            "'biased' .*has no filter_scale; quantise the float graph again",
        ),
        (changed("scores", input2_scale=None), r"'scores' \(Int8BatchMatMulV2\) .*has no input2_scale"),
        (changed("first", input_scale=0.0), "has the input_scale 0, which is not a positive number"),
        (
            changed("first", input_scale=float("nan")),
            "has the input_scale nan, which is not a positive number",
        ),
        (changed("first", filter_scales=[1.0, 2.0]), "a scale per channel: quantise with channel_quantiz"),
        (changed("first", use_convfirst=True), "folds preprocessing .*quantise with use_convfirst = False"),
        (
            changed("first", mlu_group=2),
            "has the attribute mlu_group = 2, which TensorFlow's Conv2D lacks; give",
        ),
        (changed("dense", axis=0), "has the attribute axis = 0, which TensorFlow's MatMul lacks"),
        (changed("dense", sparsity=3), "has the attribute sparsity, which TensorFlow's MatMul lacks"),
        (changed("first", paddings=[1]), r"has the paddings \[0, 0, 0, 0, 1\], which are not those of rows"),
        (shared, "'first' .*shares its integer filter 'w1/read' with 'relu'"),
        (unequal, "reads the filter of '(dense|layer)' with another scale"),
        (computed, "reads integers from 'w1/read', which is no constant"),
        (halves, "'dense' .*has the type T = float16"),
        (without_bias, "'biased' .*has 2 inputs in place of 3"),
    ],
)
def test_what_cannot_be_translated_is_one_sentence(path, change, sentence):
    quantised_file(path, 8, change)
    with refused(sentence):
        load_frozen_graph(path, [OUTPUT])


def test_neutral_attributes_change_nothing(path):
    def neutral(nodes):
        changed("first", mlu_group=1, use_convfirst=False, mean_r=2.5, std=1.0, filter_is_sparse=False)(nodes)
        changed("dense", axis=1, b_is_sparse=False)(nodes)

    assert loaded(path, change=neutral).sha256 == loaded(path).sha256


def test_operators_that_tensorflow_lacks_are_all_named_with_their_nodes(path):
    def strange(nodes):
        nodes["relu"].op, nodes[OUTPUT].op = "MLUActive", "PowerDifference"

    with refused(
        r"quantised\.pb needs what TensorFlow lacks: operator 'PowerDifference' of out \(SquaredDifference "
        r"is its second power\), operator 'MLUActive' of relu \(it is Cambricon's own.*\); name outputs "
        "before that with --output, feed its results with --input, or give a graph"
    ):
        loaded(path, change=strange)


def test_the_input_is_fed_as_before(path):
    graph = loaded(path)
    assert graph.inputs == ("x",)
    assert [dim.size for dim in graph.nodes["x"].attr["shape"].shape.dim] == list(SHAPE)
