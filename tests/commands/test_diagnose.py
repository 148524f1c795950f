"""``mlu-conformance diagnose``: what it writes, on a device and from a run, and what it refuses."""

import json
import re
import shutil

import pytest
from PIL import Image
from support.suite_run import run_suite

from conformance.errors import EXIT_INFRASTRUCTURE, EXIT_USAGE, DeviceError

PRECISION = "--precision=int16-fp32"


@pytest.fixture
def said(said, network):
    """Run the command, by default with the small network's goldens."""

    def run(*arguments, golden_dir=network.goldens):
        goldens = [f"--golden-dir={golden_dir}"] if golden_dir else []
        return said("diagnose", *goldens, *arguments)

    return run


@pytest.fixture
def diagnosed(said, network, tmp_path):
    """Diagnose a device of ``suite.faulty_devices``; return what was said and what was written."""

    def run(device):
        directory = tmp_path / "diagnosis"
        arguments = [f"--device=suite.faulty_devices:{device}", PRECISION, "-o", directory, network.directory]
        code, text, _ = said(*arguments)
        assert code == 0
        return text, json.loads((directory / "diagnosis.json").read_text()), directory

    return run


def test_a_faulty_node_is_named_in_words_and_in_json(diagnosed):
    text, found, directory = diagnosed("doubled")
    assert "Culprit 1: wide/Conv2D. It fails by itself" in text
    assert found["culprits"][0]["what"] == "wide/Conv2D"
    assert (directory / "report.txt").read_text() == text
    assert json.loads((directory / "environment.json").read_text())["device"]["kind"] == "faulty"


def test_a_device_without_fault_has_no_culprit_and_a_picture(diagnosed):
    text, found, directory = diagnosed("FaultyDevice")
    assert "No culprit" in text
    assert found["culprits"] == []
    with Image.open(directory / "picture.png") as picture:
        assert picture.width > picture.height > 16


@pytest.mark.parametrize("error", [KeyboardInterrupt, DeviceError("it burnt down")])
@pytest.mark.parametrize("where", ["Diagnosing.result", "report.lines"])
def test_one_that_is_interrupted_leaves_no_empty_directory(
    said, network, tmp_path, monkeypatch, where, error
):
    def interrupted(*_):
        (directory,) = (tmp_path / "runs").iterdir()
        assert "-diagnosis-small-" in directory.name
        raise error

    module = "conformance.diagnosis.engine." if where.startswith("D") else "conformance.diagnosis."
    monkeypatch.setattr(f"{module}{where}", interrupted)
    monkeypatch.chdir(tmp_path)
    said("--device=cpu", PRECISION, network.directory)
    assert list((tmp_path / "runs").iterdir()) == []


def test_what_was_written_before_an_interrupt_is_kept(said, network, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("conformance.commands.diagnose._write_environment", interrupted)
    said("--device=cpu", PRECISION, "-o", tmp_path / "kept", network.directory)
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {"diagnosis.json", "report.txt"}


@pytest.fixture(scope="module")
def faulty_run(network, tmp_path_factory):
    """A run of a network kept elsewhere, at one precision, on a device that doubles a node."""
    device = "--device=suite.faulty_devices:doubled"
    directory = tmp_path_factory.mktemp("runs") / "run"
    run = run_suite(directory, device, network=network, markers="mlu and int16 and fp32")
    assert run.code == 1
    return directory


def test_a_finished_run_of_a_network_kept_elsewhere_is_diagnosed_without_more_options(said, faulty_run):
    code, text, _ = said("--from-run", faulty_run, golden_dir=None)
    assert code == 0
    assert "Culprit 1: wide/Conv2D" in text


def test_what_is_found_in_a_run_is_written_where_the_user_says(said, faulty_run, tmp_path):
    given = ("--from-run", faulty_run, PRECISION, "small", "-o", tmp_path / "found")
    code, text, _ = said(*given)
    assert code == 0
    assert (tmp_path / "found/report.txt").read_text() == text
    code, text, error = said(*given)
    assert (code, text) == (EXIT_USAGE, "")
    assert f"diagnosis directory {tmp_path / 'found'} already holds a diagnosis; name a new or empty" in error


@pytest.mark.parametrize("by", ["option", "environment"])
def test_goldens_of_a_run_that_the_user_names_are_those(said, faulty_run, tmp_path, monkeypatch, by):
    if by == "environment":
        monkeypatch.setenv("MLU_CONFORMANCE_GOLDEN_DIR", str(tmp_path))
    code, _, error = said("--from-run", faulty_run, golden_dir=tmp_path if by == "option" else None)
    assert code == EXIT_INFRASTRUCTURE
    assert f"has no goldens in {tmp_path / 'small'}" in error


def test_a_run_knows_its_network_and_weights_whatever_the_environment_says(said, faulty_run, monkeypatch):
    monkeypatch.setenv("MLU_CONFORMANCE_NETWORK", "beautygan")
    monkeypatch.setenv("MLU_CONFORMANCE_WEIGHTS", "nowhere")
    assert said("--from-run", faulty_run, golden_dir=None)[0] == 0


def test_a_run_of_several_precisions_asks_for_one(said, faulty_run, tmp_path):
    run = shutil.copytree(faulty_run, tmp_path / "run")
    text = (run / "records.jsonl").read_text()
    other = text.splitlines()[0].replace("int16-fp32", "int8-fp32")
    (run / "records.jsonl").write_text(f"{text}{other}\n")
    code, _, error = said("--from-run", run)
    assert code == EXIT_USAGE
    assert f"--precision is missing, and run {run} judged int16-fp32, int8-fp32; give one" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([PRECISION], "the network is missing; name one, give --from-run RUN, or set MLU_"),
        (["{network}"], "--precision is missing; give one of int8-fp16"),
        (["--precision=int4-fp16", "{network}"], "precision 'int4-fp16' does not exist"),
        ([PRECISION, "--sample=7", "{network}"], "--sample 7 does not exist: small has samples 0 to 1"),
        ([PRECISION, "no_such_network"], "network 'no_such_network' "),
        ([PRECISION, "--from-run={tmp}"], "holds no run"),
        (["--from-run={tmp}", "--weights={tmp}"], "--weights and --from-run contradict each other"),
        ([PRECISION, "--sample=one", "{network}"], "'one' is no number of a sample; give one like 0"),
        ([PRECISION, "--device=emulatr", "{network}"], r"device 'emulatr' is unknown \(near names: emulator"),
        ([PRECISION, "--device=cpu", "-o", "{network}", "{network}"], "is not empty .*; name a new or empty"),
        ([PRECISION, "--weights={tmp}", "{network}"], "is empty; give a directory with"),
    ],
)
def test_wrong_arguments_are_one_sentence(refusal, network, tmp_path, arguments, sentence):
    filled = [text.format(network=network.directory, tmp=tmp_path) for text in arguments]
    assert re.search(sentence, refusal(*filled))
