"""``mlu-conformance diagnose``: what it writes, on a device and from a run, and what it refuses."""

from __future__ import annotations

import functools
import json
import re

import pytest
from PIL import Image
from support.suite_run import run_suite

PRECISION = "--precision=int16-fp32"


@pytest.fixture
def said(said, network):
    return functools.partial(said, "diagnose", f"--golden-dir={network.goldens}")


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
    assert "Culprit 1: wide/Conv2D" in text
    assert found["culprits"][0]["what"] == "wide/Conv2D"
    assert (directory / "report.txt").read_text() == text
    assert json.loads((directory / "environment.json").read_text())["device"]["kind"] == "faulty"


def test_a_device_without_fault_has_no_culprit_and_a_picture(diagnosed):
    text, found, directory = diagnosed("FaultyDevice")
    assert "No culprit" in text
    assert found["culprits"] == []
    with Image.open(directory / "picture.png") as picture:
        assert picture.width > picture.height > 16


def test_a_finished_run_is_diagnosed_without_a_device(said, network, tmp_path):
    device = "--device=suite.faulty_devices:doubled"
    run = run_suite(tmp_path / "run", device, network=network, markers="mlu and int16 and fp32")
    assert run.code == 1
    code, text, _ = said("--from-run", run.directory, PRECISION)
    assert code == 0
    assert "Culprit 1: wide/Conv2D" in text


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([PRECISION], "the network is missing; name one, or give --from-run RUN"),
        (["{network}"], "--precision is missing; give one of int8-fp16"),
        (["--precision=int4-fp16", "{network}"], "precision 'int4-fp16' does not exist"),
        ([PRECISION, "--sample=7", "{network}"], "--sample 7 does not exist: small has samples 0 to 1"),
        ([PRECISION, "no_such_network"], "network 'no_such_network' "),
        ([PRECISION, "--from-run={tmp}"], "holds no run"),
        ([PRECISION, "--device=emulatr", "{network}"], r"device 'emulatr' is unknown \(near names: emulator"),
        ([PRECISION, "--device=cpu", "-o", "{network}", "{network}"], "is not empty .*; name a new or empty"),
        ([PRECISION, "--weights={tmp}", "{network}"], "is empty; give a directory with"),
    ],
)
def test_wrong_arguments_are_one_sentence(refusal, network, tmp_path, arguments, sentence):
    filled = [text.format(network=network.directory, tmp=tmp_path) for text in arguments]
    assert re.search(sentence, refusal(*filled))
