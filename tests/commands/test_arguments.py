"""What commands share: twins in the environment, options given twice, and every way to name a network."""

import re
import shutil

import pytest

from conformance.dumps.manifest import read_manifest
from conformance.options import OPTIONS


@pytest.fixture
def environment(monkeypatch):
    """Set twins by the names of their options in code."""

    def variables(**values):
        for name, text in values.items():
            monkeypatch.setenv(f"MLU_CONFORMANCE_{name.upper()}", str(text))

    return variables


# --- twins


def test_a_device_of_the_environment_is_dumped(said, environment, network, tmp_path):
    environment(device="cpu", nodes="out")
    assert said("dump", network.directory, "-o", tmp_path / "dump")[0] == 0
    manifest = read_manifest(tmp_path / "dump")
    assert (manifest.device["kind"], [file.node for file in manifest.files]) == ("cpu", ["out"])


def test_the_command_line_wins(said, environment, network, tmp_path):
    environment(device="no.such:device", nodes="out", sample="all")
    given = ("--device=cpu", "--nodes=joined", "--sample=1")
    assert said("dump", network.directory, "-o", tmp_path / "dump", *given)[0] == 0
    (file,) = read_manifest(tmp_path / "dump").files
    assert (file.node, file.sample) == ("joined", 1)


def test_everything_that_a_command_takes_may_come_from_the_environment(said, environment, network, tmp_path):
    environment(
        network_path=network.directory,
        golden_dir=network.goldens,
        device="emulator",
        profile="mlu270,reduction_sum=fp32",
        precision="int8-fp32",
        layer_by_layer="yes",
        sample="1",
        nodes="out",
    )
    assert said("dump", "-o", tmp_path / "dump")[0] == 0
    manifest = read_manifest(tmp_path / "dump")
    assert (manifest.network, manifest.precision, manifest.fused) == ("small", "int8-fp32", False)
    assert manifest.device["profile"] == "mlu270,reduction_sum=fp32"
    assert [file.sample for file in manifest.files] == [1]


@pytest.mark.parametrize(
    "arguments", [["nodes", "beautygan"], ["devices"], ["compare", "a", "b"], ["quantize", "beautygan"]]
)
def test_a_misspelt_twin_is_one_sentence_whatever_the_command(refusal, environment, arguments):
    environment(devise="cpu")
    error = refusal(*arguments)
    assert re.fullmatch(
        r"mlu-conformance: environment variable MLU_CONFORMANCE_DEVISE means nothing "
        r"\(near names: MLU_CONFORMANCE_DEVICE, .*\)\n",
        error,
    )


def test_twins_of_options_that_a_command_has_not_are_no_mistake(said, environment, network):
    environment(run_dir="there", waivers="none.toml", no_waivers="1", device="no.such:device")
    assert said("nodes", network.directory)[0] == 0


def test_every_twin_is_known_to_every_command(said, monkeypatch, network):
    for option in OPTIONS:
        if option.twin and option.name not in ("network_path", "nodes"):
            monkeypatch.setenv(option.variable, "1")
    assert said("nodes", network.directory)[0] == 0


def test_a_malformed_twin_names_the_variable(refusal, environment, network, tmp_path):
    environment(layer_by_layer="perhaps")
    error = refusal("dump", network.directory, "-o", tmp_path / "dump", "--device=cpu")
    assert (
        error
        == "mlu-conformance: MLU_CONFORMANCE_LAYER_BY_LAYER='perhaps' is neither true nor false; set 1 or 0\n"
    )
    assert not (tmp_path / "dump").exists()


def test_goldens_are_dumped_whatever_the_environment_says_of_a_device(said, environment, network, tmp_path):
    environment(precision="int8-fp16", layer_by_layer="1", golden_dir=network.goldens)
    given = ("dump", network.directory, "--nodes=out", "--device=golden")
    assert said(*given, "-o", tmp_path / "dump")[0] == 0
    assert read_manifest(tmp_path / "dump").device["kind"] == "golden"


@pytest.mark.parametrize("device", ["emulator", "auto", "cpu", "cambricon", "package.module:factory"])
def test_what_is_judged_is_not_who_calibrates(said, environment, network, tmp_path, device):
    environment(device=device, device_option="python=/no/such/python")
    copy = network.copied(tmp_path).directory
    code, text, _ = said("quantize", copy)
    assert code == 0
    assert text.count("8 scales, unchanged") == 2


