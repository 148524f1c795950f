"""The command line on a small network kept anywhere: what it writes, what it says, how it ends."""

import os
import shutil
import subprocess
import sys

import pytest
from support.damage import edited
from support.emulation import placeholder
from support.kept_network import KEY_NODES, write_network
from support.suite_run import ROOT
from support.toy_network import uniform, write_toy

from conformance import cli, locations
from conformance.commands import nodes
from conformance.quantization.parameter_file import format_scales, read


def test_nodes_knows_beautygan_by_name(said):
    code, text, note = said("nodes", "beautygan")
    census, _, nodes = text.partition("\n\n")
    assert code == 0
    assert len(census.splitlines()) == 1 + 12 + 1
    assert len(nodes.splitlines()) == 1 + 91
    assert nodes.splitlines()[-1].split()[:2] == ["generator/xs", "Tanh"]
    assert "91 of beautygan are key nodes" in note


def test_quantize_writes_both_widths_and_the_second_time_nothing(said, tmp_path):
    write_network(tmp_path / "network")
    paths = [tmp_path / f"network/int{bits}.quant.txt" for bits in (8, 16)]
    code, text, _ = said("quantize", tmp_path / "network")
    assert (code, text.splitlines()) == (0, [f"{path}: 8 scales, written" for path in paths])
    before = [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths]
    code, text, _ = said("quantize", tmp_path / "network")
    assert (code, text.splitlines()) == (0, [f"{path}: 8 scales, unchanged" for path in paths])
    assert [(path.read_bytes(), path.stat().st_mtime_ns) for path in paths] == before
    assert [read(path).bits for path in paths] == [8, 16]


def test_quantize_can_write_one_width(said, tmp_path):
    write_network(tmp_path / "network")
    assert said("quantize", "--bits", "16", tmp_path / "network")[0] == 0
    assert [path.name for path in (tmp_path / "network").glob("*.quant.txt")] == ["int16.quant.txt"]


def test_quantize_keeps_preprocessing_that_was_folded_into_the_file(said, network, tmp_path):
    path = network.copied(tmp_path).directory / "int8.quant.txt"
    folded = (
        "convfirst_param:\n{\nnode_name: bare/Conv2D\nmean:124, 116, 127\nstd: 1,1,1\ncolor_mode: rgb\n}\n\n"
    )
    edited(path, "scale_map:", f"{folded}scale_map:")
    path.write_text(path.read_text().replace("wide/Conv2D/input:", "wide/Conv2D/input:9"))
    code, text, _ = said("quantize", "--bits", "8", path.parent)
    assert (code, text) == (0, f"{path}: 8 scales, written\n")
    scales = read(path)
    assert "node_name: bare/Conv2D" in scales.convfirst
    assert scales.scales == read(network.directory / "int8.quant.txt").scales
    assert said("quantize", "--bits", "8", path.parent)[1] == f"{path}: 8 scales, unchanged\n"


def test_quantize_does_not_overwrite_what_it_cannot_read(refusal, network, tmp_path):
    path = network.copied(tmp_path).directory / "int8.quant.txt"
    path.write_text("notes of mine\n")
    assert refusal("quantize", path.parent).startswith(f"mlu-conformance: {path}")
    assert path.read_text() == "notes of mine\n"


def test_the_committed_scales_of_beautygan_regenerate_identically(said, tmp_path):
    copy = shutil.copytree(locations.NETWORKS / "beautygan", tmp_path / "beautygan")
    before = {path.name: path.read_bytes() for path in copy.glob("*.quant.txt")}
    assert sorted(before) == ["int16.quant.txt", "int8.quant.txt"]
    for name in before:
        (copy / name).unlink()
    code, text, _ = said("quantize", copy)
    assert (code, text.count("42 scales, written")) == (0, 2)
    assert {path.name: path.read_bytes() for path in copy.glob("*.quant.txt")} == before
    assert format_scales(read(copy / "int8.quant.txt")).encode() == before["int8.quant.txt"]


def test_golden_makes_the_same_again(said, network, tmp_path):
    code, text, log = said("golden", "--golden-dir", tmp_path, network.directory)
    assert code == 0
    expected = f"fingerprints and bounds of 18 nodes, tensors of {KEY_NODES} key nodes"
    assert text == f"{tmp_path / 'small'}: {expected}\n"
    assert "making goldens of small" in log
    for name in ("manifest.json", "attainable.json"):
        assert (tmp_path / "small" / name).read_bytes() == (network.goldens / "small" / name).read_bytes()


def test_golden_needs_scales(refusal, network, tmp_path):
    copy = network.copied(tmp_path)
    (copy.directory / "int16.quant.txt").unlink()
    error = refusal("golden", "--golden-dir", tmp_path / "new", copy.directory)
    assert "int16.quant.txt is missing; make them with `mlu-conformance prepare" in error
    assert not (tmp_path / "new").exists()


