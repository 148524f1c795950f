"""Errors against the time step: which nodes are a series, and what records make of it."""

import math
import re
import sys

import pytest
from support.records import record as made
from support.refusals import refused

from conformance.errors import InfrastructureError
from conformance.files import read_toml
from conformance.network_file import Description, Series
from conformance.numerics.metrics import Metrics
from conformance.report.series import (
    Curve,
    Measured,
    Panel,
    measured_in,
    panel_of,
    save_chart,
    steps_of,
    table_lines,
)

SERIES = Series(name="state", nodes="rnn/step_*/h")
WHERE = "some/network.toml"


def nodes(*steps):
    return [f"rnn/step_{step}/h" for step in steps]


def metrics(rms):
    return Metrics(0.0, rms * rms, 1.0, 1.0, 0, [0])


def record(step, rms, precision="int8-fp16", **changes):
    plain = {"mode": "chained", "outcome": "measured", "metrics": None if rms is None else metrics(rms)}
    return made(node=nodes(step)[0], precision=precision, **(plain | changes))


def test_steps_rise_by_number_and_only_the_pattern_matches():
    names = [
        "x",
        *nodes(10, 9, 0),
        "rnn/step_1/c",
        "other/rnn/step_3/h",
        "rnn/step_4/deep/h",
        "rnn/step_5/h/more",
    ]
    assert list(steps_of(SERIES, names, WHERE).items()) == list(zip(nodes(0, 9, 10), (0, 9, 10), strict=True))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ([], "match none of the nodes that have goldens, but a series needs 2 or more"),
        (nodes(0), "match 1 of the nodes"),
        (nodes(0, "last"), "match 'rnn/step_last/h', where * stands for 'last' and not for a step"),
        (nodes(0, ""), "where * stands for '' and not for a step"),
        (nodes(0, "-1"), "where * stands for '-1' and not for a step"),
        (nodes(0, "²"), "where * stands for '²' and not for a step"),
        (nodes(1, "01"), "match step 1 twice, as 'rnn/step_1/h' and 'rnn/step_01/h'"),
    ],
)
def test_a_series_that_is_none_is_one_sentence_with_table_and_pattern(names, sentence):
    with refused(re.escape(sentence)) as error:
        steps_of(SERIES, names, WHERE)
    assert f"[[series]] 'state' in {WHERE}: nodes 'rnn/step_*/h'" in str(error.value)


def test_what_looks_like_a_pattern_of_another_kind_is_taken_as_it_is():
    series = Series(name="s", nodes="a.[0]/*")
    assert steps_of(series, ["a.[0]/1", "a.[0]/2", "ab[0]/3", "a.0/4"], WHERE) == {"a.[0]/1": 1, "a.[0]/2": 2}


TOML = """
[network]
name = "n"
graph = "g.pb"
[[input]]
name = "x"
files = ["a.npy"]
[[output]]
name = "o"
range = [0.0, 1.0]
[acceptance]
cosine = 0.9
"""


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('name = "s"\nnodes = "a"', "nodes 'a' of [[series]] 's' should hold one *"),
        ('name = "s"\nnodes = "*/a_*"', "nodes '*/a_*' of [[series]] 's' should hold one *"),
        ('name = ""\nnodes = "a_*"', "length >= 1"),
        ('name = "s"\nnode = "a_*"', "`node`"),
        ('nodes = "a_*"', "`name`"),
        ('name = "s"\nnodes = "a_*"\n[[series]]\nname = "s"\nnodes = "b_*"', "series 's' is given twice"),
    ],
)
def test_a_malformed_table_is_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "network.toml"
    path.write_text(f"{TOML}[[series]]\n{text}\n")
    with refused(re.escape(sentence)) as error:
        read_toml(path, Description, "network")
    assert str(path) in str(error.value)


