"""mlu-conformance probe, as a user calls it."""

import json

import pytest
from support.kept_network import kept_network

from conformance import cli, locations
from conformance.devices.emulator.profile import ALTERNATIVES, read_profile

BREAKING = "probing.breaking_devices:"


def asked(*arguments):
    return cli.main(["probe", *map(str, arguments)])


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What probes the emulator with one switch turned, and verifies on the small network; the file."""
    kept, file = kept_network(), tmp_path_factory.mktemp("probe") / "found.toml"
    options = ["--device=emulator", "--profile=mlu270,reduction_order=last-axis-first", f"--output={file}"]
    return options, [f"--verify={kept.directory}", f"--golden-dir={kept.goldens}"], file


def test_a_probe_is_printed_written_and_explains_a_network(found, capsys):
    options, verify, file = found
    assert asked(*options, *verify, "--precision=int8-fp16") == 0
    out = capsys.readouterr()
    lines = out.out.splitlines()
    assert len(lines) <= 40
    (order,) = [line for line in lines if line.startswith("reduction_order")]
    assert order.split()[1] == "last-axis-first"
    assert "compilations: 1 at int8-fp16" in lines[-2]
    assert "the profile explains" in lines[-1]
    assert "not explained" not in lines[-1]
    assert "experiments in one graph" in out.err
    profile = read_profile(str(file), locations.DEVICES)
    assert profile.reduction_order == "last-axis-first"
    text = file.read_text()
    assert text.count('evidence = "measured"') >= len(ALTERNATIVES) - 2
    assert "SIMULATED" in text
    content = json.loads(file.with_suffix(".json").read_text())
    assert content["compilations"] == {"int8-fp16": 1}
    assert content["explained"]["explained"] == content["explained"]["nodes"]
    assert asked(*options) == 4
    assert "exists already; name another file" in capsys.readouterr().err


def test_a_device_that_breaks_in_one_experiment_loses_that_answer_only(capsys):
    assert asked(f"--device={BREAKING}NoTanh", "--precision=int16-fp32", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    states = {answer["switch"]: answer["state"] for answer in content["answers"]}
    assert states.pop("tanh") == "lost"
    assert {"tanh", "function-tanh"} <= {key.split()[1] for key in content["lost"]}
    assert states["real_div"] == states["top_k_unsorted"] == "told"
    assert content["compilations"]["int16-fp32"] <= 40


def test_a_precision_that_a_device_does_not_offer_is_told(capsys):
    assert asked(f"--device={BREAKING}OnlyFp32", "--json") == 0
    content = json.loads(capsys.readouterr().out)
    assert sorted(content["declined"]) == ["int16-fp16", "int8-fp16"]
    states = {answer["switch"]: answer["state"] for answer in content["answers"]}
    assert states["half_rounding"] == "lost"
    assert states["real_div"] == "told"


def test_a_device_that_gives_nothing_is_no_verdict(capsys):
    assert asked(f"--device={BREAKING}Nothing", "--precision=int8-fp16") == 3
    assert "the device gave no result at any precision: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--output=found.json"], "is no .toml file"),
        (["--output=none/found.toml"], "make none first"),
        (["--precision=int4"], "precision 'int4' does not exist"),
        (["--profile=mlu999"], "profile 'mlu999' is not in"),
        (["--verify=nothing", "--precision=int8-fp16"], "nothing"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(arguments, sentence, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert asked("--device=emulator", *arguments) == 4
    err = capsys.readouterr().err
    assert sentence in err
    assert "Traceback" not in err
