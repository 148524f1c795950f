"""``mlu-conformance dump`` on the small network: what it writes, and what it says where it cannot."""

import argparse

import numpy as np
import pytest
from support.kept_network import KEY_NODES

from conformance.commands.arguments import add_device, with_environment
from conformance.devices.base import DeviceRequest
from conformance.devices.cpu import CpuDevice
from conformance.devices.registry import request_of
from conformance.dumps.manifest import read_manifest
from conformance.dumps.text import read_numbers
from conformance.networks import Network
from conformance.precision import parse_precision
from conformance.quantization.files import read_scales

NODES = "--nodes=out:0,relu_style"
AILING = ("broken_node", "unsupported_node", "restarted")
EMULATOR = ("--device=emulator", "--precision=int8-fp16")


@pytest.fixture
def dump(said, network, tmp_path):
    """Dump the small network to ``tmp_path/dump``; return exit code, output and error."""

    def run(*arguments, to=tmp_path / "dump"):
        return said("dump", *arguments, f"--golden-dir={network.goldens}", "-o", to, network.directory)

    return run


def on_the_cpu(network, sample, *nodes):
    """Return what stock TensorFlow computes."""
    opened = Network(network.directory)
    graph = opened.graph.prune(nodes)
    scales = read_scales(network.directory, 8, opened.graph)
    with CpuDevice().open(graph, nodes, precision=parse_precision("int8-fp16"), scales=scales) as session:
        feeds = opened.feeds(sample)
        return session.run({name: feeds[name] for name in graph.inputs})


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_one_file_per_node_and_a_manifest(dump, network, tmp_path):
    code, text, note = dump(NODES, "--device=cpu")
    assert (code, text) == (0, f"{tmp_path}/dump: 2 nodes of small, sample 0, from cpu, as npy\n")
    assert "stock TensorFlow float32: the precision is ignored\n" in note
    assert names(tmp_path / "dump") == ["dump.json", "out0cpu.npy", "relu_style0cpu.npy"]
    manifest, opened = read_manifest(tmp_path / "dump"), Network(network.directory)
    assert (manifest.network, manifest.precision, manifest.fused) == ("small", None, True)
    assert (manifest.graph_sha256, manifest.input_sha256) == (opened.graph.sha256, opened.input_sha256)
    assert manifest.device["kind"] == "cpu"
    assert [file.node for file in manifest.files] == ["relu_style", "out"]
    expected = on_the_cpu(network, 0, "relu_style", "out")
    for file in manifest.files:
        values = np.load(tmp_path / "dump" / file.file, allow_pickle=False)
        assert (values.dtype, list(values.shape)) == (np.float32, file.shape)
        assert np.array_equal(values, expected[file.node])


@pytest.mark.parametrize(("form", "off"), [("text", 0.0005), ("text5", 0.000005)])
def test_text_as_engineers_write_it(dump, network, tmp_path, form, off):
    assert dump("--nodes=relu_style:0", "--device=cpu", f"--format={form}")[0] == 0
    assert names(tmp_path / "dump") == ["dump.json", "relu_style0cpu.txt"]
    expected = on_the_cpu(network, 0, "relu_style")["relu_style"].reshape(-1)
    found = read_numbers(tmp_path / "dump/relu_style0cpu.txt").values
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= off * (1 + 1e-6)


def test_the_emulator_at_a_precision(dump, tmp_path):
    code, text, _ = dump(NODES, *EMULATOR, "--profile=mlu270,reduction_sum=fp32")
    assert (code, text.split(", ", 2)[2]) == (0, "from emulator at int8-fp16, as npy\n")
    manifest = read_manifest(tmp_path / "dump")
    assert manifest.precision == "int8-fp16"
    assert manifest.device["profile"] == "mlu270,reduction_sum=fp32"
    assert names(tmp_path / "dump") == ["dump.json", "out0emulator.npy", "relu_style0emulator.npy"]


def test_a_card_is_called_mlu(dump, tmp_path):
    assert dump("--nodes=out", "--device=dumps.ailing_devices:card", "--precision=int8-fp16")[0] == 0
    assert names(tmp_path / "dump") == ["dump.json", "out0mlu.npy"]


def test_layer_by_layer_is_recorded(dump, tmp_path):
    assert dump(NODES, *EMULATOR, "--layer-by-layer")[0] == 0
    assert read_manifest(tmp_path / "dump").fused is False


