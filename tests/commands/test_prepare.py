"""``mlu-conformance prepare``: each step is made when what it depends on changed, and only then."""

import dataclasses
import shutil

import numpy as np
import pytest
from support.damage import edited
from support.kept_network import KEY_NODES, KeptNetwork, kept_network, write_network

from conformance import cli, locations
from conformance.expected import ideal_device, preparation
from conformance.golden_tensors import GoldenTensors
from conformance.quantization.parameter_file import read

STEPS = ("scales", "goldens", "bounds")


@pytest.fixture
def kept(tmp_path):
    """A prepared network that a test may change."""
    return kept_network().copied(tmp_path)


@pytest.fixture
def prepared(said):
    """Prepare a network; return the exit code, the state of each step that was printed, and all text."""

    def run(network, *arguments):
        given = (network.directory, "--golden-dir", network.goldens, *arguments)
        code, text, error = said("prepare", *given)
        states = {line.split()[0]: line.split()[1] for line in text.splitlines()}
        return code, states, text + error

    return run


def contents(*directories):
    """Return bytes and time of every file but locks."""
    paths = [path for directory in directories for path in directory.rglob("*")]
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in paths
        if path.is_file() and path.suffix != ".lock"
    }


def other_inputs(network):
    np.save(network.directory / "x-1.npy", np.load(network.directory / "x-0.npy")[:, ::-1])


def other_graph(network):
    from conformance.graph.lazy_tensorflow import tensorflow

    path = network.directory / "small.pb"
    graph_def = tensorflow().compat.v1.GraphDef.FromString(path.read_bytes())
    (node,) = [node for node in graph_def.node if node.name == "bare/filter"]
    values = tensorflow().make_ndarray(node.attr["value"].tensor)
    node.attr["value"].tensor.CopyFrom(tensorflow().make_tensor_proto(values * 1.5))
    path.write_bytes(graph_def.SerializeToString(deterministic=True))


def other_scales(network):
    """Scales that another tool found."""
    path = network.directory / "int8.quant.txt"
    line = next(line for line in path.read_text().splitlines() if line.startswith("wide/Conv2D/input:"))
    edited(path, line, "wide/Conv2D/input:31.25")


def other_key_nodes(network):
    edited(network.directory / "network.toml", "[network]", '[network]\nkey = ["wide/bias"]')


def without(name):
    return lambda network: next(network.directory.parent.rglob(name)).unlink()


def damaged(name):
    return lambda network: next(network.directory.parent.rglob(name)).write_text('{"nodes": 1}')


def test_from_nothing_everything_is_made_and_the_second_time_nothing(prepared, tmp_path):
    network = KeptNetwork(tmp_path / "network", tmp_path / "goldens")
    write_network(network.directory)
    code, states, text = prepared(network)
    assert (code, states) == (0, dict.fromkeys(STEPS, "made"))
    assert f"goldens  made   18 nodes, {KEY_NODES} of them key nodes (there are none)" in text
    assert "int8.quant.txt is missing; int16.quant.txt is missing" in text
    assert "making goldens of small" in text
    for name in ("small/manifest.json", "small/attainable.json"):
        assert (network.goldens / name).read_bytes() == (kept_network().goldens / name).read_bytes()
    before = contents(network.directory, network.goldens)
    code, states, text = prepared(network)
    assert (code, states) == (0, dict.fromkeys(STEPS, "fresh"))
    assert "making" not in text
    assert contents(network.directory, network.goldens) == before


def test_the_projects_own_networks_are_prepared(capsys):
    before = contents(locations.NETWORKS / "mobilenet", locations.GOLDENS / "mobilenet")
    assert cli.main(["prepare", "mobilenet"]) == 0
    assert [line.split()[:2] for line in capsys.readouterr().out.splitlines()] == [
        [step, "fresh"] for step in STEPS
    ]
    assert contents(locations.NETWORKS / "mobilenet", locations.GOLDENS / "mobilenet") == before


@pytest.mark.parametrize(
    ("change", "states", "why"),
    [
        (other_inputs, ("made", "made", "made"), "they are of other inputs"),
        (other_graph, ("made", "made", "made"), "they are of another graph"),
        (other_scales, ("kept", "fresh", "made"), "they are of other scales"),
        (other_key_nodes, ("fresh", "made", "made"), "they are of other key nodes"),
        (without("int8.quant.txt"), ("made", "fresh", "fresh"), "int8.quant.txt is missing"),
        (without("manifest.json"), ("fresh", "made", "made"), "there are none"),
        (without("attainable.json"), ("fresh", "fresh", "made"), "there are none"),
        (damaged("manifest.json"), ("fresh", "made", "made"), "they are damaged"),
        (damaged("attainable.json"), ("fresh", "fresh", "made"), "they are damaged"),
    ],
)
def test_what_changed_makes_just_what_depends_on_it(prepared, kept, change, states, why):
    change(kept)
    code, found, text = prepared(kept)
    assert (code, found) == (0, dict(zip(STEPS, states, strict=True)))
    assert why in text
    assert set(prepared(kept)[1].values()) <= {"fresh", "kept"}


