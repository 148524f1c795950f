"""``mlu-conformance track`` as a user calls it, on made-up histories."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from support.histories import records, write_history, write_run

from conformance.history.history_file import History


def times(runs=30, slower=5, seed=3):
    found = 0.01 * np.exp(np.random.default_rng(seed).normal(0, 0.01, runs))
    found[runs - slower :] *= 1.05
    return found


@pytest.fixture
def root(tmp_path):
    """Thirty runs; the last five have another driver, and are slower."""
    write_history(tmp_path / "runs", times(), changed_at=25, device={"driver": "4.20.11"})
    return tmp_path / "runs"


def test_a_slower_driver_is_named(said, root):
    code, text, error = said("track", root)
    assert (code, error) == (0, "reading runs (30)\n")
    lines = text.splitlines()
    assert lines[0] == "30 runs from 2026-01-01 to 2026-01-30, 1 card"
    assert lines[2] == f"2026-01-26 {root / '00025'} (cambricon MLU270 0123)"
    assert lines[3] == "  driver 4.20.6 -> 4.20.11"
    assert lines[4].startswith("  n int8-fp16: device time +5.68 % [+3.92 %, +7.46 %], worse (25 + 5 runs)")
    assert lines[-1].split()[:2] == ["n", "int8-fp16"]
    assert said("track", root)[1:] == (text, "")


PAGE = (Path(__file__).parents[2] / "docs/track.md").read_text(encoding="utf-8")


def example(command):
    """Return what the page shows below a command."""
    return PAGE.partition(f"$ {command}\n")[2].partition("```")[0]


def test_the_page_shows_what_is_printed(said, root, monkeypatch):
    monkeypatch.chdir(root.parent)
    assert said("track", "runs")[1] == example("mlu-conformance track runs")
    assert said("track", "runs", "--noise")[1] == example("mlu-conformance track runs --noise")


def test_a_history_without_steps_says_so(said, tmp_path):
    write_history(tmp_path, times(slower=0))
    code, text, _ = said("track", tmp_path)
    assert (code, text.splitlines()[2]) == (0, "no step was found")


def test_a_new_driver_without_effect_is_told(said, tmp_path):
    write_history(tmp_path, times(slower=0), changed_at=20, device={"driver": "4.20.11"})
    assert "2026-01-21 driver 4.20.6 -> 4.20.11: 5 same" in said("track", tmp_path)[1].splitlines()


def test_the_file_is_what_the_documents_say(said, root, tmp_path):
    code, text, _ = said("track", root, "--json", tmp_path / "history.json")
    assert (code, text.splitlines()[0][:7]) == (0, "30 runs")
    found = msgspec.json.decode((tmp_path / "history.json").read_bytes(), type=History)
    assert (found.schema, len(found.runs), found.broken) == (1, 30, [])
    assert [series.figure for series in found.series] == [
        "seconds", "share", "psnr", "cosine_distance", "failing",
    ]  # fmt: skip
    (step,) = found.series[0].steps
    assert (step.run, step.known, found.runs[step.run].driver) == (25, ["driver"], "4.20.11")
    code, text, _ = said("track", root, "--json", "-")
    assert json.loads(text) == json.loads((tmp_path / "history.json").read_text())


def test_what_counts_as_slower_can_be_said(said, root):
    assert "no step was found" in said("track", root, "--slower", "10%")[1]
    assert "no step was found" not in said("track", root, "--slower", "0.02")[1]


def test_a_slow_last_run_is_told(said, tmp_path):
    write_history(tmp_path, [*times(slower=0), 0.013])
    lines = said("track", tmp_path)[1].splitlines()
    assert lines[2] == "no step was found"
    assert lines[4].startswith("2026-01-31 n int8-fp16 (cambricon MLU270 0123): device time +")


def test_noise(said, root):
    code, text, _ = said("track", root, "--noise")
    headings, row, words = text.splitlines()
    assert code == 0
    assert headings.endswith("deviation  largest change  3 + 3  5 + 5  8 + 8")
    runs, environments, deviation, _, largest, _, *sides = row.split()[5:]
    assert (runs, environments, float(deviation)) == ("30", "2", pytest.approx(1.0, abs=0.4))
    assert float(largest) > float(deviation)
    assert float(sides[0]) > float(sides[2]) > float(sides[4])
    assert words.startswith("a gate with so many runs a side")


def test_noise_of_runs_that_all_differ(said, tmp_path):
    for number in range(3):
        write_run(tmp_path / str(number), number, device={"driver": str(number)})
    assert "their noise is not known" in said("track", tmp_path, "--noise")[1]


def test_broken_runs_are_named_skipped_and_counted(said, root):
    (root / "00003/records.jsonl").write_bytes(b"{")
    (root / "00004/environment.json").unlink()
    (root / "notes").mkdir()
    code, text, error = said("track", root)
    assert code == 0
    assert text.splitlines()[0] == "28 runs from 2026-01-01 to 2026-01-30, 1 card; 2 skipped"
    first, second = (line for line in error.splitlines() if line.startswith("skipped: "))
    assert str(root / "00003") in first
    assert str(root / "00004") in second


def test_many_broken_runs_are_named_in_the_file(said, tmp_path):
    for number in range(25):
        write_run(tmp_path / f"runs/{number:02}", number)
        if number:
            (tmp_path / f"runs/{number:02}/environment.json").unlink()
    _, _, error = said("track", tmp_path / "runs", "--json", tmp_path / "file")
    assert error.splitlines()[-1] == "skipped 4 more runs; --json names them"
    assert len(json.loads((tmp_path / "file").read_text())["broken"]) == 24


def test_a_history_of_broken_runs_alone_is_none(said, tmp_path):
    (write_run(tmp_path / "runs/0", 0) / "environment.json").unlink()
    code, text, error = said("track", tmp_path / "runs", "--json", tmp_path / "file")
    assert (code, text) == (5, "")
    assert error.splitlines()[-1].endswith("none of 1 runs can be read, so there is no history")
    assert not (tmp_path / "file").exists()


def test_what_is_no_history(refusal, tmp_path):
    assert "is no run and holds none" in refusal("track", tmp_path)
    assert "does not exist" in refusal("track", tmp_path / "nothing")
    (tmp_path / "file").write_text("mine")
    assert "is no directory" in refusal("track", tmp_path / "file")
    assert "'much' is no share above 0 and below 100 %; give one like 3%" in refusal(
        "track", tmp_path, "--slower", "much"
    )
    assert not list(tmp_path.glob(".*"))


def test_no_index_leaves_nothing(said, root):
    said("track", root, "--no-index")
    assert not list(root.glob(".*"))


def test_one_run_is_a_history(said, root):
    code, text, _ = said("track", root / "00000")
    assert (code, text.splitlines()[0]) == (0, "1 run from 2026-01-01 to 2026-01-01, 1 card")


def test_errors_that_grow_are_told_with_their_outcomes(said, tmp_path):
    for number in range(8):
        found = records(share=0.5) if number < 5 else records(share=2.0, outcome="deviates")
        write_run(tmp_path / str(number), number, found=found)
    text = said("track", tmp_path)[1]
    assert "worst share of a bound +300 %, worse (5 + 3 runs); 0.5 -> 2" in text
    assert "cases that deviate or break +1, worse (5 + 3 runs); 0 -> 1" in text
    assert "nothing recorded changed" in text


def test_it_needs_no_tensorflow(root):
    shutil.rmtree(root / "00029")
    code = (
        "import sys\nfrom conformance.cli import main\n"
        f"code = main(['track', {str(root)!r}])\n"
        "heavy = {'tensorflow', 'matplotlib', 'scipy.stats', 'networkx'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
