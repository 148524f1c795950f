"""Options: the command line, else the environment, else the default; contradictions are said."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.suite_run import run_suite

from conformance import locations
from conformance.errors import UsageError
from conformance.options import OPTIONS, PREFIX, read_settings

NONE = {option.name: None for option in OPTIONS}
HERE = Path("/somewhere")
VALUED = [option for option in OPTIONS if not (option.switch or option.repeated)]
REPEATED = [option for option in OPTIONS if option.repeated]
TEXTS = {"device_timeout": ("7.5", "9")}
"""What an option takes that does not take any word."""
SWITCHES = [option for option in OPTIONS if option.switch]
PATHS = ("network_path", "weights", "waivers", "run_dir", "golden_dir")


def settings(given=(), environment=()):
    return read_settings(NONE | dict(given), dict(environment), HERE)


def test_defaults():
    found = settings()
    assert (found.device, found.network, found.nodes, found.profile) == ("auto", "beautygan", "key", "mlu270")
    assert found.golden_dir == locations.GOLDENS
    assert (found.network_path, found.waivers, found.run_dir) == (None, None, None)
    assert (found.require_hardware, found.no_waivers) == (False, False)
    assert (found.device_option, found.device_timeout) == ({}, 300.0)
    assert (found.isolate, found.layer_by_layer) == (False, False)


@pytest.mark.parametrize("option", VALUED, ids=lambda option: option.name)
def test_every_option_has_a_twin_and_the_command_line_wins(option):
    def shown(value):
        return HERE / value if option.name in PATHS else type(getattr(settings(), option.name) or "")(value)

    first, second = TEXTS.get(option.name, ("from-environment", "given"))
    assert option.variable == "MLU_CONFORMANCE_" + option.flag[2:].replace("-", "_").upper()
    twin = {option.variable: first}
    assert getattr(settings({}, twin), option.name) == shown(first)
    assert getattr(settings({option.name: second}, twin), option.name) == shown(second)
    assert settings({}, {option.variable: ""}) == settings()


@pytest.mark.parametrize("option", REPEATED, ids=lambda option: option.name)
def test_an_option_that_may_be_given_again_has_a_twin_that_holds_several(option):
    twin = {option.variable: "cards=0,1 'python=/a b/python' empty="}
    given = {option.name: ["core-num=4", "python=/c"]}
    assert getattr(settings({}, twin), option.name) == {"cards": "0,1", "python": "/a b/python", "empty": ""}
    assert getattr(settings(given, twin), option.name) == {"core-num": "4", "python": "/c"}
    assert settings({}, {option.variable: ""}) == settings()


@pytest.mark.parametrize(
    ("given", "environment", "sentence"),
    [
        ({"device_option": ["stock"]}, {}, "--device-option 'stock' is not KEY=VALUE; write it like"),
        ({"device_option": ["=1"]}, {}, "--device-option '=1' is not KEY=VALUE"),
        ({"device_option": ["a=1", "a=2"]}, {}, "--device-option a is given as '1' and '2'; drop one"),
        ({"device_option": [""]}, {}, "--device-option is empty; give a KEY=VALUE or drop it"),
        ({}, {"DEVICE_OPTION": "a"}, "--device-option 'a' is not KEY=VALUE"),
        ({}, {"DEVICE_OPTION": "a='1"}, "has an open quote; close it"),
        ({"device_timeout": "soon"}, {}, "--device-timeout 'soon' is no number of seconds above 0"),
        ({"device_timeout": "0"}, {}, "--device-timeout '0' is no number of seconds above 0"),
        ({"device_timeout": "-1"}, {}, "--device-timeout '-1' is no number of seconds above 0"),
        ({"device_timeout": "nan"}, {}, "--device-timeout 'nan' is no number of seconds above 0"),
        ({"device_timeout": "inf"}, {}, "--device-timeout 'inf' is no number of seconds above 0"),
        ({}, {"DEVICE_TIMEOUT": "1m"}, "--device-timeout '1m' is no number of seconds above 0"),
    ],
)
def test_values_that_are_none(given, environment, sentence):
    with pytest.raises(UsageError, match=re.escape(sentence)):
        settings(given, {PREFIX + name: text for name, text in environment.items()})


@pytest.mark.parametrize("option", SWITCHES, ids=lambda option: option.name)
@pytest.mark.parametrize(
    ("text", "meaning"),
    [("1", True), ("true", True), ("YES", True), ("0", False), ("off", False), ("", False)],
)
def test_every_switch_has_a_twin(option, text, meaning):
    assert getattr(settings({}, {option.variable: text}), option.name) is meaning
    assert getattr(settings({option.name: True}, {option.variable: text}), option.name) is True


def test_a_switch_that_is_neither_true_nor_false():
    with pytest.raises(UsageError, match="MLU_CONFORMANCE_NO_WAIVERS='maybe' is neither true nor false"):
        settings({}, {"MLU_CONFORMANCE_NO_WAIVERS": "maybe"})


@pytest.mark.parametrize(
    ("given", "environment", "flags"),
    [
        ({"waivers": "a", "no_waivers": True}, {}, "--waivers and --no-waivers"),
        (
            {},
            {"MLU_CONFORMANCE_WAIVERS": "a", "MLU_CONFORMANCE_NO_WAIVERS": "1"},
            "--waivers and --no-waivers",
        ),
        ({"network": "a", "network_path": "b"}, {}, "--network and --network-path"),
    ],
)
def test_contradictions(given, environment, flags):
    with pytest.raises(UsageError, match=f"{flags} contradict each other; drop one"):
        settings(given, environment)


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({"no_waivers": True}, {"MLU_CONFORMANCE_WAIVERS": "a"}, {"no_waivers": True, "waivers": None}),
        ({"waivers": "a"}, {"MLU_CONFORMANCE_NO_WAIVERS": "1"}, {"no_waivers": False, "waivers": HERE / "a"}),
        ({"network": "a"}, {"MLU_CONFORMANCE_NETWORK_PATH": "b"}, {"network": "a", "network_path": None}),
        ({"network_path": "b"}, {"MLU_CONFORMANCE_NETWORK": "a"}, {"network_path": HERE / "b"}),
    ],
)
def test_the_command_line_wins_over_the_opposite_in_the_environment(given, environment, expected):
    found = settings(given, environment)
    assert {name: getattr(found, name) for name in expected} == expected


def test_relative_paths_are_relative_to_where_pytest_was_called_and_absolute_ones_stay():
    assert settings({"run_dir": "runs/a"}).run_dir == HERE / "runs/a"
    assert settings({"run_dir": "/else/a"}).run_dir == Path("/else/a")


def test_an_empty_option_is_no_default():
    with pytest.raises(UsageError, match="--run-dir is empty; give a DIR or drop it"):
        settings({"run_dir": ""})


def test_help_names_every_option_with_its_twin(capsys):
    pytest.main([f"--rootdir={locations.PROJECT}", f"-c{locations.PROJECT / 'pytest.ini'}", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option in OPTIONS:
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
        (
            "--device=no_such_module:factory",
            "No module named 'no_such_module'; put its directory on PYTHONPATH",
        ),
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
    monkeypatch.setenv("MLU_CONFORMANCE_DEVICE", "cpu")
    monkeypatch.setenv("MLU_CONFORMANCE_NETWORK_PATH", str(network.directory))
    monkeypatch.setenv("MLU_CONFORMANCE_GOLDEN_DIR", str(network.goldens))
    monkeypatch.setenv("MLU_CONFORMANCE_NODES", "norm/*")
    result = run_suite(tmp_path / "run")
    assert result.code == 0
    assert "norm/mean" in {record.node for record in result.records}
    assert all(record.node.startswith("norm/") for record in result.records)
    assert "device: cpu" in result.text


def test_nodes_that_are_not_key_nodes_are_judged_when_asked_for(network, tmp_path):
    key = run_suite(tmp_path / "key", "--device=cpu", network=network)
    everything = run_suite(tmp_path / "all", "--device=cpu", "--nodes=all", network=network)
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
    assert "is simulated; no card was used (looked for /dev/cambricon_dev*: " in result.text
    assert not result.directory.exists()


def test_a_misspelt_twin_is_not_ignored():
    with pytest.raises(UsageError, match=r"MLU_CONFORMANCE_REQUIRE_HARDWAR means nothing \(near names"):
        settings(environment={"MLU_CONFORMANCE_REQUIRE_HARDWAR": "1"})


def test_options_reach_the_device_and_the_records(network, tmp_path):
    arguments = ["--device=suite.faulty_devices:doubled_at_int16_fp32", "--layer-by-layer", "--nodes=joined"]
    result = run_suite(tmp_path / "run", *arguments, network=network, markers="mlu and (own or fused)")
    assert {record.fusion for record in result.records} == {"layer by layer"}
    assert {record.device for record in result.records} == {"faulty"}
    refused = run_suite(tmp_path / "again", "--device=cpu", "--device-option=cards=1", network=network)
    assert refused.code == 4
    assert "device 'cpu' takes no --device-option, but got cards; drop it" in refused.text