def test_samples_have_numbers_where_there_are_several(dump, network, tmp_path):
    _, text, _ = dump("--nodes=out", "--device=cpu", "--sample=all")
    assert "dump: 1 node of small, samples 0, 1, from cpu" in text
    assert names(tmp_path / "dump") == ["dump.json", "out0cpu-0.npy", "out0cpu-1.npy"]
    assert dump("--nodes=out", "--device=cpu", "--sample=1", to=tmp_path / "one")[0] == 0
    assert names(tmp_path / "one") == ["dump.json", "out0cpu.npy"]
    (file,) = read_manifest(tmp_path / "one").files
    assert file.sample == 1
    one = np.load(tmp_path / "one/out0cpu.npy")
    assert np.array_equal(one, np.load(tmp_path / "dump/out0cpu-1.npy"))
    assert np.array_equal(one, on_the_cpu(network, 1, "out")["out"])


@pytest.mark.parametrize(
    ("nodes", "count"),
    [
        ("key", KEY_NODES),
        ("norm/*,out", 6),
        ("norm/mean:0, norm/*", 5),
        ("relu*,relu", 3),
        ("reductions", 2),
        ("op:Tanh,joins", 2),
    ],
)
def test_nodes_are_names_and_globs_and_stand_once(dump, tmp_path, nodes, count):
    assert dump(f"--nodes={nodes}", "--device=cpu")[0] == 0
    chosen = [file.node for file in read_manifest(tmp_path / "dump").files]
    assert len(set(chosen)) == len(chosen) == count


def test_goldens_themselves(dump, network, tmp_path):
    code, text, _ = dump("--nodes=out,norm/squared", "--device=golden", "--sample=1")
    assert (code, text) == (0, f"{tmp_path}/dump: 2 nodes of small, sample 1, from golden, as npy\n")
    store = network.store
    for file in read_manifest(tmp_path / "dump").files:
        store.ensure([file.node])
        values = np.load(tmp_path / "dump" / file.file)
        assert np.array_equal(values, store.get(file.node, 1))
    assert "out0golden.npy" in names(tmp_path / "dump")


def test_a_device_in_a_process_of_its_own_gives_the_same(dump, tmp_path):
    assert dump("--nodes=out", *EMULATOR)[0] == 0
    assert dump("--nodes=out", *EMULATOR, "--isolate", to=tmp_path / "apart")[0] == 0
    assert (tmp_path / "apart/out0emulator.npy").read_bytes() == (
        tmp_path / "dump/out0emulator.npy"
    ).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--nodes=norm/meen", "--device=cpu"], "--nodes 'norm/meen' matches no node of small"),
        (["--nodes=out,", "--device=cpu"], "--nodes 'out,' has nothing between two commas, or at an end"),
        (["--nodes=out:1", "--device=cpu"], "'out:1' matches no node of small: only the first output"),
        (["--sample=2", "--device=cpu"], "--sample '2' is no sample of small; give 0 to 1, or all"),
        (["--sample=-1", "--device=cpu"], "--sample '-1' is no sample of small"),
        (["--format=png", "--device=cpu"], "argument --format: invalid choice: 'png'"),
        (["--device=emulator"], "--precision is missing; give one of int8-fp16, int8-fp32, int16-fp16"),
        (["--device=emulator", "--precision=int4"], "precision 'int4' does not exist"),
        (["--device=emulater", "--precision=int8-fp16"], "'emulater' is unknown (near names: emulator"),
        ([*EMULATOR, "--profile=mlu271"], "mlu271"),
        (["--device=cpu", "--device-option=a=1"], "device 'cpu' takes no --device-option, but got a"),
        (["--device=cpu", "--device-option=a"], "--device-option 'a' is not KEY=VALUE"),
        (["--device=cpu", "--device-timeout=0"], "--device-timeout '0' is no number of seconds"),
        (["--device=golden", "--precision=int8-fp16"], "--precision means nothing to goldens; drop it"),
        (["--device=golden", "--layer-by-layer"], "--layer-by-layer means nothing to goldens; drop it"),
    ],
)
def test_bad_arguments_are_one_sentence_and_leave_nothing(dump, tmp_path, arguments, sentence):
    found, text, error = dump(*arguments)
    assert (found, text, error.count("\n")) == (4, "", 1)
    assert error.startswith("mlu-conformance")
    assert sentence in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("dropped", "node 'wide/Conv2D' has no result: the device returned none"),
        ("nothing", "node 'wide/Conv2D' has no result: the device returned none"),
        ("integers", "node 'wide/Conv2D' has a result of dtype int32 and shape (1, 16, 16"),
        ("objects", "node 'wide/Conv2D' has a result of dtype object"),
        ("empty", "node 'wide/Conv2D' has a result of dtype float32 and shape (0, 16, 16"),
        ("a_list", "node 'wide/Conv2D' has a list as its result instead of an array"),
        ("no_mapping", "the device returned a list, but should return a mapping"),
        ("crash_in_open", "the device raised RuntimeError: no such firmware"),
        ("crash_in_run", "the card fell off the bus"),
        ("exit_in_run", "the device raised SystemExit: 0"),
        ("broken_factory", "no driver"),
        ("UnclosableDevice", "the device could not be closed: RuntimeError: stuck"),
        ("unsupported", "device 'faulty' does not offer this at int8-fp16: no such precision"),
        ("broken_node", "node 'wide/Conv2D' has no result: the kernel hung"),
        ("unsupported_node", "at int8-fp16: node 'wide/Conv2D' has no result: Conv2D of 256 channels"),
        ("restarted", "nothing was dumped: the worker was started again"),
    ],
)
def test_a_device_that_fails_is_one_sentence_and_leaves_nothing(dump, tmp_path, device, sentence):
    where = "dumps.ailing_devices" if device in AILING else "suite.faulty_devices"
    code, text, error = dump("--nodes=wide/*", f"--device={where}:{device}", "--precision=int8-fp16")
    last = error.splitlines()[-1]
    assert (code, text) == (3, "")
    assert last.startswith("mlu-conformance: ")
    assert sentence in last
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_device_that_returns_nan_is_dumped_as_it_is(dump, tmp_path):
    arguments = ("--nodes=wide/Conv2D", "--device=suite.faulty_devices:one_nan", "--precision=int8-fp16")
    assert dump(*arguments, "--format=text")[0] == 0
    values = read_numbers(tmp_path / "dump/wideConv2D0faulty.txt").values
    assert np.isnan(values).sum() == 1