@pytest.mark.parametrize("change", [other_inputs, other_graph, other_scales])
def test_a_users_own_scales_are_kept_whatever_changes(prepared, kept, change):
    other_scales(kept)
    path = kept.directory / "int8.quant.txt"
    own = path.read_bytes()
    if change is not other_scales:
        change(kept)
    code, states, text = prepared(kept)
    assert (code, path.read_bytes()) == (0, own)
    assert states["scales"] == ("kept" if change is other_scales else "made")
    assert "int8.quant.txt not calibrated by this project: delete to have it made" in text
    path.unlink()
    assert prepared(kept)[1] == {"scales": "made", "goldens": "fresh", "bounds": "made"}
    assert read(path).scales["wide/Conv2D/input"] != 31.25


def test_scales_of_the_users_own_that_do_not_fit_are_not_overwritten(prepared, kept):
    path = kept.directory / "int8.quant.txt"
    edited(path, "wide/Conv2D/input", "wider/Conv2D/input")
    own = path.read_bytes()
    code, states, text = prepared(kept)
    assert (code, states, path.read_bytes()) == (4, {}, own)
    assert "no fixed-point tensor 'wider/Conv2D/input'" in text
    assert text.endswith("put one that fits, or delete it to have it calibrated\n")


def test_scales_that_were_calibrated_for_another_graph_are_replaced(prepared, kept):
    path = kept.directory / "small.pb"
    path.write_bytes(path.read_bytes().replace(b"bare/Conv2D", b"nude/Conv2D"))
    code, states, text = prepared(kept)
    assert (code, set(states.values())) == (0, {"made"})
    assert "int8.quant.txt is of another graph" in text
    assert "nude/Conv2D/input" in read(kept.directory / "int8.quant.txt").scales


def test_preprocessing_that_was_folded_into_a_file_does_not_make_it_the_users_own(prepared, kept):
    folded = "convfirst_param:\n{\nnode_name: bare/Conv2D\nmean:1, 1, 1\nstd: 1,1,1\ncolor_mode: rgb\n}\n\n"
    path = kept.directory / "int8.quant.txt"
    edited(path, "scale_map:", f"{folded}scale_map:")
    assert prepared(kept)[1] == {"scales": "fresh", "goldens": "fresh", "bounds": "made"}
    other_inputs(kept)
    assert prepared(kept)[1] == dict.fromkeys(STEPS, "made")
    assert read(path).convfirst


