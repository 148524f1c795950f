"""The simulation of the gate: what the page says, and what the gate promises of slower and equal runs."""

import pytest
from support.tool_modules import tool_module


@pytest.fixture(scope="module")
def tool():
    with tool_module("gate_simulation") as module:
        yield module


TRIALS = 200
TIMINGS = 4
"""As many as one network has precisions: the gravest of them counts."""


def test_five_percent_slower_is_a_no_go(tool):
    found = tool.shares(tool.Setting(noise=0.01, runs=5, slowdown=0.05), TRIALS, TIMINGS)
    assert found["slower"] >= 0.95


def test_equal_runs_go_and_are_hardly_ever_called_slower(tool):
    found = tool.shares(tool.Setting(noise=0.01, runs=5, slowdown=0.0), TRIALS, TIMINGS)
    assert found["not slower"] >= 0.90
    assert found["slower"] <= 0.02


def test_one_run_a_side_never_tells(tool):
    for slowdown in (0.0, 0.05, 0.5):
        setting = tool.Setting(noise=0.01, runs=1, slowdown=slowdown)
        assert tool.shares(setting, 5) == {"not slower": 0.0, "cannot tell": 1.0, "slower": 0.0}


def test_pooling_the_rounds_raises_false_alarms_that_the_gate_does_not(tool):
    setting = tool.Setting(noise=0.01, runs=5, slowdown=0.0)
    assert tool.pooled(setting, TRIALS)[0] > 0.15
    assert tool.shares(setting, TRIALS)["slower"] <= 0.01


def test_the_page_holds_what_the_command_prints(tool):
    from marked_sections import cells, read_section

    shown = cells(read_section(tool.PAGE, tool.SECTION))
    assert tuple(shown[0]) == tool.HEADINGS
    assert [(row[0], int(row[1])) for row in shown[1:]] == [
        (f"{100 * noise:g} %", runs) for noise in tool.NOISES for runs in tool.RUNS
    ]
    again = next(iter(tool.rows(trials=100)))
    assert again[2:5] == ("100.0%", "0.0%", "0.0%") == tuple(shown[1][2:5])
