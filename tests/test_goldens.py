"""Goldens: right, made once, verified each time; whatever is damaged, foreign or half-written is detected."""

import gc
import json
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest
from support import small_network
from support.emulation import frozen, placeholder, same_bits
from support.refusals import refused
from support.small_goldens import CONV, ensure, file_of, make, opened, tensors
from support.toy_network import write_toy

from conformance import cli, golden_tensors
from conformance.errors import EXIT_INFRASTRUCTURE, EXIT_USAGE, GoldenError
from conformance.fingerprints import tensor_sha256
from conformance.goldens import MANIFEST, GoldenStore
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.selection import judgeable_nodes, key_nodes
from conformance.networks import Network


@pytest.fixture
def root(tmp_path):
    """A directory with the network and its goldens."""
    return make(tmp_path / "copy")


def native_float64(names, feeds):
    """Compute nodes of the same network built in float64 from the start."""
    tf = tensorflow()
    with tf.Graph().as_default() as graph:
        small_network.build(tf, "float64")
    return GraphRunner(FrozenGraph.of(graph.as_graph_def(), names).prune(names), names)(feeds)


def test_goldens_are_the_float64_results_rounded_once(root):
    store = ensure(root)
    names = judgeable_nodes(store.network.graph)
    store.ensure(names)
    for sample in range(2):
        exact = native_float64(names, store.network.feeds(sample))
        for name in names:
            assert same_bits(store.get(name, sample), exact[name].astype(np.float32)), name


