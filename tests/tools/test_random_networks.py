"""Random small networks: right devices raise no false alarm, and one that is wrong is told."""

import pytest
from support.tool_modules import tool_module


@pytest.fixture
def tool(monkeypatch):
    """The tool, with a batch for each precision."""
    with tool_module("random_networks") as module:
        monkeypatch.setattr(module, "BATCH", 10)
        yield module


def test_devices_that_are_right_by_another_way_raise_no_false_alarm(tool, capsys):
    assert tool.main(["--count=40", "--seed=1", "--together"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1].startswith("40 networks, ")
    assert lines[-1].endswith(": 0 false alarms")
    assert len(lines) == 1 + 3 * 4 + 2 + 1, "stock TensorFlow is judged at fp32 alone"


def test_a_device_that_is_wrong_is_told_with_the_seed_that_shows_it(tool, monkeypatch, capsys):
    monkeypatch.setattr(tool, "DEVICES", {"in half": "reduction_sum=float-type,half_rounding=toward-zero"})
    assert tool.main(["--count=10", "--seed=1"]) == 1
    out, error = capsys.readouterr()
    assert "seed 1, out_" in out
    assert "seed 1, out_" in error
    assert not out.splitlines()[-1].endswith(" 0 false alarms")


def test_nothing_judged_is_no_pass(tool, capsys):
    with pytest.raises(SystemExit, match="2"):
        tool.main(["--count=0"])
    assert "nothing would be judged" in capsys.readouterr().err


def test_every_right_device_is_tried_and_every_switch_of_them_together(tool):
    assert len(tool.DEVICES) >= 16
    assert set(tool.OTHER_WAYS) < set(tool.DEVICES)
    single = {switch for switches in tool.OTHER_WAYS.values() for switch in switches.split(",")}
    assert single <= {switch for switches in tool.TOGETHER.values() for switch in switches.split(",")}