def test_an_occupied_directory_is_left_alone(dump, tmp_path):
    assert dump(NODES, "--device=cpu")[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "dump").iterdir()}
    code, text, error = dump(NODES, *EMULATOR)
    assert (code, text) == (4, "")
    assert "dump already holds a dump; name a new or empty one, nothing was overwritten" in error
    assert {path: path.read_bytes() for path in (tmp_path / "dump").iterdir()} == before


def test_scales_are_needed_by_what_quantises_only(said, refusal, network, tmp_path):
    copy = network.copied(tmp_path / "copy")
    (copy.directory / "int8.quant.txt").unlink()
    to = str(tmp_path / "dump")
    assert said("dump", "--nodes=out", "--device=cpu", "-o", to, copy.directory)[0] == 0
    error = refusal("dump", "--nodes=out", *EMULATOR, "-o", f"{to}-2", copy.directory)
    assert "int8.quant.txt is missing; make them with" in error


def test_a_network_without_goldens(refusal, network, tmp_path):
    arguments = ["--nodes=out", "--device=golden", f"--golden-dir={tmp_path / 'none'}"]
    error = refusal("dump", *arguments, "-o", tmp_path / "dump", network.directory, code=3)
    assert "network 'small' has no goldens in" in error
    assert list(tmp_path.iterdir()) == []


def test_everything_that_is_said_of_a_device_reaches_it():
    command = argparse.ArgumentParser()
    add_device(command)
    given = ["--device=a.b:c", "--profile=ideal", "--isolate", "--device-option=k=v", "--device-timeout=7"]
    asked = DeviceRequest("a.b:c", profile="ideal", options={"k": "v"}, timeout=7.0, isolate=True)
    assert request_of(with_environment(command.parse_args(given), {})) == asked
    assert request_of(with_environment(command.parse_args([]), {})) == DeviceRequest()
    twins = {
        "DEVICE": "a.b:c",
        "PROFILE": "ideal",
        "ISOLATE": "1",
        "DEVICE_OPTION": "k=v",
        "DEVICE_TIMEOUT": "7",
    }
    environment = {f"MLU_CONFORMANCE_{name}": text for name, text in twins.items()}
    assert request_of(with_environment(command.parse_args([]), environment)) == asked


def test_help(said):
    for command in ("dump", "compare"):
        code, text, _ = said(command, "--help")
        assert code == 0
        assert f"usage: mlu-conformance {command}" in text