def test_options_of_the_vendor_are_for_the_vendor_alone(refusal, environment, network, tmp_path):
    copy = network.copied(tmp_path).directory
    error = refusal("quantize", "--device-option=python=x", copy)
    assert "--device-option python means nothing without --device=cambricon; drop it" in error
    environment(device_option="pythn=x")
    error = refusal("quantize", "--device=cambricon", copy)
    assert "--device-option 'pythn' is unknown to device 'cambricon' (near names: python" in error


# --- given twice


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nodes", "--nodes=a", "--nodes=b"], "--nodes is given twice, as 'a' and 'b'; drop one"),
        (["dump", "--device=a", "--device=b"], "--device is given twice, as 'a' and 'b'; drop one"),
        (
            ["diagnose", "--from-run=a", "--from-run", "b"],
            "--from-run is given twice, as 'a' and 'b'; drop one",
        ),
        (["freeze", "--graph=a", "--graph=b"], "--graph is given twice, as 'a' and 'b'; drop one"),
        (["annotate", "run", "-o", "a", "--output=b"], "--output is given twice, as 'a' and 'b'; drop one"),
    ],
)
def test_an_option_that_is_given_twice_is_one_sentence(refusal, arguments, sentence):
    assert sentence in refusal(*arguments)


def test_the_same_may_be_said_again(said, network):
    assert said("nodes", "--nodes=out", "--nodes", "out", network.directory)[0] == 0


# --- the network


@pytest.mark.parametrize("way", ["directory", "file", "file in its directory", "relative"])
def test_a_network_is_named_by_its_directory_or_its_description(said, network, monkeypatch, way):
    monkeypatch.chdir(network.directory if "in" in way else network.directory.parent)
    word = {
        "directory": network.directory,
        "file": network.directory / "network.toml",
        "file in its directory": "network.toml",
        "relative": network.directory.name,
    }[way]
    code, _, note = said("nodes", word)
    assert (code, "of small are key nodes" in note) == (0, True)


@pytest.mark.parametrize("name", ["network", "network_path"])
def test_the_network_of_the_environment(said, environment, network, name):
    environment(**{name: network.directory})
    assert said("nodes")[2].endswith("of small are key nodes\n")
    assert said("nodes", "lstm")[2].endswith("of lstm are key nodes\n")


def test_a_network_of_the_environment_by_name(said, environment):
    environment(network="lstm")
    assert said("nodes")[2].endswith("of lstm are key nodes\n")


@pytest.mark.parametrize("words", ["all", "lstm,mobilenet"])
def test_several_networks_are_too_many_for_a_command(refusal, environment, words):
    environment(network=words)
    error = refusal("nodes")
    assert f"MLU_CONFORMANCE_NETWORK={words} is for pytest; name the one network of this command" in error


def test_two_networks_in_the_environment_contradict_each_other(said, refusal, environment, network):
    environment(network="lstm", network_path=network.directory)
    error = refusal("nodes")
    assert "MLU_CONFORMANCE_NETWORK and MLU_CONFORMANCE_NETWORK_PATH contradict each other; drop one" in error
    assert said("nodes", "lstm")[0] == 0


@pytest.mark.parametrize("command", ["nodes", "golden", "quantize"])
def test_no_network_at_all(refusal, command):
    error = refusal(command)
    assert error == "mlu-conformance: the network is missing; name one, or set MLU_CONFORMANCE_NETWORK\n"


def test_a_frozen_graph_is_not_yet_a_network(refusal, network, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(network.directory / "small.pb", "frozen.pb")
    error = refusal("nodes", "frozen.pb")
    assert error == (
        "mlu-conformance: frozen.pb is a frozen graph, not yet a network; make its network.toml with "
        "`mlu-conformance init frozen.pb`\n"
    )


@pytest.mark.parametrize("name", ["mine.keras", "mine.h5", "mine"])
def test_a_model_is_not_yet_a_network(refusal, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name
    if path.suffix:
        path.touch()
    else:
        path.mkdir()
        (path / "saved_model.pb").touch()
    for command in ("prepare", "nodes"):
        assert refusal(command, name) == (
            f"mlu-conformance: {name} is a model, not yet a network; make its network.toml with "
            f"`mlu-conformance init {name}`\n"
        )


def test_the_graph_of_a_network_is_not_the_network(refusal, network):
    error = refusal("nodes", network.directory / "small.pb")
    assert f"small.pb is the graph alone; give {network.directory / 'network.toml'}, which describes" in error


def test_a_graph_that_is_not_there(refusal):
    assert "frozen.pb" in refusal("nodes", "no/such/frozen.pb")