def test_goldens_against_numpy(root):
    store = ensure(root)
    feeds = store.network.feeds(0)
    filters = store.network.graph.constant(store.network.graph.nodes[CONV].input[1]).astype(np.float64)
    padded = np.pad(feeds["image"].astype(np.float64), [(0, 0), (1, 1), (1, 1), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    conv = np.einsum("nhwcij,ijco->nhwo", windows, filters)
    np.testing.assert_array_max_ulp(store.get(CONV, 0), conv.astype(np.float32), 1)
    mean = store.get("image_branch/norm/mean", 0)
    np.testing.assert_allclose(mean, conv.mean((1, 2), keepdims=True), rtol=1e-6, atol=1e-9)


def test_the_manifest(root):
    store = opened(root)
    graph, manifest = store.network.graph, store.manifest
    assert [node.name for node in manifest.nodes] == judgeable_nodes(graph)
    assert {node.name: node.reasons for node in manifest.key} == key_nodes(graph)
    assert all(node.op == graph.nodes[node.name].op and len(node.samples) == 2 for node in manifest.nodes)
    provenance = manifest.provenance
    assert (provenance.network, provenance.graph_sha256) == ("small", graph.sha256)
    assert provenance.input_sha256 == store.network.input_sha256
    assert provenance.tensorflow == tensorflow().__version__
    assert provenance.float32_nodes == []


def test_only_tensors_of_key_nodes_are_stored_at_first(root):
    stored = {path.name for path in tensors(root).iterdir()}
    assert stored == {file_of(root, node.name, s).name for node in opened(root).manifest.key for s in (0, 1)}


def test_creating_again_gives_the_same_manifest(root):
    before = (root / "goldens/small" / MANIFEST).read_bytes()
    opened(root).create()
    assert (root / "goldens/small" / MANIFEST).read_bytes() == before


def test_goldens_are_read_only_maps(root):
    store = ensure(root)
    value = store.get(CONV, 0)
    assert not value.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        value[...] = 0
    with pytest.raises(ValueError, match="cannot set WRITEABLE"):
        value.flags.writeable = True


def test_goldens_hold_no_descriptors(root):
    """A golden each for two networks of 500 nodes would be more than a process may have by default."""
    before = set(Path("/proc/self/fd").iterdir())
    store = ensure(root)
    values = [store.get(node.name, sample) for node in store.manifest.key for sample in (0, 1)]
    assert len(set(Path("/proc/self/fd").iterdir()) - before) < 3 < len(values)
    maps = Path("/proc/self/maps").read_text(encoding="utf-8").count(str(tensors(root)))
    assert maps == len(values)
    del values, store
    gc.collect()
    assert str(tensors(root)) not in Path("/proc/self/maps").read_text(encoding="utf-8")


def test_missing_tensors_are_made_and_reported(root):
    shutil.rmtree(tensors(root))
    steps = []
    store = opened(root)
    store.progress = lambda done, total, what: steps.append((done, total, what))
    store.ensure([CONV, "score"])
    assert sorted(path.name for path in tensors(root).iterdir()) == [
        file_of(root, name, sample).name for name in (CONV, "score") for sample in (0, 1)
    ]
    making = [step for step in steps if step[2] == "making goldens of small"]
    assert [done for done, _, _ in making] == [2, 4]  # both nodes, sample by sample
    assert {total for _, total, _ in making} == {4}
    assert steps[-1] == (2, 2, "verifying goldens of small")


def test_present_tensors_are_not_made_again(root):
    ensure(root)
    store = opened(root)
    made = []
    store._make = made.extend
    store.ensure([node.name for node in store.manifest.key])
    assert not made


def test_every_tensor_is_hashed_once_and_beside_what_reads_the_graph(root, monkeypatch):
    ensure(root)
    hashed = []

    def told(value):
        hashed.append(threading.current_thread() is threading.main_thread())
        return tensor_sha256(value)

    monkeypatch.setattr(golden_tensors, "tensor_sha256", told)
    store = opened(root)
    for _ in range(2):
        store.ensure([node.name for node in store.manifest.key])
    assert hashed == [False] * 2 * len(store.manifest.key)


def test_a_scalar_golden(tmp_path):
    def build(tf):
        tf.reduce_mean(placeholder(tf, shape=(1, 3)), name="out")

    network = Network(write_toy(tmp_path, build, {"x": [np.ones((1, 3), np.float32)]}))
    store = GoldenStore(network, tmp_path / "goldens")
    store.create()
    store.ensure(["out"])
    assert store.get("out", 0).shape == ()
    assert store.get("out", 0) == 1


def test_unknown_nodes_and_missing_manifests(root):
    with pytest.raises(
        GoldenError, match=r"node 'scor' has no golden in .*manifest.json \(near names: score"
    ):
        opened(root).ensure(["scor"])
    shutil.rmtree(root / "goldens")
    with refused(r"network 'small' has no goldens in .*; make them with `mlu-conformance", GoldenError):
        ensure(root)
    assert not (root / "goldens").exists()


def broken_file(path, kind):
    """Damage a tensor's file, or put another in its place."""
    data = path.read_bytes()
    value = np.load(path)
    if kind == "edited":
        data = data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]
    elif kind == "one ulp":
        data = data[:-4] + (int.from_bytes(data[-4:], "little") + 1).to_bytes(4, "little")
    elif kind == "truncated":
        data = data[:-9]
    elif kind == "header only":
        data = data[:128]
    elif kind in {"empty", "text"}:
        data = b"" if kind == "empty" else b"golden"
    elif kind == "of another node":
        data = file_of(path.parents[3], "image_branch/norm/mean").read_bytes()
    elif kind == "of another sample":
        data = file_of(path.parents[3], CONV, 1).read_bytes()
    else:
        others = {
            "float64": value.astype(np.float64),
            "big endian": value.astype(">f4"),
            "reshaped": value.reshape(1, 10, 12, 8),
            "strings": value.astype("U8"),
            "objects": value.astype(object),
            "nan": value * np.float32(np.nan),
            "zeros": value * 0,
        }
        np.save(path, others[kind], allow_pickle=True)
        return
    path.write_bytes(data)


READABLE = ["edited", "one ulp", "of another node", "of another sample", "float64", "big endian"]
READABLE += ["reshaped", "strings", "nan", "zeros"]
UNREADABLE = ["truncated", "header only", "empty", "text", "objects"]


@pytest.mark.parametrize("kind", [*READABLE, *UNREADABLE])
def test_a_file_that_is_not_what_it_should_be(root, kind):
    broken_file(file_of(root), kind)
    said = r"is not what the manifest says: .*, expected .*" if kind in READABLE else r"cannot be read \(.*\)"
    with refused(f"golden .*image_branch%2Fconv.0.npy {said}; delete it", GoldenError) as error:
        ensure(root)
    assert error.value.exit_code == EXIT_INFRASTRUCTURE
    file_of(root).unlink()
    ensure(root)


def test_an_archive_in_the_place_of_a_tensor(root):
    np.savez(file_of(root).with_suffix(".npz"), np.zeros(3))
    file_of(root).with_suffix(".npz").replace(file_of(root))
    with refused(r"image_branch%2Fconv.0.npy cannot be read", GoldenError):
        ensure(root)


def test_two_files_that_changed_places(root):
    first, second = file_of(root, CONV, 0), file_of(root, CONV, 1)
    first.rename(first.with_suffix(".x"))
    second.rename(first)
    first.with_suffix(".x").rename(second)
    with refused(r"conv.0.npy is not what the manifest says: sha256", GoldenError):
        ensure(root)


def nudged_manifest(root, steps):
    """Write the manifest as a CPU would have made it whose values are some ulps larger."""
    path = root / "goldens/small" / MANIFEST
    content = json.loads(path.read_text(encoding="utf-8"))
    for node in content["nodes"]:
        for sample in node["samples"]:
            values = np.array(sample["values"], np.float32)
            for _ in range(steps):
                values = np.nextafter(values, np.float32(np.inf))
            sample["values"] = [float(value) for value in values]
            sample["sha256"] = sample["sha256"][::-1]
    path.write_text(json.dumps(content), encoding="utf-8")


def test_another_cpu_whose_last_bits_differ_is_accepted_and_said(root):
    nudged_manifest(root, 1)
    with refused("is not what the manifest says", GoldenError):
        ensure(root)  # what lies there was not made here against this manifest
    shutil.rmtree(tensors(root))
    store = ensure(root)
    assert len(store.notes) == 2 * len(store.manifest.key)
    assert all("differs from the manifest in last bits only" in sentence for sentence in store.notes)
    again = ensure(root)
    assert again.notes == store.notes
    assert same_bits(again.get(CONV, 0), store.get(CONV, 0))


def test_accepted_goldens_are_still_protected(root):
    nudged_manifest(root, 1)
    shutil.rmtree(tensors(root))
    ensure(root)
    broken_file(file_of(root), "edited")
    with refused("is not what the manifest says", GoldenError):
        ensure(root)


def test_anything_larger_is_rejected_and_not_kept(root):
    nudged_manifest(root, 2)
    shutil.rmtree(tensors(root))
    with refused(r"golden .*npy is not what the manifest says: .*values .*, expected", GoldenError):
        ensure(root)
    assert not list((root / "goldens/small").rglob("*.npy"))


def change_weights(root):
    graph = Network(root / "small").graph
    name = graph.nodes[CONV].input[1]
    value = graph.constant(name).copy()
    value[0, 0, 0, 0] = np.nextafter(value[0, 0, 0, 0], np.float32(9))
    graph.with_constants({name: value}).save(root / "small/graph.pb")


def change_inputs(root):
    path = root / "small/style-2.npy"
    value = np.load(path)
    value[0, 0, 0, 0] += 1
    np.save(path, value)


def change_graph(root):
    graph = Network(root / "small").graph
    next(node for node in graph.nodes.values() if node.op == "Tanh").op = "Sigmoid"
    graph.save(root / "small/graph.pb")


@pytest.mark.parametrize(
    ("change", "what"), [(change_weights, "graph"), (change_graph, "graph"), (change_inputs, "inputs")]
)
def test_another_network_under_the_same_name(root, change, what):
    change(root)
    said = (
        rf"goldens in .*small were made from other {what} \(sha256 \w{{12}}, now \w{{12}}\); make them with"
    )
    with refused(said, GoldenError):
        ensure(root)


def test_making_goldens_of_a_changed_network_leaves_none_of_the_old(root):
    opened(root).ensure(judgeable_nodes(Network(root / "small").graph))  # also tensors of other nodes
    change_weights(root)
    opened(root).create()
    store = ensure(root)
    store.ensure(judgeable_nodes(store.network.graph))


def test_what_the_suite_did_not_write_is_never_deleted(root):
    """Not even where its own files lie, whatever these are called."""
    foreign = ["notes.txt", "other.npy", "other.0.npy", ".notes.part", ".conv.part", "deep/note.0.npy"]
    for name in foreign:
        (tensors(root) / name).parent.mkdir(exist_ok=True)
        (tensors(root) / name).write_text("mine", encoding="utf-8")
    half = tensors(root) / ".score.0.npy.abcd_123.part"
    half.write_text("half", encoding="utf-8")
    opened(root).create()
    assert all((tensors(root) / name).read_text(encoding="utf-8") == "mine" for name in foreign)
    assert not half.exists()


def test_a_damaged_manifest_is_made_anew(root):
    (root / "goldens/small" / MANIFEST).write_text("{", encoding="utf-8")
    opened(root).create()
    ensure(root)


@pytest.mark.parametrize("name", [".", "..", "../..", "small/../.."])
def test_a_name_cannot_lead_out_of_the_golden_directory(root, name):
    beside = root / "tensors/mine.0.npy"
    beside.parent.mkdir()
    beside.write_text("mine", encoding="utf-8")
    toml = root / "small/network.toml"
    toml.write_text(toml.read_text(encoding="utf-8").replace('"small"', f'"{name}"'), encoding="utf-8")
    assert cli.main(["golden", str(root / "small"), "--golden-dir", str(root / "goldens")]) == EXIT_USAGE
    assert beside.read_text(encoding="utf-8") == "mine"


def test_a_network_that_gives_no_numbers(root):
    def build(tf):
        x = placeholder(tf, "image", (1, 12, 10, 3)) + placeholder(tf, "style", (1, 12, 10, 3))
        tf.math.log(x - 100.0, name="picture")
        tf.identity(x, name="score")

    frozen(build, "picture", "score").save(root / "small/graph.pb")
    before = (root / "goldens/small" / MANIFEST).read_bytes()
    with refused("the golden of 'picture' on sample 0 holds NaN or Inf", GoldenError):
        opened(root).create()
    assert (root / "goldens/small" / MANIFEST).read_bytes() == before


@pytest.mark.parametrize("text", ["", "{", '{"nodes": []}', '{"provenance": 3, "nodes": []}'])
def test_a_damaged_manifest(root, text):
    (root / "goldens/small" / MANIFEST).write_text(text, encoding="utf-8")
    with refused(r"golden manifest .*manifest.json is malformed"):
        ensure(root)


def test_a_golden_directory_that_cannot_be_written(root):
    shutil.rmtree(tensors(root))
    tensors(root).write_text("a file", encoding="utf-8")
    with refused(r"goldens in .*small cannot be written: .*", GoldenError):
        ensure(root)
    store = GoldenStore(Network(root / "small"), root / "small/graph.pb")
    with refused(r"goldens in .*graph.pb/small cannot be written: Not a directory", GoldenError):
        store.create()
