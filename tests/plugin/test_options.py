"""The options as pytest takes them: help, what is refused before anything runs, what reaches a run."""

import re
import sys

import pytest
from support.suite_run import run_suite

from conformance import locations
from conformance.options import SUITE


def test_help_names_every_option_with_its_twin(capsys):
    pytest.main([f"--rootdir={locations.PROJECT}", f"-c{locations.PROJECT / 'pytest.ini'}", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in SUITE:
        assert re.search(rf"{option.flag}(={option.value})? ", text), option.flag
        assert f"[environment: {option.variable}]" in text
    for marker in ("mlu", "int8", "int16", "fp16", "fp32", "own", "chained", "fused", "benchmark"):
        assert re.search(rf"{marker}: \w", pytest_markers(capsys)), marker


def pytest_markers(capsys):
    pytest.main([f"--rootdir={locations.PROJECT}", f"-c{locations.PROJECT / 'pytest.ini'}", "--markers"])
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--device=emulater", "device 'emulater' is unknown (near names: emulator)"),
        ("--device=no_such_module:factory", "named 'no_such_module'; put its directory on PYTHONPATH"),
        ("--profile=mlu370", "profile 'mlu370' is not in"),
        ("--profile=mlu270,reduction=fp32", "switch 'reduction'"),
        ("--profile=mlu270,reduction_sum=fp64", "must be one of float-type, fp32, exact"),
        ("--profile=mlu270,reduction_sum", "is not of the form switch=value"),
        ("--nodes=wide/Conv2d", "--nodes 'wide/Conv2d' matches no node of small (near names: wide/Conv2D"),
        ("--nodes=nothing*", "--nodes 'nothing*' matches no node of small"),
    ],
)
def test_unknown_values_are_one_sentence_and_exit_4(network, tmp_path, argument, sentence):
    result = run_suite(tmp_path / "run", argument, network=network)
    assert (result.code, result.outcomes) == (4, {})
    (error,) = [line for line in result.text.splitlines() if line.startswith("ERROR: ")]
    assert sentence in error
    assert not result.directory.exists()


def test_an_unknown_network_is_one_sentence(tmp_path):
    result = run_suite(tmp_path / "run", "--network=beautigan")
    assert result.code == 4
    assert "ERROR: network 'beautigan' is not in" in result.text
    assert "(near names: beautygan)" in result.text


def test_the_environment_alone_runs_the_suite(network, tmp_path, monkeypatch):
    monkeypatch.setenv("MLU_CONFORMANCE_PROFILE", "ideal")
    monkeypatch.setenv("MLU_CONFORMANCE_NETWORK_PATH", str(network.directory))
    monkeypatch.setenv("MLU_CONFORMANCE_GOLDEN_DIR", str(network.goldens))
    monkeypatch.setenv("MLU_CONFORMANCE_NODES", "norm/*")
    result = run_suite(tmp_path / "run")
    assert result.code == 0
    assert "norm/mean" in {record.node for record in result.records}
    assert all(record.node.startswith("norm/") for record in result.records)
    assert "device: emulator" in result.text


def test_nodes_that_are_not_key_nodes_are_judged_when_asked_for(network, tmp_path):
    key = run_suite(tmp_path / "key", "--profile=ideal", network=network)
    everything = run_suite(tmp_path / "all", "--profile=ideal", "--nodes=all", network=network)
    assert (key.code, everything.code) == (0, 0)
    assert set(everything.outcomes) - set(key.outcomes) == {
        f"{node}-{precision}"
        for node in ("relu", "relu_style", "relu_wide")
        for precision in ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
    }


@pytest.mark.parametrize("device", ["auto", "emulator", "cpu"])
def test_hardware_that_is_required_is_not_emulated(network, tmp_path, device):
    result = run_suite(tmp_path / "run", f"--device={device}", "--require-hardware", network=network)
    assert (result.code, result.outcomes) == (3, {})
    assert "--require-hardware is set, but device " in result.text
    assert "is simulated, and no Cambricon card is visible (/dev/cambricon_dev*: " in result.text
    assert not result.directory.exists()


