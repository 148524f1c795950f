"""Attainable errors: what an ideal device adds at a node fed with goldens, and how large its sums are."""

import json

import numpy as np
import pytest
from support import small_network
from support.emulation import frozen, halves, placeholder, profile
from support.refusals import refused

from conformance.errors import GoldenError
from conformance.expected.attainable import (
    FILE,
    check_scales,
    read_attainable,
)
from conformance.expected.golden_feeds import golden_feeds
from conformance.expected.ideal_device import deciding_operator, make_attainable
from conformance.goldens import GoldenStore
from conformance.graph import segments
from conformance.graph.cut import cut_input
from conformance.graph.frozen import FrozenGraph
from conformance.networks import Network
from conformance.numerics.fixed_point import quantize
from conformance.numerics.metrics import compare
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.parameter_file import QuantizationScales

PRECISIONS = {"int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32"}


def scales_of(network):
    largest = largest_magnitudes(network.graph, [network.feeds(sample) for sample in range(network.samples)])
    return {bits: calibrate(largest, bits) for bits in (8, 16)}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    root = tmp_path_factory.mktemp("attainable")
    store = GoldenStore(Network(small_network.write(root / "small")), root / "goldens")
    store.create()
    return store


@pytest.fixture(scope="module")
def made(store):
    return make_attainable(store, scales_of(store.network), profile("ideal"))


def test_there_is_one_for_every_golden_and_precision(store, made):
    names = {node.name for node in store.manifest.nodes}
    assert set(made.nodes) == set(made.operators) == names
    assert all(set(entry) == PRECISIONS for entry in made.nodes.values())


def test_it_is_read_back(store, made):
    graph = store.network.graph
    again = FrozenGraph.of(graph.copied_graph_def(), graph.outputs)
    assert again.sha256 == graph.sha256, "the graph was changed"
    assert read_attainable(store) == made


@pytest.mark.usefixtures("made")
def test_what_is_equal_at_two_precisions_stands_once(store):
    entries = json.loads((store.directory / FILE).read_text("utf-8"))["nodes"]
    assert entries["join"]["int16-fp16"] == "int8-fp16"
    assert isinstance(entries["mix"]["int16-fp32"], dict)


@pytest.mark.parametrize("other", ["int16-fp16", "int4-fp16", ""])
@pytest.mark.usefixtures("made")
def test_a_node_that_refers_to_nothing_is_an_error(store, other):
    path = store.directory / FILE
    whole = path.read_bytes()
    content = json.loads(whole)
    content["nodes"]["join"]["int16-fp16"] = other
    path.write_text(json.dumps(content), "utf-8")
    try:
        with refused(f"'join' at int16-fp16 is as at {other!r}, where there is nothing", GoldenError):
            read_attainable(store)
    finally:
        path.write_bytes(whole)


def test_in_what_segments_nodes_are_computed_changes_nothing(store, made, monkeypatch):
    before = (store.directory / FILE).read_bytes()
    whole = [len(part) for _, part in store.computed(list(made.nodes))]
    monkeypatch.setattr(segments, "MOST_NODES", 2)
    assert max(len(part) for _, part in store.computed(list(made.nodes))) == 2 < min(whole)
    store.create()
    make_attainable(store, scales_of(store.network), profile("ideal"))
    assert (store.directory / FILE).read_bytes() == before


def errors(made, name, precision):
    return made.nodes[name][precision].errors


def test_a_convolution_fed_with_goldens_adds_its_quantisation(store, made):
    """Computed here with int64 arithmetic from the goldens before it."""
    graph = store.network.graph
    scales = scales_of(store.network)[8].scales
    factors = [float(np.float32(scales[f"mix/{which}"])) for which in ("input", "filter")]
    filters = quantize(graph.constant(graph.nodes["mix"].input[1]), factors[1], 8)[0, 0]
    worst = 0.0
    for sample in range(2):
        image = quantize(store.get("join", sample), factors[0], 8)
        result = ((image @ filters) / (factors[0] * factors[1])).astype(np.float32)
        worst = max(worst, compare(store.get("mix", sample), result).mse)
    assert errors(made, "mix", "int8-fp32").mse == worst > 0


def test_a_mean_adds_one_rounding(store, made):
    for precision, kept in (("int8-fp16", halves), ("int8-fp32", np.float32)):
        worst = 0.0
        for sample in range(2):
            exact = kept(store.get("residual", sample)).astype(np.float64).mean((1, 2))
            worst = max(worst, compare(store.get("pooled", sample), kept(exact).astype(np.float32)).max_abs)
        assert errors(made, "pooled", precision).max_abs == pytest.approx(worst, abs=1e-12)


def test_movement_adds_the_rounding_of_its_input(store, made):
    assert errors(made, "join", "int8-fp32").max_abs == 0
    worst = max(
        np.abs(halves(store.get("join", sample)).astype(np.float64) - store.get("join", sample)).max()
        for sample in range(2)
    )
    assert errors(made, "join", "int16-fp16").max_abs == worst


