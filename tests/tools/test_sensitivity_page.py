"""The tables of ``docs/sensitivity.md``: summed up rightly, whole in the page; a false alarm is a failure."""

import pytest
from support.tool_modules import tool_module

from conformance.evaluation.false_alarms import OTHER_WAYS, STOCK, Alarm
from conformance.expected.sensitivity.measuring import Sensitivity

HALVES_UP = "halves of quantised numbers up"


@pytest.fixture(scope="module")
def tool():
    with tool_module("sensitivity_page") as module:
        yield module


def node(name, precision="int8-fp32", **faults):
    sizes = {"gain": 1e-5, "channel gain": 2e-5, "element": 1e-4, "input scale": 1e-6}
    return Sensitivity(name, "Conv2D", precision, fixed_point=True, faults=sizes | faults)


def alarm(device, nodes, precision="int8-fp32", false=(), worst=0.5):
    return Alarm(device, precision, nodes, list(false), worst)


def told(tool, nodes=(), alarms=()):
    return tool._Told("net", list(nodes), list(alarms))


def test_sizes_are_median_and_largest_and_what_passes_is_said(tool):
    nodes = [node("a"), node("b", gain=3e-5), node("c", gain=2e-3), node("d", "int16-fp32", gain="passes")]
    rows = tool.caught([told(tool, nodes)])
    assert rows[1] == ["net", "int8-fp32", "3", "3.0e-05, 2.0e-03", *["2.0e-05, 2.0e-05"], *rows[1][5:]]
    assert rows[2][:4] == ["net", "int16-fp32", "1", "passes at 1"]


def test_faults_without_a_size_are_named_where_they_pass(tool):
    nodes = [node("a", **{"input wraps": "caught", "stale sample": "no effect"}), node("b", kept="passes")]
    assert tool.passing([told(tool, nodes)])[1:] == [["kept", "net", "int8-fp32", "1 of 2 nodes"]]


def test_devices_that_are_right_by_another_way_are_one_row(tool):
    found = [alarm(title, 9 - index % 2) for index, title in enumerate(OTHER_WAYS)]
    rows = tool.alarms([told(tool, alarms=[*found, alarm(STOCK, 4, worst=0.25)])])
    results = sum(entry.nodes for entry in found)
    assert rows[1:] == [
        ["net", tool.EMULATED, "int8-fp32", "9", str(results), "0", "0.5"],
        ["net", STOCK, "int8-fp32", "4", "4", "0", "0.25"],
    ]


@pytest.mark.parametrize(("false", "code"), [((), 0), (("a", "b"), 1)])
def test_a_false_alarm_is_a_failure(tool, monkeypatch, capsys, false, code):
    answer = told(tool, [node("a")], [alarm(HALVES_UP, 3, false=false)])
    monkeypatch.setattr(tool, "asked", lambda *_: answer)
    assert tool.main(["mobilenet"]) == code
    assert f"| 3 | 3 | {len(false)} | 0.5 |" in capsys.readouterr().out


def test_nothing_judged_is_a_failure(tool, monkeypatch):
    monkeypatch.setattr(tool, "asked", lambda *_: told(tool, [node("a")]))
    assert tool.main(["mobilenet"]) == 1


def test_a_command_that_fails_ends_it_with_its_code(tool, monkeypatch, capfd):
    monkeypatch.setenv("MLU_CONFORMANCE_NODE", "misspelt")
    assert tool.main(["mobilenet"]) == 4
    assert "environment variable MLU_CONFORMANCE_NODE means nothing" in capfd.readouterr().err


@pytest.mark.parametrize("words", [["mobilnet"], ["--docs", "lstm"]])
def test_a_wrong_call_is_one_sentence(tool, capsys, words):
    with pytest.raises(SystemExit, match="2"):
        tool.main(words)
    assert len(capsys.readouterr().err.strip().splitlines()[-1].split(": error: ")) == 2


@pytest.mark.parametrize("section", ["fixed-point", "would-pass", "false-alarms"])
def test_the_page_has_every_network(tool, section):
    from marked_sections import cells, read_section

    headings, *rows = cells(read_section(tool.PAGE, section))
    assert {row[headings.index("network")] for row in rows} == set(tool.NETWORKS)
