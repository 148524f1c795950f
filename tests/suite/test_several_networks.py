"""One run over several networks: one directory, cases that name their network, each judged as if alone."""

import shutil

import numpy as np
import pytest
from support.kept_network import KEY_NODES, kept_network
from support.suite_run import run_suite

from conformance import cli, locations
from conformance.runs.directory import read_environment

NAMES = ("first", "second")
DEVICE = "--device=suite.faulty_devices:output_too_large"
ANSWERS = """range = [-1.0, 1.0]
[output.answers]
measure = "within"
tolerance = 0.001
truth = ["truth-0.npy", "truth-1.npy"]

[acceptance]
answers = 0.5
"""


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Two networks below one directory; the second one's answers are right where they hardly differ."""
    root = tmp_path_factory.mktemp("networks")
    for name in NAMES:
        shutil.copytree(kept_network().directory, root / name)
        description = root / name / "network.toml"
        description.write_text(description.read_text().replace('name = "small"', f'name = "{name}"'))
    for name in NAMES:
        assert cli.main(["golden", "--golden-dir", str(root / "goldens"), str(root / name)]) == 0
    text = description.read_text()
    description.write_text(text.replace("range = [-1.0, 1.0]\n\n[acceptance]\n", ANSWERS))
    assert description.read_text() != text
    for sample in range(2):
        golden = np.load(root / f"goldens/second/tensors/out.{sample}.npy")
        np.save(root / f"second/truth-{sample}.npy", golden)
    return root


@pytest.fixture
def run(networks, tmp_path, monkeypatch):
    monkeypatch.setattr(locations, "NETWORKS", networks)

    def run_with(*arguments, markers="mlu", names="all"):
        given = (f"--network={names}", f"--golden-dir={networks / 'goldens'}", DEVICE)
        return run_suite(tmp_path / "run", *given, *arguments, markers=markers)

    return run_with


def test_every_network_is_judged_one_after_the_other_and_cases_say_which(run):
    result = run(markers="mlu and fp32 and not benchmark")
    records = result.records
    assert [record.network for record in records] == sorted(record.network for record in records)
    for name in NAMES:
        modes = [record.mode for record in records if record.network == name]
        assert (modes.count("own"), modes.count("chained"), modes.count("fused")) == (
            *(2 * KEY_NODES,) * 2,
            2,
        )
        assert f"{name}/out-int8-fp32" in result.outcomes
        assert f"test_fused_outputs[{name}-int16-fp32]" in result.outcomes
    assert [network.name for network in read_environment(result.directory).networks] == [*NAMES]


def test_what_one_network_demands_is_not_asked_of_the_other(run):
    result = run(markers="mlu and fused and int16 and fp32")
    assert result.code == 1
    reasons = {record.network: " ".join(record.reasons) for record in result.records}
    assert all("an ideal int16-fp32 device" in said for said in reasons.values()), "both are held to that"
    assert "answers right" in reasons["second"]
    assert "accepted" not in reasons["first"]
    assert "0 of 768 answers right (0.0%), but at least 50 % are accepted" in result.text
    rows = [line.split() for line in result.text.splitlines() if line.startswith(NAMES)]
    rows = [row for row in rows if row[1] == "int16-fp32"]
    assert [(row[0], row[1], *row[-2:]) for row in rows] == [
        ("first", "int16-fp32", "-", "deviates"),
        ("second", "int16-fp32", "0.0%", "deviates"),
    ]


def test_one_of_them_alone_has_cases_of_the_same_names(run):
    result = run(names="first", markers="mlu and own and int8 and fp16")
    assert "first/out-int8-fp16" in result.outcomes
    assert {record.network for record in result.records} == {"first"}