def test_series_are_read_and_may_be_absent(tmp_path):
    path = tmp_path / "network.toml"
    path.write_text(TOML)
    assert read_toml(path, Description, "network").series == []
    path.write_text(f'{TOML}[[series]]\nname = "s"\nnodes = "a_*/h"\n')
    assert read_toml(path, Description, "network").series == [Series(name="s", nodes="a_*/h")]


def panel(*records, steps=(0, 1, 2)):
    return panel_of(SERIES, dict(zip(nodes(*steps), steps, strict=True)), measured_in(records, "n"))


def test_records_become_root_mean_square_errors_by_step_and_precision():
    made = panel(
        record(1, 0.5),
        record(0, 0.25),
        record(0, 0.125, "int16-fp32"),
        record(0, 9.0, mode="own", outcome="measured"),
        record(0, 9.0, network="another"),
        record(7, 9.0),
    )
    assert made.curves == (Curve("int8-fp16", {0: 0.25, 1: 0.5}), Curve("int16-fp32", {0: 0.125}))
    assert made.steps == [0, 1]
    assert made.simulated


def test_a_step_without_result_is_nan_and_said():
    broken = record(1, None, outcome="broken", reasons=["r"])
    made = panel(record(0, 0.5), broken)
    assert math.isnan(made.curves[0].errors[1])
    assert table_lines([made])[2].split() == ["int8-fp16", "5.00e-01", "no", "result"]


def test_a_run_that_judged_no_step_has_no_curve_and_no_table():
    made = panel(record(7, 1.0))
    assert (made.curves, made.simulated) == ((), False)
    assert table_lines([made]) == []


def test_the_table_has_first_quarter_half_three_quarters_and_last():
    steps = range(1, 102)
    made = panel(*(record(step, step / 100) for step in steps), steps=steps)
    lines = table_lines([made])
    assert lines[0] == "state (rnn/step_*/h), root mean square error, SIMULATED:"
    assert re.findall(r"step \d+", lines[1]) == ["step 1", "step 26", "step 51", "step 76", "step 101"]
    assert lines[2].split() == ["int8-fp16", "1.00e-02", "2.60e-01", "5.10e-01", "7.60e-01", "1.01e+00"]


def test_a_short_series_shows_each_step_once():
    lines = table_lines([panel(record(0, 0.5), record(1, 0.5))])
    assert re.findall(r"step \d+", lines[1]) == ["step 0", "step 1"]


def test_a_card_is_not_said_to_be_simulated():
    assert "SIMULATED" not in table_lines([panel(record(0, 0.5, simulated=False))])[0]


@pytest.mark.parametrize(
    "curves",
    [
        (Curve("int8-fp16", {0: 0.5, 1: 0.25, 2: math.nan}), Curve("int16-fp32", {0: 0.0, 1: 1e-6, 2: 0.0})),
        (Curve("int8-fp16", {0: 0.0, 1: 0.0}),),
        (Curve("int8-fp16", {0: math.nan, 1: math.nan}),),
    ],
)
def test_a_chart_is_a_png_of_a_sane_size(tmp_path, curves):
    from PIL import Image

    made = Panel("state", "rnn/step_*/h", curves, simulated=True)
    save_chart([made, made], "n on a device", tmp_path / "chart.png")
    with Image.open(tmp_path / "chart.png") as picture:
        assert picture.format == "PNG"
        assert 800 < picture.width < 1600
        assert 800 < picture.height < 1600
    assert (tmp_path / "chart.png").stat().st_size < 500_000


def test_a_chart_without_matplotlib_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    made = panel(record(0, 0.5))
    with refused("needs matplotlib, which cannot be imported", InfrastructureError):
        save_chart([made], "n", tmp_path / "chart.png")
    assert list(tmp_path.iterdir()) == []


def test_what_is_measured_is_the_networks_chained_error_alone():
    found = measured_in([record(0, 0.5), record(1, 0.5, mode="own"), record(2, 0.5, network="m")], "n")
    assert found == [Measured("rnn/step_0/h", "int8-fp16", metrics(0.5), simulated=True)]
