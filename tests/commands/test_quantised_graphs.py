"""A graph that Cambricon's tool quantised, from ``init`` to a judged run, as a user goes."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.suite_run import run_suite
from support.vendor_graphs import OUTPUT, feeds, quantised_file, twin

from conformance.devices.cambricon import calibration
from conformance.quantization.parameter_file import QuantizationScales, as_written, read

FILTERS = tuple(f"{node}/filter" for node in ("first", "biased/Conv2D", "wide", "dense", "layer/MatMul"))
TOML = """\
[network]
name = "quantised"
graph = "quantised.pb"
[[input]]
name = "x"
files = ["x.npy"]
[[output]]
name = "out"
range = [0.0, 1.0]
[acceptance]
cosine = 0.9
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(bits=8):
    """Return the scales of a parameter file of the network ``mine``."""
    return read(Path(f"mine/int{bits}.quant.txt")).scales


def test_init_prepare_nodes_quantize_and_the_suite(here, said):
    _, scales = quantised_file(here / "quantised.pb")
    expected = {key: as_written(scale) for key, scale in scales.items()}
    code, _, note = said("init", "quantised.pb", "--random-inputs", "1", "-o", "mine")
    assert code == 0
    assert (
        "6 nodes were quantised at int8 (Conv2D 2, MatMul 2, Conv2DBackpropInput 1, BatchMatMulV2 1)" in note
    )
    assert said("prepare", "mine", "--golden-dir", "goldens")[0] == 0
    assert written() == expected
    code, text, note = said("nodes", "mine")
    assert (code, "Int8" in text, "their scales come from the graph" in note) == (0, False, True)
    assert len(json.loads(said("nodes", "mine", "--json")[1])["scales"]) == 1
    code, text, _ = said("quantize", "mine")
    assert text.splitlines() == [
        "mine/int8.quant.txt: 12 scales (12 of them the graph's own), unchanged",
        "mine/int16.quant.txt: 12 scales, unchanged",
    ]
    assert written() == expected
    assert written(16).keys() == expected.keys()
    result = run_suite(
        here / "run",
        f"--network-path={here / 'mine'}",
        f"--golden-dir={here / 'goldens'}",
        markers="mlu and int8 and fp32 and own and not benchmark",
    )
    assert result.code == 0, result.text
    assert {record.outcome for record in result.records} == {"conforms"}


def test_a_network_may_name_the_quantised_file_itself(here, said):
    _, scales = quantised_file(here / "quantised.pb", 16)
    (here / "network.toml").write_text(TOML)
    np.save(here / "x.npy", feeds()["x"])
    assert said("quantize", here, "--bits", "16")[0] == 0
    found = read(here / "int16.quant.txt").scales
    assert found == {key: as_written(scale) for key, scale in scales.items()}


def test_a_node_without_a_scale_is_named_by_init(here, refusal):
    quantised_file(here / "quantised.pb", 8, lambda nodes: nodes["first"].attr.pop("input_scale"))
    assert refusal("init", "quantised.pb") == (
        "mlu-conformance: node 'first' (Int8Conv2D) in quantised.pb has no input_scale; quantise the float "
        "graph again, or give that: it will be calibrated\n"
    )


def test_what_tensorflow_lacks_can_be_cut_off(here, said, refusal):
    def strange(nodes):
        nodes[OUTPUT].op = "PowerDifference"

    quantised_file(here / "quantised.pb", 8, strange)
    sentence = refusal("init", "quantised.pb", "--output", OUTPUT)
    assert (
        "operator 'PowerDifference' of out (SquaredDifference is its second power); name outputs" in sentence
    )
    assert said("init", "quantised.pb", "--output", "scores", "-o", "mine")[0] == 0


def test_the_rule_of_the_vendors_tool_gives_its_scales(here, said, refusal):
    """Of the float graph it finds what the tool wrote into the quantised one, and `prepare` keeps it."""
    _, scales = quantised_file(here / "quantised.pb")
    (here / "network.toml").write_text(TOML.replace("quantised.pb", "float.pb"))
    np.save(here / "x.npy", feeds()["x"])
    twin().save(here / "float.pb")
    code, _, note = said("quantize", here, "--rule", "two-sided")
    assert (code, "scales by the rule two-sided, documented: camb_quantize.py of" in note) == (0, True)
    found = read(here / "int8.quant.txt").scales
    filters = {key: as_written(scale) for key, scale in scales.items() if key in FILTERS}
    assert {key: found[key] for key in FILTERS} == filters
    code, text, _ = said("prepare", here, "--golden-dir", here / "goldens")
    assert (code, "not calibrated by this project: delete to have it made" in text) == (0, True)
    assert read(here / "int8.quant.txt").scales == found
    assert said("quantize", here)[0] == 0
    ours = read(here / "int8.quant.txt").scales
    assert {ours[key] / found[key] == pytest.approx(127 / 128, rel=1e-5) for key in FILTERS} == {True, False}
    error = refusal("quantize", here, "--rule", "two-sided", "--device=cambricon")
    assert "--rule two-sided means nothing to the vendor's framework; drop it" in error


def test_a_scale_of_a_shape_that_the_framework_found_is_told(here, said, monkeypatch):
    _, scales = quantised_file(here / "quantised.pb")
    (here / "network.toml").write_text(TOML)
    np.save(here / "x.npy", feeds()["x"])
    found = {key: as_written(scale) for key, scale in scales.items()}
    for value, told in (found["wide/input"], False), (127 / 4, True):  # the output of `wide` is 1x4x4x4
        by_vendor = QuantizationScales(8, found | {"wide/input": value})
        monkeypatch.setattr(calibration, "vendor_scales", lambda *_, answer=by_vendor, **__: answer)
        code, _, note = said("quantize", here, "--bits", "8", "--device=cambricon")
        assert (code, "int8.quant.txt: the input scale of wide is that of the output's shape" in note) == (
            0,
            told,
        )
