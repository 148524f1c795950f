"""Calibration by a framework that does what the vendor's is known to do, and by those that do not."""

import re
import sys
from pathlib import Path

import pytest
from support import small_network
from support.kept_network import kept_network
from support.refusals import refused

import conformance.devices.cambricon
from conformance import cli
from conformance.devices.cambricon.calibration import vendor_scales
from conformance.devices.cambricon.options import parse_options
from conformance.errors import InfrastructureError, UsageError
from conformance.graph import frozen
from conformance.quantization.calibration import calibrate, largest_magnitudes
from conformance.quantization.parameter_file import format_scales, read

WORKER = Path(conformance.devices.cambricon.__file__).parent
FRAMEWORK = """
import os, sys
sys.path.insert(0, {worker!r})
import numpy
import worker

PATH, TEXT = os.environ["MLU_QUANT_PARAM"], {text!r}


class Session:
    def __init__(self, request):
        self._fetches = request["fetches"]

    def run(self, feeds):
        assert os.environ["MLU_RUNNING_MODE"] == "0" and os.environ["MLU_VISIBLE_DEVICES"] == ""
        return {{name: numpy.zeros(1, numpy.float32) for name in self._fetches}}, 0.001

    def facts(self):
        return {{}}

    def close(self):
        {closing}


class Worker(worker.Worker):
    def hello(self, request):
        return {{"protocol": worker.PROTOCOL, "python": "3.6.9", "tensorflow": "1.15.0", "stock": False}}

    def opened(self, request):
        with open(PATH) as template:
            assert template.read() == "bit_width:{bits}\\nquant_mode:naive\\n"
        return Session(request)


sys.exit(worker.main(["worker", sys.argv[2]], Worker))
"""
WRITES = "open(PATH, 'w').write(TEXT)"


@pytest.fixture
def framework(tmp_path):
    """Return an interpreter whose framework does ``closing`` when a session closes."""

    def make(text, closing=WRITES, bits=8):
        fake = tmp_path / "framework.py"
        fake.write_text(FRAMEWORK.format(worker=str(WORKER), text=text, closing=closing, bits=bits))
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} {fake} "$@"\n')
        python.chmod(0o755)
        return python

    return make


def ours(bits=8):
    graph = small_network.graph()
    return calibrate(largest_magnitudes(graph, [small_network.feeds()]), bits)


def theirs(python, bits=8):
    graph, options = small_network.graph(), parse_options({"python": str(python)})
    return vendor_scales(options, graph, graph.outputs, [small_network.feeds()], bits, timeout=20)


@pytest.mark.parametrize("bits", [8, 16])
def test_scales_are_read_from_the_file_that_the_framework_changed(framework, bits):
    scales = ours(bits)
    assert theirs(framework(format_scales(scales), bits=bits), bits) == scales


def test_a_framework_that_writes_nothing_is_explained(framework):
    with refused(r"left no scale_map: the framework writes scales when its sess", InfrastructureError):
        theirs(framework("", closing="pass"))


def _edited(change):
    scales = ours()
    lines = format_scales(scales).splitlines()
    return "\n".join(change(lines, next(i for i, line in enumerate(lines) if "/input:" in line))) + "\n"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lines, i: lines[:i] + lines[i + 1 :], "there is no scale of"),
        (lambda lines, i: [*lines[:i], "gone/Conv2D/input:1.5", *lines[i:]], "no fixed-point tensor"),
        (lambda lines, i: [*lines[:i], lines[i].partition(":")[0] + ":nan", *lines[i + 1 :]], "nan"),
        (lambda lines, _: ["bit_width:16", *lines[1:]], "wrote a file of bit_width 16"),
        (lambda lines, _: lines[:-1], "does not fit the graph"),
    ],
)
def test_a_file_that_does_not_fit_the_graph_is_refused(framework, change, sentence):
    with refused(sentence, InfrastructureError):
        theirs(framework(_edited(change)))


def test_a_framework_that_crashes_over_closing_is_a_failure(framework):
    with refused("ended with exit code 9", InfrastructureError):
        theirs(framework(format_scales(ours()), closing="os._exit(9)"))


def test_the_command_writes_what_the_framework_found(framework, tmp_path, capsys):
    network = kept_network().copied(tmp_path / "copy")
    graph = network.directory / "int8.quant.txt"
    scales = read(graph)
    graph.unlink()
    python = framework(format_scales(scales))
    arguments = ["--device=cambricon", f"--device-option=python={python}", "--bits=8"]
    assert cli.main(["quantize", *arguments, str(network.directory)]) == 0
    assert "scales, written" in capsys.readouterr().out
    assert read(graph) == scales


def test_constants_that_the_framework_cannot_hold(monkeypatch, refusal):
    monkeypatch.setattr(frozen, "LARGEST_MESSAGE", 1000)
    error = refusal("quantize", "--device=cambricon", kept_network().directory, code=3)
    assert "the graph has constants of 19,456 bytes, but TensorFlow 1 takes 1,000 at most" in error


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--device-option=python=x"], "means nothing without --device=cambricon"),
        (["--device=cambricon", "--device-option=pithon=x"], r"'pithon' is unknown .*near names: python"),
        (["--device=cambricon", "--device-option=python"], "is not KEY=VALUE"),
        (["--device=cambricon", "--device-timeout=soon"], "no number of seconds"),
    ],
)
def test_wrong_arguments_are_one_sentence(arguments, sentence, capsys):
    assert cli.main(["quantize", *arguments, str(kept_network().directory)]) == UsageError.exit_code
    said = capsys.readouterr().err
    assert re.search(sentence, said)
    assert said.count("\n") == 1
