"""``docs/performance.md``: every section is written by one command, whole or not at all."""

import re
import sys
from pathlib import Path

import pytest
from support.suite_run import ROOT
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))
sys.path.insert(0, str(ROOT / "benchmarks"))

import cost_table
import performance_page as page
from costs.measuring import Cost
from figures import Measured, Table
from marked_sections import read_section, table, write_section

from conformance.errors import InfrastructureError, UsageError
from conformance.files import write_json_atomically

DOCUMENT = ROOT / "docs/performance.md"
ROWS = {"int8": {"seconds": 0.5, "times stock": 1.25}, "int16": {"seconds": 1.0}}


def test_every_section_is_in_the_document_and_names_its_machine():
    for name in page.SECTIONS:
        assert read_section(DOCUMENT, name)[0].startswith("On "), name
    found = re.findall("<!-- figures: (.*) -->", DOCUMENT.read_text())
    assert sorted(found) == sorted(page.SECTIONS)


def test_every_benchmark_has_a_section():
    names = {path.stem.removeprefix("test_") for path in (ROOT / "benchmarks").glob("test_*.py")}
    assert names == set(page.BENCHMARKS)


@pytest.fixture
def document(tmp_path, monkeypatch):
    path = tmp_path / "page.md"
    sections = [f"## {name}\n<!-- figures: {name} -->\nOn old.\n<!-- end -->\n" for name in page.SECTIONS]
    path.write_text("# Top\n" + "\n".join(sections) + "tail")
    monkeypatch.setattr(cost_table, "DOCUMENT", path)
    return path


@pytest.fixture
def measured(monkeypatch):
    """What a benchmark writes, in place of running it."""
    written = Measured("a machine", {"emulator_speed": Table(ROWS, ["Limits hold."])}, [])

    def check(command, _):
        (file,) = (word.partition("=")[2] for word in command if word.startswith("--figures="))
        write_json_atomically(Path(file), written)

    monkeypatch.setattr(page, "_check", check)
    return written


@pytest.mark.usefixtures("measured")
def test_one_section_is_rewritten_and_the_others_stay(document, capsys):
    before = document.read_text()
    assert page.main(["emulator_speed"]) == 0
    assert capsys.readouterr().out == "emulator_speed: written\n"
    assert read_section(document, "emulator_speed") == [
        "On a machine. Limits hold.",
        "",
        "|  | seconds | times stock |",
        "|---|---|---|",
        "| int8 | 0.5 | 1.25 |",
        "| int16 | 1 |  |",
    ]
    write_section(document, "emulator_speed", ["On old."])
    assert document.read_text().replace("\n\nOn old.\n\n", "\nOn old.\n") == before


@pytest.mark.parametrize(
    ("tables", "skipped", "reason"),
    [
        ({"emulator_speed": Table(ROWS)}, ["no Polygraphy"], "not all of it was measured: no Polygraphy"),
        ({}, [], "nothing was measured"),
        ({"emulator_speed": Table()}, [], "nothing was measured"),
        ({"metrics_speed": Table(ROWS)}, [], "nothing was measured"),
    ],
)
def test_a_benchmark_that_did_not_measure_all_leaves_its_section(
    document, measured, capsys, tables, skipped, reason
):
    measured.tables, measured.skipped = tables, skipped
    before = document.read_text()
    assert page.main(["emulator_speed"]) == 3
    assert capsys.readouterr().out == f"emulator_speed: left as it was: {reason}\n"
    assert document.read_text() == before


def test_a_benchmark_that_fails_leaves_its_section_and_the_next_one_is_measured(
    document, monkeypatch, capsys
):
    def benchmark(name):
        if name == "metrics_speed":
            raise InfrastructureError("it failed")
        return ["On new."]

    monkeypatch.setattr(page, "benchmark", benchmark)
    assert page.main(["metrics_speed", "diagnosis_speed"]) == 3
    said = capsys.readouterr().out
    assert said == "metrics_speed: left as it was: it failed\ndiagnosis_speed: written\n"
    assert read_section(document, "metrics_speed") == ["On old."]
    assert read_section(document, "diagnosis_speed") == ["On new."]


def test_a_benchmark_that_fails_is_named():
    with pytest.raises(InfrastructureError, match=r"`python -c exit\(7\) …` ended with exit code 7"):
        page._check([sys.executable, "-c", "exit(7)"], {})


def test_commands_of_the_main_job_stand_there_with_their_costs(document, tmp_path, monkeypatch):
    ran = []

    def timed(step, command, *others):
        ran.append((command[-1], "MLU_CONFORMANCE_RUN_DIR" in others[-1]))
        return Cost(1.0, 2.0, 3_000_000_000, problem, "", "62 % inside" if step is page.RUN else "")

    problem = ""
    monkeypatch.setattr(page, "timed", timed)
    monkeypatch.setattr(page, "_check", lambda command, variables: ran.append((command[-1], bool(variables))))
    assert page.main(["main_job", f"--cache={tmp_path}"]) == 0
    assert [name for name, _ in ran[:3]] == ["beautygan", "lstm", "mobilenet"]
    assert ("--network=all", True) in ran
    assert ("--help", False) in ran
    lines = read_section(document, "main_job")
    assert "| `mlu-conformance test` | 1.0 s (2.0 s), 3.0 GB; 62 % inside |" in lines
    problem = "exit code 1: 3 failed"
    assert page.main(["main_job", f"--cache={tmp_path}"]) == 3
    assert read_section(document, "main_job") == lines


def test_costs_that_failed_are_written_and_not_hidden(monkeypatch, capsys):
    given = []
    monkeypatch.setattr(page.cost_table, "main", lambda arguments: given.append(arguments) or 1)
    assert page.main(["costs", "--networks=vgg-16,resnet-50", "--cache=here"]) == 3
    assert given == [["vgg-16", "resnet-50", "--docs", "--cache=here"]]
    assert capsys.readouterr().out == "costs: written, with failures\n"


def test_an_unknown_section_is_a_usage_error():
    with pytest.raises(UsageError, match=r"section 'emulator' is unknown \(near names: emulator_speed\)"):
        page.main(["emulator"])


@pytest.mark.parametrize("count", [0, 2])
def test_a_section_that_is_not_there_once_is_refused(tmp_path, count):
    path = tmp_path / "page.md"
    path.write_text("<!-- figures: a -->\n<!-- end -->\n" * count)
    with pytest.raises(UsageError, match=f"has {count} sections <!-- figures: a --> to <!-- end -->"):
        write_section(path, "a", ["new"])
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_section(tmp_path / "missing.md", "a")


def test_a_table_is_one_in_markdown():
    assert table([["a", "b"], ["1", "2"]]) == ["| a | b |", "|---|---|", "| 1 | 2 |"]
