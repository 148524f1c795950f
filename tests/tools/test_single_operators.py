"""Graphs of one operator: what a profile explains is told from what it does not; what is missing is said."""

import datetime as dt
from pathlib import Path

import pytest
from examples.numpy_device import NumpyDevice
from support.tool_modules import tool_module

from conformance.probing.probing import probed

FEW = ("Add", "RealDiv", "Exp", "ResizeBilinear")


@pytest.fixture(scope="module")
def tool():
    with tool_module("single_operators") as module:
        yield module


@pytest.fixture(scope="module")
def page(tool):
    with tool_module("probe_page") as module:
        assert module.single_operators is tool
        yield module


@pytest.fixture(scope="module")
def operators(tool):
    return {operator.name: operator for operator in tool.OPERATORS}


@pytest.fixture(scope="module")
def shares(tool, operators, tmp_path_factory):
    """Which part of NumPy's results its own profile explains, by operator."""
    root = tmp_path_factory.mktemp("single")
    stores = [tool.made(operators[name], root / name) for name in FEW]
    today = dt.date(2026, 1, 2)
    found = probed(NumpyDevice(), base="mlu270", today=today, precisions=[tool.PRECISION])
    return dict(zip(FEW, tool.shares(NumpyDevice(), found, stores), strict=True))


def test_what_no_switch_describes_is_not_explained(shares):
    assert shares["Add"] == shares["RealDiv"] == 1
    assert 0.4 < shares["Exp"] < 1
    assert shares["ResizeBilinear"] == 0


def test_the_table_counts_what_is_explained_and_says_what_stands_in_the_way(tool, operators):
    place = list(operators).index("Exp")
    whole = [1.0] * len(operators)
    table = tool.operator_table(["one", "two"], [whole, [*whole[:place], 0.5, *whole[place + 1 :]]])
    assert table[2] == "| Add | all | all |  |"
    assert table[2 + place] == f"| Exp | all | 50.0 % | {tool.PARTS} |"
    assert table[-1] == "| explained | 18 of 18 | 17 of 18 | |"


@pytest.mark.parametrize(
    ("python", "said"),
    [(None, "no --stock-python was given"), ("nowhere", "--stock-python nowhere is no file")],
)
def test_without_its_python_tensorflow_1_15_is_skipped_with_a_sentence(page, capsys, python, said):

    assert len(list(page.stock_devices(python and Path(python)))) == 2
    assert capsys.readouterr().err == f"TensorFlow 1.15 is skipped: {said}\n"


def test_with_its_python_tensorflow_1_15_is_a_device_like_the_others(page, tmp_path):
    python = tmp_path / "python"
    python.touch()
    *_, last = page.stock_devices(python)
    assert (last.name, last.options["python"]) == ("cambricon", str(python))
