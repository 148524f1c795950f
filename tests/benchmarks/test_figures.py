"""Benchmarks give figures: finite ones, at least one each, held to limits unless they are only tried out."""

import json
import math
import shutil
import subprocess
import sys

import pytest
from support.suite_run import ROOT, no_worker

sys.path.insert(0, str(ROOT / "benchmarks"))

from figures import Figures, Table, cells
from rounds import best_seconds, medians_in_turn

BENCHMARK = """
import pytest

def test_fine(figures):
    figures.add("row", {"seconds": 2.0})
    figures.note("A note.")

def test_slow(figures, *, smoke):
    figures.at_most("row", "times", 3.0, 2.0)
    figures.note("small" if smoke else "large")
"""


@pytest.fixture
def benchmarks(tmp_path):
    """Run pytest on a file of benchmarks that stands beside the real conftest."""
    for name in ("conftest.py", "figures.py", "rounds.py"):
        shutil.copy(ROOT / "benchmarks" / name, tmp_path)

    def run(source, *arguments):
        (tmp_path / "test_toy_speed.py").write_text(source)
        command = [
            sys.executable,
            "-m",
            "pytest",
            tmp_path,
            f"--rootdir={tmp_path}",
            "--import-mode=importlib",
        ]
        with no_worker():
            return subprocess.run(
                [*command, "-pno:cacheprovider", *arguments],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
            )

    return run


def test_limits_hold_only_where_speeds_are_measured(benchmarks, tmp_path):
    file = tmp_path / "figures.json"
    slow = benchmarks(BENCHMARK, f"--figures={file}")
    assert slow.returncode == 1
    assert "row: times is 3, at most 2.0 is allowed" in slow.stdout
    assert "1 failed, 1 passed" in slow.stdout
    small = benchmarks(BENCHMARK, "--smoke", f"--figures={file}")
    assert small.returncode == 0, small.stdout
    found = json.loads(file.read_text())
    assert found["tables"] == {
        "toy_speed": {
            "rows": {"row": {"seconds": 2.0, "times": 3.0, "times: most allowed": 2.0}},
            "notes": ["A note.", "small"],
        }
    }
    assert found["skipped"] == []
    assert "TensorFlow" in found["machine"]
    assert "times: most allowed" in small.stdout
    assert "2 passed" in small.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("pass", "this benchmark gave no figure"),
        ("figures.note('nothing')", "this benchmark gave no figure"),
        ("figures.add('row', {})", "this benchmark gave no figure"),
        ("figures.add('row', {'s': float('nan')})", "row: s is nan, which is no measurement"),
    ],
)
def test_a_benchmark_without_a_figure_fails_even_when_tried_out(benchmarks, body, said):
    done = benchmarks(f"def test_it(figures):\n    {body}\n", "--smoke")
    assert done.returncode == 1
    assert said in done.stdout


def test_what_is_skipped_is_handed_over(benchmarks, tmp_path):
    file = tmp_path / "figures.json"
    done = benchmarks("import pytest\ndef test_it():\n    pytest.skip('not here')\n", f"--figures={file}")
    assert done.returncode == 0
    assert json.loads(file.read_text())["skipped"] == ["Skipped: not here"]


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, -1.0])
def test_what_was_not_measured_is_no_figure(value):
    table = Table()
    with pytest.raises(AssertionError, match="row: s is"):
        Figures(table, held=False).add("row", {"s": value})
    assert table.rows == {}


@pytest.mark.parametrize("held", [True, False])
def test_figures_are_held_to_their_limits(held):
    figures = Figures(Table(), held=held)
    figures.at_most("row", "a", 2.0, 2.0)
    figures.at_least("row", "b", 2.0, 2.0)
    for call, value in ((figures.at_most, 2.1), (figures.at_least, 1.9)):
        if held:
            with pytest.raises(AssertionError, match=f"row: c is {value}"):
                call("row", "c", value, 2.0)
        else:
            call("row", "c", value, 2.0)
    assert figures.table.rows["row"]["a: most allowed"] == 2.0


def test_a_table_has_every_column_and_three_digits():
    table = Table({"a": {"s": 0.012345, "n": 1234.5}, "b": {"n": 99.96, "x": 7}})
    assert cells(table) == [["", "s", "n", "x"], ["a", "0.0123", "1,234", ""], ["b", "", "100", "7"]]


def test_calls_are_made_in_turn_and_the_first_is_not_timed():
    calls = []
    found = medians_in_turn({name: lambda name=name: calls.append(name) for name in "ab"}, 3)
    assert calls == ["a", "b"] * 3
    assert found.keys() == {"a", "b"}
    calls.clear()
    assert best_seconds(lambda: calls.append("x"), 4) >= 0
    assert len(calls) == 5