def test_a_file_in_the_way_is_one_sentence(refusal, network, tmp_path):
    (tmp_path / "file").write_text("mine")
    error = refusal("golden", "--golden-dir", tmp_path / "file", network.directory, code=3)
    assert str(tmp_path / "file") in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["nods", "beautygan"], "invalid choice: 'nods'"),
        (["nodes"], "the network is missing; name one, or set MLU_CONFORMANCE_NETWORK"),
        (["nodes", ""], "network is empty; give a name or drop it"),
        (["nodes", "beautigan"], "network 'beautigan' is not in"),
        (
            ["nodes", "./no/such/network"],
            "no/such/network does not exist; give a directory with network.toml",
        ),
        (["quantize", "--bits", "4", "beautygan"], "argument --bits: invalid choice: 4"),
        (["golden", "--fast", "beautygan"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_arguments_are_one_sentence_and_exit_4(refusal, arguments, sentence):
    assert sentence in refusal(*arguments)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["diagnose", "--precison", "x"],
            " diagnose: unrecognized arguments: --precison (near names: --precision",
        ),
        (
            ["diagnose", "--precison=x", "lstm"],
            "unrecognized arguments: --precison=x (near names: --precision",
        ),
        (["diagnose", "--precison", "x"], "; see `mlu-conformance diagnose --help`\n"),
        (
            ["nodes", "lstm", "mobilenet"],
            " nodes: unrecognized arguments: mobilenet; see `mlu-conformance nodes",
        ),
        (
            ["--verson", "nodes", "lstm"],
            "mlu-conformance: unrecognized arguments: --verson (near names: --version",
        ),
    ],
)
def test_an_unknown_option_names_those_of_the_command_that_are_like_it(refusal, arguments, sentence):
    assert sentence in refusal(*arguments)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "small"', "", "network.toml is malformed: Object missing required field `name`"),
        ('graph = "small.pb"', 'graph = "none.pb"', "none.pb"),
        ('name = "X"', 'name = "Z"', "mend"),
        ('name = "out"', 'name = "outt"', "node 'outt' is not in"),
        ('"x-1.npy"', '"x-7.npy"', "x-7.npy"),
        (', "x-1.npy"', "", "input 'Y' in"),
    ],
)
@pytest.mark.parametrize("command", ["golden", "quantize"])
def test_a_description_that_does_not_fit_is_one_sentence(
    refusal, network, tmp_path, command, old, new, sentence
):
    copy = network.copied(tmp_path)
    edited(copy.directory / "network.toml", old, new)
    options = ["--golden-dir", copy.goldens] if command == "golden" else []
    before = sorted(tmp_path.rglob("*.json"))
    assert sentence in refusal(command, *options, copy.directory)
    assert sorted(tmp_path.rglob("*.json")) == before


def test_help_and_version(said):
    for arguments in (
        ["--help"],
        ["nodes", "--help"],
        ["golden", "--help"],
        ["quantize", "--help"],
        ["devices", "--help"],
        ["annotate", "--help"],
        ["--version"],
    ):
        code, text, error = said(*arguments)
        assert (code, error) == (0, "")
        assert text


def test_ctrl_c_is_one_sentence(said, monkeypatch, network):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(nodes, "list_nodes", interrupt)
    code, text, error = said("nodes", network.directory)
    assert (code, text, error) == (130, "", "mlu-conformance: interrupted; what was written is whole\n")


def test_a_reader_that_has_seen_enough_is_no_error():
    code = (
        "import sys; from conformance.cli import main; sys.exit(main(['nodes', '--nodes=*/xs', 'beautygan']))"
    )
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=buffered, check=False
    )
    os.close(writing)
    assert done.returncode == 0
    assert "Broken" not in done.stderr
    assert "Traceback" not in done.stderr


def test_the_installed_command_is_the_same():
    from importlib.metadata import entry_points

    (point,) = entry_points(group="console_scripts", name="mlu-conformance")
    assert point.load() is cli.run


def test_a_network_with_nothing_to_quantise_says_so(said, refusal, tmp_path):
    def build(tf):
        tf.tanh(placeholder(tf, "X", (1, 16, 16, 3)), name="out")

    write_toy(tmp_path / "network", build, uniform(1, (1, 16, 16, 3), "X"))
    error = "mlu-conformance: network 'toy' has no convolution or matmul, so there is nothing to quantise\n"
    assert refusal("quantize", tmp_path / "network") == error
    assert said("golden", "--golden-dir", tmp_path / "goldens", tmp_path / "network")[0] == 0


def test_progress_goes_to_the_error_stream_one_line_per_piece_of_work(said, network, tmp_path):
    _, text, log = said("golden", "--golden-dir", tmp_path, network.directory)
    assert "making" not in text
    assert "making goldens of small (36)\n" in log
    assert "\r" not in log


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (
            MemoryError("Unable to allocate 43.7 TiB"),
            3,
            "memory does not suffice (Unable to allocate 43.7 TiB)",
        ),
        (UnicodeEncodeError("ascii", "größe", 2, 3, "not in range"), 4, "größe cannot be written as ascii"),
    ],
)
def test_what_the_machine_does_not_allow_is_one_sentence(refusal, monkeypatch, error, code, sentence):
    def fail(_):
        raise error

    monkeypatch.setattr("conformance.commands.nodes.list_nodes", fail)
    assert sentence in refusal("nodes", "beautygan", code=code)