def test_options_reach_the_device_and_the_records(network, tmp_path):
    arguments = ["--device=suite.faulty_devices:doubled_at_int16_fp32", "--layer-by-layer", "--nodes=joined"]
    result = run_suite(tmp_path / "run", *arguments, network=network, markers="mlu and (own or fused)")
    assert {record.fusion for record in result.records} == {"layer by layer"}
    assert {record.device for record in result.records} == {"faulty"}
    refused = run_suite(tmp_path / "again", "--device=cpu", "--device-option=cards=1", network=network)
    assert refused.code == 4
    assert "device 'cpu' takes no --device-option, but got cards; drop it" in refused.text


def plugin_file(directory, *flags):
    """Write a plugin that has options of these names."""
    options = "".join(
        f"    group.addoption({flag!r}, action='store_true', dest='theirs')\n" for flag in flags
    )
    directory.mkdir(exist_ok=True)
    (directory / "their_profiler.py").write_text(
        f"def pytest_addoption(parser):\n    group = parser.getgroup('Profiling')\n{options}"
    )


@pytest.fixture
def their_plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path / "theirs")
    yield lambda *flags: plugin_file(tmp_path / "theirs", *flags)
    sys.modules.pop("their_profiler", None)


def test_an_option_of_another_plugin_is_one_sentence(their_plugin, network, tmp_path):
    their_plugin("--pstats", "--profile")
    result = run_suite(tmp_path / "run", "-p", "their_profiler", network=network)
    assert result.code == 4
    assert "Traceback" not in result.text
    (error,) = [line for line in result.text.splitlines() if line.startswith("ERROR: ")]
    assert error == (
        "ERROR: --profile is an option of plugin 'their_profiler', too; run pytest with -p no:their_profiler"
    )


def test_another_plugin_with_other_options_is_none_of_our_business(their_plugin, network, tmp_path):
    their_plugin("--pstats", "--profile-svg")
    assert run_suite(tmp_path / "run", "-p", "their_profiler", "--profile=ideal", network=network).code == 0


def test_an_installed_plugin_is_named_with_its_package(their_plugin, network, tmp_path):
    their_plugin("--profile")
    package = tmp_path / "theirs/pytest_profiler-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-profiler\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[pytest11]\nprofiler = their_profiler\n")
    result = run_suite(tmp_path / "run", network=network)
    assert result.code == 4
    assert (
        "ERROR: --profile is an option of plugin 'profiler', too; run pytest with -p no:profiler, or "
        "uninstall pytest-profiler\n"
    ) in result.text
    assert run_suite(tmp_path / "run", "-p", "no:profiler", "--profile=ideal", network=network).code == 0


@pytest.mark.parametrize("name", ["network", "device", "profile", "golden-dir", "nodes"])
def test_an_option_that_is_given_twice_is_one_sentence(tmp_path, name):
    result = run_suite(tmp_path / "run", f"--{name}=one", f"--{name}", "two")
    assert result.code == 4
    assert f"ERROR: --{name} is given twice, as 'one' and 'two'; drop one\n" in result.text


def test_two_run_directories_are_one_sentence(network, tmp_path):
    result = run_suite(tmp_path / "run", f"--run-dir={tmp_path / 'other'}", network=network)
    assert result.code == 4
    assert f"--run-dir is given twice, as '{tmp_path / 'run'}' and '{tmp_path / 'other'}'" in result.text


def test_the_command_line_may_say_the_same_again_and_replace_what_addopts_says(
    network, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTEST_ADDOPTS", "--device=emulator --nodes=norm/*")
    result = run_suite(tmp_path / "run", "--device=cpu", "--device=cpu", "--nodes=joined", network=network)
    assert {record.node for record in result.records} == {"joined"}
    assert "device: cpu" in result.text


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        ("frozen.pb", "frozen.pb is a frozen graph, not yet a network; make its network.toml with `mlu-"),
        ("nothing", "nothing does not exist (known: small); give a directory with network.toml"),
        ("small/network.tml", "network.tml does not exist (near names: network.toml); give a directory with"),
    ],
)
def test_a_path_without_a_network(tmp_path, made, sentence):
    (tmp_path / "frozen.pb").write_bytes(b"")
    (tmp_path / "small").mkdir()
    (tmp_path / "small/network.toml").touch()
    result = run_suite(tmp_path / "run", f"--network-path={tmp_path / made}")
    assert result.code == 4
    assert sentence in result.text


def test_the_description_of_a_network_means_its_directory(network, tmp_path):
    given = (f"--network-path={network.directory / 'network.toml'}", f"--golden-dir={network.goldens}")
    assert run_suite(tmp_path / "run", *given, "--profile=ideal", "--nodes=joined").code == 0
