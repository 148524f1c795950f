"""mlu-conformance sensitivity: which faults are caught at a network's nodes, and no false alarms."""

import json

import pytest
from support.kept_network import WIDE, kept_network

from conformance import cli


@pytest.fixture
def asked(capsys):
    """Run the command on the small network and return its exit code and what it printed."""

    kept = kept_network()
    capsys.readouterr()

    def ask(*arguments):
        code = cli.main(
            ["sensitivity", str(kept.directory), f"--golden-dir={kept.goldens}", *map(str, arguments)]
        )
        return code, capsys.readouterr().out

    return ask


def test_small_faults_are_caught_at_a_fixed_point_node_and_what_passes_is_listed(asked):
    code, text = asked("--only=faults", "--precision=int8-fp32", f"--nodes={WIDE},norm/mean", "--json")
    assert code == 0
    content = json.loads(text)
    found = {entry["node"]: entry for entry in content["sensitivity"]}
    assert list(found) == [WIDE, "norm/mean"] or list(found) == ["norm/mean", WIDE]
    faults = found[WIDE]["faults"]
    assert found[WIDE]["fixed_point"]
    assert faults["channel gain"] < 1e-4
    assert faults["input scale"] <= 1e-3
    assert faults["element"] < 1e-3
    caught = ("sign of an element", "rows shifted", "channels swapped", "stale sample", "kept in half")
    assert {faults[name] for name in (*caught, "in float32", "input floored", "scale 5 % too large")} == {
        "caught"
    }
    assert faults["accumulator of 32 bits"] == "no effect"
    assert "input scale" not in found["norm/mean"]["faults"]


def test_the_text_says_plainly_what_would_pass(asked):
    code, text = asked("--only=faults", "--precision=int8-fp32", f"--nodes={WIDE}")
    assert code == 0
    assert text.splitlines()[0].split() == (
        ["precision", "nodes", "fault", "caught", "pass", "no", "effect", "smallest:", "median", "largest"]
    )
    assert f"this fault would pass: stored by truncation at int8-fp32, at {WIDE}" in text


def test_right_devices_raise_no_false_alarm(asked):
    code, text = asked("--only=false-alarms", "--precision=int8-fp32", "--json")
    assert code == 0
    alarms = json.loads(text)["false_alarms"]
    assert len(alarms) > 10
    assert [alarm for alarm in alarms if alarm["false"]] == []
    assert all(alarm["worst"] <= 1 for alarm in alarms)


def test_a_precision_that_does_not_exist_is_a_sentence(capsys):
    kept = kept_network()
    assert cli.main(["sensitivity", str(kept.directory), "--precision=int4-fp16"]) == 4
    assert "int4-fp16" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_heat_map_is_drawn(asked, tmp_path, kind):
    path = tmp_path / f"map.{kind}"
    chosen = ("--only=faults", "--precision=int8-fp32", f"--nodes={WIDE}", f"--output={path}")
    assert asked(*chosen)[0] == 0
    first = path.read_bytes()
    assert first.startswith(b"<?xml" if kind == "svg" else b"\x89PNG")
    assert len(first) > 5_000


def test_a_heat_map_of_nothing_or_of_another_kind_is_a_sentence(capsys, tmp_path):
    kept = kept_network()
    for more, words in (
        ([f"--output={tmp_path}/map.jpg"], "is neither .svg nor .png"),
        ([f"--output={tmp_path}/map.svg", "--only=false-alarms"], "has nothing to draw"),
    ):
        where = [str(kept.directory), f"--golden-dir={kept.goldens}", f"--nodes={WIDE}"]
        assert cli.main(["sensitivity", *where, "--precision=int8-fp32", *more]) == 4
        assert words in capsys.readouterr().err