@pytest.mark.parametrize("step", STEPS)
def test_one_step_alone_is_made_even_where_it_is_fresh(prepared, kept, step):
    before = contents(kept.directory, kept.goldens)
    code, states, text = prepared(kept, "--only", step)
    assert (code, states) == (0, {step: "made"})
    assert ("bounds are stale: there are none" in text) == (step == "goldens")
    after = contents(kept.directory, kept.goldens)
    names = {path.name for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert ("attainable.json" in names) == (step != "scales")
    assert ("manifest.json" in names) == (step == "goldens")
    assert not {name for name in names if name.endswith(".quant.txt")}


def test_what_is_stale_after_one_step_is_said_with_the_command(prepared, kept):
    other_inputs(kept)
    code, states, text = prepared(kept, "--only", "scales")
    assert (code, states) == (0, {"scales": "made"})
    remedy = f"make them with `mlu-conformance prepare {kept.directory} --golden-dir {kept.goldens}`"
    assert f"goldens are stale: they are of other inputs; {remedy}" in text
    code, states, text = prepared(kept, "--only", "bounds")
    assert (code, states) == (3, {})
    assert "were made from other inputs (sha256 " in text
    assert remedy in text
    assert prepared(kept)[1] == {"scales": "fresh", "goldens": "made", "bounds": "made"}


def test_goldens_need_scales_only_for_bounds(prepared, kept):
    (kept.directory / "int8.quant.txt").unlink()
    assert prepared(kept, "--only", "goldens")[1] == {"goldens": "made"}
    code, states, text = prepared(kept, "--only", "bounds")
    assert (code, states) == (4, {})
    assert "int8.quant.txt is missing; make them with `mlu-conformance prepare" in text


@pytest.mark.parametrize("where", ["scales", "goldens", "bounds"])
def test_an_interrupted_one_leaves_nothing_half_and_goes_on(prepared, kept, monkeypatch, where):
    other_inputs(kept)
    broken = {
        "scales": (preparation, "make_scales"),
        "goldens": (GoldenTensors, "write"),
        "bounds": (ideal_device, "write_attainable"),
    }[where]

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(*broken, interrupted)
    code, _, text = prepared(kept)
    assert code == cli.EXIT_INTERRUPTED
    assert text.endswith("interrupted; what was written is whole\n")
    monkeypatch.undo()
    assert not list(kept.directory.parent.rglob("*.part"))
    code, states, _ = prepared(kept)
    index = STEPS.index(where)
    assert (code, states) == (0, {step: "made" if i >= index else "fresh" for i, step in enumerate(STEPS)})
    assert set(prepared(kept)[1].values()) == {"fresh"}


def test_a_place_that_cannot_be_written(prepared, kept):
    shutil.rmtree(kept.goldens)
    kept.goldens.write_text("a file in the way")
    code, states, text = prepared(kept)
    assert (code, states) == (3, {})
    assert text.count("\n") == 1
    assert "goldens of small cannot be written to" in text
    assert "choose another place with --golden-dir" in text


def test_a_network_whose_scales_cannot_be_written(prepared, kept, monkeypatch):
    (kept.directory / "int8.quant.txt").unlink()

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("conformance.expected.scales.write_calibrated", refused)
    code, _, text = prepared(kept)
    assert code == 3
    assert f"scales of small cannot be written to {kept.directory}: Permission denied; copy the" in text


@pytest.mark.parametrize("content", ["", "notes of mine\n"])
def test_damaged_scales_are_not_overwritten(prepared, kept, content):
    path = kept.directory / "int8.quant.txt"
    path.write_text(content)
    code, _, text = prepared(kept)
    remedy = f"`mlu-conformance prepare {kept.directory} --golden-dir {kept.goldens}`"
    assert (code, text.endswith(f"; delete it and run {remedy}\n")) == (4, True), text
    assert path.read_text() == content
    path.unlink()
    assert prepared(kept)[:2] == (0, {"scales": "made", "goldens": "fresh", "bounds": "fresh"})


def test_a_network_called_like_one_of_the_projects_own_does_not_replace_its_goldens(prepared, kept, capsys):
    edited(kept.directory / "network.toml", 'name = "small"', 'name = "lstm"')
    before = contents(locations.GOLDENS / "lstm")
    for command in ("prepare", "golden"):
        assert cli.main([command, str(kept.directory)]) == 4
        assert "'lstm'" in (error := capsys.readouterr().err)
        assert "is called like one of the project's own" in error
    assert contents(locations.GOLDENS / "lstm") == before
    assert prepared(kept)[0] == 0


def test_quantize_and_prepare_agree_on_whose_scales_they_are(prepared, kept):
    other_scales(kept)
    assert cli.main(["quantize", str(kept.directory)]) == 0
    assert set(prepared(kept)[1].values()) == {"fresh"}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--only", "speed"], "argument --only: invalid choice: 'speed'"),
        (["--weights", "nowhere"], "there is no checkpoint nowhere"),
    ],
)
def test_bad_arguments(refusal, kept, arguments, sentence):
    assert sentence in refusal("prepare", kept.directory, *arguments)


def test_scales_of_the_vendors_framework_are_kept(prepared, kept, monkeypatch):
    """``quantize --device=cambricon`` asks for them, so it replaces ours; ``prepare`` then leaves them."""
    path = kept.directory / "int8.quant.txt"
    ours = read(path)
    theirs = dataclasses.replace(ours, scales={key: value * 1.5 for key, value in ours.scales.items()})
    monkeypatch.setattr("conformance.devices.cambricon.calibration.vendor_scales", lambda *_, **__: theirs)
    given = ["quantize", "--device=cambricon", "--device-option=python=python3", "--bits=8"]
    assert cli.main([*given, str(kept.directory)]) == 0
    assert prepared(kept)[1] == {"scales": "kept", "goldens": "fresh", "bounds": "made"}
    assert read(path).scales["wide/Conv2D/input"] == pytest.approx(
        1.5 * ours.scales["wide/Conv2D/input"], rel=1e-5
    )