def test_more_bits_attain_more(made):
    for name in ("mix", "head", "image_branch/conv"):
        eight, sixteen = (errors(made, name, f"int{bits}-fp32").mse for bits in (8, 16))
        assert sixteen < eight / 1000
    for name in ("picture", "residual"):
        half, single = (errors(made, name, f"int16-fp{bits}").mse for bits in (16, 32))
        assert single < half / 1000


def test_sums_have_terms_and_magnitudes(store, made):
    def sums(name):
        entry = made.nodes[name]["int8-fp16"]
        return entry.terms, entry.magnitude, entry.magnitude_square

    assert sums("pooled")[0] == 120
    assert sums("image_branch/conv")[0] == 27
    assert sums("mix")[0] == 16
    assert sums("head")[0] == 8
    assert sums("picture") == (0, 0, 0)
    absolute = [np.abs(store.get("residual", sample)).astype(np.float64).mean((1, 2)) for sample in range(2)]
    assert sums("pooled")[1] == pytest.approx(max(value.max() for value in absolute), rel=1e-12)
    assert sums("pooled")[2] == pytest.approx(max((value**2).mean() for value in absolute), rel=1e-12)
    weights = np.abs(store.network.graph.constant(store.network.graph.nodes["head"].input[1])).astype(
        np.float64
    )
    products = [np.abs(store.get("pooled", sample)).astype(np.float64) @ weights for sample in range(2)]
    assert sums("head")[1] == pytest.approx(max(value.max() for value in products), rel=1e-12)


def test_goldens_are_described(store, made):
    entry = made.nodes["residual"]["int8-fp16"]
    goldens = [store.get("residual", sample).astype(np.float64) for sample in range(2)]
    assert entry.golden_max == max(np.abs(golden).max() for golden in goldens)
    assert entry.golden_square == pytest.approx(min((golden**2).mean() for golden in goldens), rel=1e-6)


def test_feeds_of_a_cut_graph(store):
    feeds = golden_feeds(store, ["style", cut_input("residual")], 1)
    assert np.array_equal(feeds["style"], store.network.feeds(1)["style"])
    assert np.array_equal(feeds[cut_input("residual")], store.get("residual", 1))


def test_other_goldens_and_missing_files_are_named(store, made, tmp_path, monkeypatch):
    import msgspec

    assert store.manifest
    monkeypatch.setattr(store, "path", tmp_path.joinpath)

    with refused(r"network 'small' has no attainable errors in .*attainable.json; make", GoldenError):
        read_attainable(store)
    for field in ("graph_sha256", "input_sha256"):
        other = msgspec.structs.replace(made, **{field: "0" * 64})
        (tmp_path / FILE).write_bytes(msgspec.json.encode(other))
        with refused(r"attainable errors .* belong to another graph or other inputs", GoldenError):
            read_attainable(store)
    (tmp_path / FILE).write_bytes(msgspec.json.encode(made)[:-2])
    with refused(r"attainable errors .*attainable.json is malformed"):
        read_attainable(store)


def moving(tf):
    x = placeholder(tf, shape=(2, 6))
    product = tf.multiply(x, 1.3, name="product")
    tf.reshape(tf.identity(product), [3, 4], name="behind_identity")
    tf.reshape(x, [12], name="of_input")
    moved = tf.reshape(product, [2, 6], name="moved_key")
    both = tf.concat([tf.transpose(tf.transpose(x)), tf.exp(x)], 1, name="second_branch")
    tf.concat([moved, tf.constant(np.ones((2, 1), np.float32))], 1, name="of_key")
    tf.tanh(both, name="own")


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("own", {}, "Tanh"),
        ("behind_identity", {}, "Mul"),
        ("behind_identity", {"product": ()}, "Reshape"),
        ("of_input", {}, "Reshape"),
        ("second_branch", {}, "Exp"),
        ("of_key", {"moved_key": ()}, "ConcatV2"),
        ("of_key", {}, "Mul"),
    ],
)
def test_the_operator_whose_margin_holds(name, key, expected):
    names = ["behind_identity", "of_input", "moved_key", "second_branch", "of_key", "own"]
    assert deciding_operator(frozen(moving, *names), name, key) == expected


def test_moving_in_a_loop_ends():
    def build(tf):
        x = placeholder(tf, shape=(3,))
        state = tf.while_loop(
            lambda i, _: i < 3, lambda i, t: (i + 1, tf.reverse(t, [0])), [tf.constant(0), x]
        )[1]
        tf.identity(state, name="o")

    graph = frozen(build, "o", control_flow_v2=False)
    assert deciding_operator(graph, "o", {}) in {"Identity", "LoopCond", "Less"}


def test_bounds_of_other_scales_are_refused(store, made):
    scales = scales_of(store.network)[8]
    check_scales(made, scales, store)
    coarser = {key: value / 2 for key, value in scales.scales.items()}
    with refused(r"made with other int8 quantisation scales .*conformance prepare", GoldenError):
        check_scales(made, QuantizationScales(bits=8, scales=coarser), store)
