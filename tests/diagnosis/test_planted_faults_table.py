"""The command that prints the table of planted faults, and the document that it writes."""

from pathlib import Path

import pytest
from diagnosis.planted import ASKED_FOR, FAULTS
from support.tool_modules import tool_module

from conformance.errors import UsageError

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/planted_faults.md"


@pytest.fixture(scope="module")
def tool():
    with tool_module("planted_faults") as module:
        yield module


@pytest.fixture
def case(tool):
    """Return a function that makes a case: right unless it ``named`` something else."""

    def make(fault="stale", named="a", precision="int8-fp16", profile="ideal", forwards=8):
        expected = ("a", "node") if fault else ("nothing", "")
        first = (named, "node") if named != "nothing" else ("nothing", "")
        return tool.Case(fault, f"{fault} in words", profile, precision, expected, first, "-", forwards, 1.25)

    return make


def test_the_document_holds_every_fault_and_all_are_named():
    text = DOCUMENT.read_text(encoding="utf-8")
    table = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line[:2] == "| "
    ]
    shown = {row[0]: row for row in table[2:]}
    assert set(shown) == {fault.what for fault in FAULTS.values()} | {"none"}
    for row in shown.values():
        right, total = row[-1].split(" of ")
        assert right == total
    assert f"{len(FAULTS)} of {len(FAULTS)} faults named first" in text
    assert f"({ASKED_FOR} of the {ASKED_FOR} that were asked for)" in text


def test_precisions_of_one_fault_and_device_share_a_row(tool, case):
    table = tool.rows([case(), case(precision="int8-fp32", forwards=14), case(profile="mlu270"), case("nan")])
    assert [(row[0], row[1], row[2], row[6], row[-1]) for row in table] == [
        ("stale in words", "ideal", "int8-fp16, int8-fp32", "14", "2 of 2"),
        ("stale in words", "mlu270", "int8-fp16", "8", "1 of 1"),
        ("nan in words", "ideal", "int8-fp16", "8", "1 of 1"),
    ]


def test_a_row_shows_what_went_wrong(tool, case):
    (row,) = tool.rows([case(), case(named="b", precision="int8-fp32")])
    assert (row[3], row[4], row[-1]) == ("a (node)", "b", "1 of 2")


@pytest.mark.parametrize(
    ("made", "code"),
    [
        ([{}], 0),
        ([{}, {"fault": "nan", "named": "b"}], 0),
        ([{"named": "b"}, {"fault": "nan", "named": "b"}], 1),
        ([{}, {"fault": "", "named": "nothing"}], 0),
        ([{}, {"fault": "", "named": "b"}], 1),
    ],
)
def test_the_exit_code_tells_whether_enough_is_named(tool, case, made, code):
    assert tool.exit_code([case(**options) for options in made]) == code


def test_the_summary_counts_faults_and_diagnoses(tool, case):
    found = [case(), case(precision="int8-fp32"), case("nan", named="b"), case("", named="nothing")]
    assert tool.summary(found, ["stale"]) == (
        "1 of 2 faults named first wherever they show (1 of the 1 that were asked for), in 3 diagnoses; "
        "without a fault, nothing named in 1 of 1."
    )


def test_the_table_replaces_what_stood_between_the_markers(tool, case, tmp_path):
    document = tmp_path / "document.md"
    document.write_text(f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n")
    for _ in range(2):
        tool.write_document(document, tool.rows([case()]), "A sentence.")
        text = document.read_text()
        assert text.startswith(f"before\n{tool.BEGIN}\n\nA sentence.\n\n| fault |")
        assert text.endswith(f"| 1 of 1 |\n\n{tool.END}\nafter\n")
        assert "old" not in text
    document.write_text("no markers")
    with pytest.raises(UsageError, match="lacks the lines"):
        tool.write_document(document, [], "")


def test_a_misspelt_fault_is_one_sentence(tool):
    with pytest.raises(UsageError, match="near names: stale"):
        tool.main(["--only", "stael"])
