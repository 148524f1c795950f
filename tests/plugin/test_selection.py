"""Which cases a run has, and that finding out needs no TensorFlow."""

import pytest
from support.fresh_python import without_tensorflow
from support.kept_network import KEY_NODES
from support.suite_run import run_suite

from conformance.plugin.selection import sessions_of
from conformance.precision import parse_precision


def test_collecting_beautygan_imports_no_tensorflow_and_opens_nothing(tmp_path):
    code = "import pytest; assert pytest.main(sys.argv[1:]) == 0"
    text, _ = without_tensorflow(code, "--collect-only", "-q", "-m", "mlu", f"--run-dir={tmp_path / 'run'}")
    cases = [line.partition("::")[2] for line in text.splitlines() if "::" in line]
    own = [case for case in cases if case.startswith("test_node[")]
    assert len(own) == len(set(own)) == 91 * 4
    assert cases[: len(own)] == own
    assert len(cases) == len(own) + 12 + 2  # chained, fused, timed; calibration
    assert own[0] == "test_node[beautygan/generator/conv2d/Conv2D-int8-fp16]"
    assert "test_node[beautygan/generator/xs-int16-fp32]" in own
    assert not (tmp_path / "run").exists()


def test_the_command_lines_help_imports_no_tensorflow():
    code = "import conformance.cli as cli\ntry:\n    cli.main(['--help'])\nexcept SystemExit:\n    pass"
    assert "quantize" in without_tensorflow(code)[0]


@pytest.mark.parametrize(
    ("markers", "precisions", "tests", "widths"),
    [
        ("mlu", 4, 4, 2),
        ("mlu and int16 and fp32", 1, 4, 0),
        ("mlu and int8", 2, 4, 1),
        ("mlu and fp16 and not own", 2, 3, 0),
        ("mlu and own", 4, 1, 0),
        ("mlu and chained", 4, 1, 0),
        ("mlu and fused", 4, 2, 0),
        ("mlu and benchmark", 4, 1, 0),
        ("mlu and calibration", 0, 0, 2),
        ("fused and not benchmark and int8 and fp16", 1, 1, 0),
    ],
)
def test_markers_select(network, tmp_path, markers, precisions, tests, widths):
    result = run_suite(tmp_path / "run", "--collect-only", "-q", network=network, markers=markers)
    own = KEY_NODES if "own" in markers.replace("not own", "") or tests == 4 else 0
    whole = tests - (own > 0)
    assert result.code == 0
    assert result.text.count("::test_") == precisions * (own + whole) + widths


def test_a_marker_that_does_not_exist_is_an_error(network, tmp_path):
    result = run_suite(tmp_path / "run", "--strict-markers", network=network, markers="mlu and int32")
    assert result.code != 0


def test_a_selected_precision_alone_runs(network, tmp_path):
    result = run_suite(tmp_path / "run", "--profile=ideal", network=network, markers="mlu and int16 and fp32")
    assert result.code == 0
    assert {record.precision for record in result.records} == {"int16-fp32"}
    assert len(result.outcomes) == KEY_NODES + 3


def test_suite_tests_come_first_and_other_tests_keep_their_order(pytester_like):
    assert pytester_like == ["own", "chained", "fused", "benchmark", "second", "first"]


@pytest.fixture
def pytester_like():
    """Names of stand-ins for tests after they were ordered."""
    from conformance.plugin.selection import pytest_collection_modifyitems

    class Item:
        def __init__(self, name, *markers):
            self.name, self.markers = name, markers

        def get_closest_marker(self, name):
            return name if name in self.markers else None

    class Config:
        stash = pytest.Stash()

    items = [
        Item("second"),
        Item("benchmark", "mlu", "fused", "benchmark"),
        Item("fused", "mlu", "fused"),
        Item("own", "mlu", "own"),
        Item("first", "benchmark"),
        Item("chained", "mlu", "chained"),
    ]
    pytest_collection_modifyitems(Config(), items)
    return [item.name for item in items]


def test_sessions_are_foreseen_in_the_order_of_tests_but_for_what_is_timed(network, tmp_path):
    class Listener:
        def pytest_collection_finish(self, session):
            found.extend(sessions_of(session.items, "small"))

    found = []
    selected = "mlu and (int8 and (own or chained or fused) or benchmark or calibration)"
    run_suite(tmp_path / "run", "--collect-only", network=network, markers=selected, plugins=[Listener()])
    int8 = [parse_precision("int8-fp16"), parse_precision("int8-fp32")]
    planned = [(mode, precision) for mode in ("own", "chained") for precision in int8]
    fused = [entry for precision in int8 for entry in (("fused", precision), None)]
    assert found == [*planned, *fused, *found[len(planned) + len(fused) :]]
    assert set(found[len(planned) + len(fused) :]) == {None}