def test_commands_that_read_a_run_ask_which_network_is_meant(run, networks, tmp_path, capsys):
    result = run(markers="mlu and fp32 and not benchmark")
    assert result.code == 1
    output = ["-o", str(tmp_path / "a.pb")]
    capsys.readouterr()
    assert cli.main(["annotate", str(result.directory), *output]) == 4
    assert "judged first, second; name one of them, or give --network" in capsys.readouterr().err
    assert cli.main(["annotate", str(result.directory), *output, "--network", "second"]) == 0
    assert "nodes of second carry" in capsys.readouterr().out
    read = ["diagnose", "--from-run", str(result.directory), "--precision=int16-fp32"]
    goldens = ["--golden-dir", str(networks / "goldens")]
    assert cli.main([*read, *goldens]) == 4
    assert "judged first, second; name one of them" in capsys.readouterr().err
    assert cli.main([*read, *goldens, "second"]) == 0
    assert "0.0% right answers" in capsys.readouterr().out
    assert cli.main([*read, *goldens, "thrid"]) == 4
    assert "did not judge network 'thrid'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "arguments", "said"),
    [
        ("first,frist", (), "network 'frist' is not in"),
        ("first,first", (), "names 'first' twice; name each network once"),
        ("first,", (), "network '' is not in"),
        ("all", ("--weights=nowhere",), "are those of one network, but --network all names 2; name one"),
        ("all", ("--nodes=no/such",), "no/such"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(run, names, arguments, said):
    result = run(*arguments, names=names)
    assert result.code == 4
    assert said in result.text
    assert "Traceback" not in result.text
    assert not result.directory.exists()


def test_a_truth_that_does_not_fit_stops_the_run_before_it_begins(run, networks):
    truth = networks / "second/truth-1.npy"
    kept = truth.read_bytes()
    try:
        np.save(truth, np.zeros((3, 3)))
        result = run(markers="mlu and fused")
    finally:
        truth.write_bytes(kept)
    assert result.code == 4
    assert "truth-1.npy has shape (3, 3), but should have (1, 16, 16, 3)" in result.text
    assert not result.directory.exists()


@pytest.mark.parametrize("command", ["golden", "prepare", "diagnose", "run"])
def test_where_the_goldens_give_wrong_answers_no_device_is_blamed(networks, said, tmp_path, command):
    shifted = shutil.copytree(networks, tmp_path / "networks")
    truths = [shifted / f"second/truth-{sample}.npy" for sample in range(2)]
    for truth in truths:
        np.save(truth, np.roll(np.load(truth), 1))
    given = (f"--golden-dir={shifted / 'goldens'}", shifted / "second")
    if command == "run":
        arguments = (given[0], f"--network-path={given[1]}")
        result = run_suite(tmp_path / "run", DEVICE, *arguments, markers="mlu and fused")
        code, error = result.code, result.text
        assert not result.directory.exists()
    else:
        more = ("--device=cpu", "--precision=int8-fp16") if command == "diagnose" else ()
        code, _, error = said(command, *given, *more)
    assert code == 3
    assert "network 'second' itself, in float64 and whatever the device, gives" in error
    assert "right answers" in error
    assert "but at least 50 % are accepted; correct truth or acceptance in" in error


def test_networks_are_named_by_their_paths_as_often_as_there_are(networks, tmp_path):
    paths = [f"--network-path={networks / name}" for name in NAMES]
    given = (*paths, f"--golden-dir={networks / 'goldens'}", "--profile=ideal")
    result = run_suite(tmp_path / "run", *given, markers="mlu and own and int8 and fp32")
    assert (result.code, {record.network for record in result.records}) == (0, set(NAMES))
    assert read_environment(result.directory).options["network_path"] == [
        str(networks / name) for name in NAMES
    ]


def test_two_networks_of_one_name_are_one_sentence(networks, tmp_path):
    shutil.copytree(networks / "first", tmp_path / "copy")
    paths = (f"--network-path={networks / 'first'}", f"--network-path={tmp_path / 'copy'}")
    result = run_suite(tmp_path / "run", *paths, DEVICE)
    assert result.code == 4
    assert "are both called 'first'; give each a name of its own" in result.text
