"""The pictures of a run: what it keeps and draws, with workers too, and that none of it decides a run."""

import numpy as np
import pytest
from PIL import Image
from support.picture_network import OUTPUT, SAMPLES, kept_pictures
from support.recurrent_network import SERIES, STEPS, kept_recurrent, with_series
from support.right_device import right_device
from support.suite_run import run_suite

from conformance import cli
from conformance.precision import parse_precision
from conformance.quantization.files import read_scales
from conformance.report.finished_run import FinishedRun, _grids, series_panels
from conformance.runs.directory import read_environment
from conformance.runs.outputs import output_path

PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
FUSED = "mlu and fused and not benchmark"


@pytest.fixture(scope="module")
def painted():
    return kept_pictures()


@pytest.fixture(scope="module")
def whole(painted, tmp_path_factory):
    """The fused tests in two workers and in one process."""
    root = tmp_path_factory.mktemp("whole")
    options = {"network": painted, "markers": FUSED}
    return (
        run_suite(root / "two", "--profile=ideal", workers=2, **options),
        run_suite(root / "one", "--profile=ideal", **options),
    )


def grids(run, kept):
    """Return the grids that a run's picture shows."""
    from conformance.precision import PRECISIONS as ALL

    finished = FinishedRun(run.directory, run.records, read_environment(run.directory).device)
    return _grids(finished, kept.store, ALL)


def right_results(kept, name):
    """Return what the ideal device makes of every sample at a precision."""
    store, precision = kept.store, parse_precision(name)
    graph, directory = store.network.graph, store.network.directory
    scales = read_scales(directory, precision.fixed_bits, graph)
    with right_device().open(graph, [OUTPUT], precision=precision, scales=scales) as session:
        return [session.run(store.network.feeds(sample))[OUTPUT] for sample in range(len(SAMPLES))]


def kept_files(run):
    root = run.directory / "outputs"
    return sorted(str(file.relative_to(root)) for file in root.rglob("*.npy"))


@pytest.mark.parametrize("which", [0, 1], ids=["two workers", "one process"])
def test_every_judged_picture_is_kept_and_drawn(whole, painted, which):
    run = whole[which]
    assert run.code == 0
    wanted = [f"painted/{name}/made%2Fup.{index}.npy" for name in PRECISIONS for index in range(len(SAMPLES))]
    assert kept_files(run) == sorted(wanted)
    assert not list(run.directory.rglob("*.part"))
    with Image.open(run.directory / "pictures/painted.png") as picture:
        assert picture.format == "PNG"
        assert 1000 < picture.width <= 2400
    (grid,) = grids(run, painted)
    assert [shown.precision for shown in grid.results] == list(PRECISIONS)
    for shown in grid.results:
        assert shown.judgement == "accepted"
        for value, result in zip(shown.values, right_results(painted, shown.precision), strict=True):
            assert np.array_equal(value, result)


def test_workers_draw_what_one_process_draws(whole):
    pictures = [np.asarray(Image.open(run.directory / "pictures/painted.png")) for run in whole]
    assert np.array_equal(*pictures)


def test_a_run_draws_its_pictures_again_without_a_device(whole, tmp_path, capsys):
    run = whole[1]
    assert cli.main(["show", f"--from-run={run.directory}", "-o", str(tmp_path / "again.png")]) == 0
    assert (tmp_path / "again.png").read_bytes() == (run.directory / "pictures/painted.png").read_bytes()
    assert "made/up  int8-fp16   accepted" in capsys.readouterr().out
    assert cli.main(["show", f"--from-run={run.directory}", "painted", "-o", str(tmp_path)]) == 0
    assert (tmp_path / "painted.png").is_file()
    assert cli.main(["show", f"--from-run={run.directory}", "other", "-o", str(tmp_path)]) == 4
    assert f"did not judge network 'other' (known: {'painted'})" in capsys.readouterr().err


DEVICES = """
import numpy as np
from suite.faulty_devices import FaultyDevice

def changed(change):
    def fault(results):
        return {name: change(value) for name, value in results.items()}
    return fault

def nan():
    def change(value):
        value = value.copy()
        value[0, 0, :, :] = np.nan
        return value
    return FaultyDevice(changed(change))

def nothing():
    return FaultyDevice(lambda results: {})

def dies():
    runs = []
    def fault(results):
        runs.append(None)
        if len(runs) > 1:
            raise RuntimeError("it burnt down")
        return results
    return FaultyDevice(fault, at="int8-fp16")
"""


@pytest.fixture
def faulty(painted, tmp_path, monkeypatch):
    """Run the fused tests on one of ``DEVICES``."""
    (tmp_path / "picture_devices.py").write_text(DEVICES)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(factory):
        device = f"--device=picture_devices:{factory}"
        return run_suite(tmp_path / "run", device, "--no-waivers", network=painted, markers=FUSED)

    return run


def test_nan_is_kept_and_shown(faulty, painted):
    run = faulty("nan")
    assert run.code == 1
    (grid,) = grids(run, painted)
    for shown in grid.results:
        assert (shown.judgement, shown.reached) == ("NOT accepted", None)
        assert all(np.isnan(value).any() for value in shown.values)
    assert (run.directory / "pictures/painted.png").is_file()


def test_a_missing_output_is_shown_as_missing(faulty, painted):
    run = faulty("nothing")
    assert run.code == 1
    assert kept_files(run) == []
    (grid,) = grids(run, painted)
    assert [shown.values for shown in grid.results] == [[None] * 3] * 4
    assert (run.directory / "pictures/painted.png").is_file()


def test_an_output_of_a_session_that_died_later_was_not_judged_and_is_not_shown(faulty, painted):
    run = faulty("dies")
    assert run.code == 1
    assert "painted/int8-fp16/made%2Fup.0.npy" in kept_files(run)
    (grid,) = grids(run, painted)
    first, *others = grid.results
    assert (first.judgement, first.values) == ("broken", [None] * 3)
    assert "it burnt down" in first.reason
    assert {shown.judgement for shown in others} == {"accepted"}


def test_a_run_of_other_tests_keeps_and_draws_nothing(painted, tmp_path, capsys):
    run = run_suite(tmp_path / "run", "--profile=ideal", network=painted, markers="mlu and own")
    assert run.code == 0
    assert not {"outputs", "pictures"} & {path.name for path in run.directory.iterdir()}
    assert cli.main(["show", f"--from-run={run.directory}"]) == 4
    assert "has nothing to show" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("where", "error"), [("drawn", MemoryError("no room")), ("save", OSError(28, "No space left on device"))]
)
def test_pictures_that_cannot_be_drawn_are_a_note_and_not_an_outcome(
    painted, tmp_path, monkeypatch, where, error
):
    def fails(*_):
        raise error

    monkeypatch.setattr(f"conformance.report.finished_run.{where}", fails)
    run = run_suite(tmp_path / "run", "--profile=ideal", network=painted, markers=FUSED)
    assert run.code == 0
    assert len(run.records) == 4
    assert "note: pictures of painted could not be drawn" in run.text
    assert f"`mlu-conformance show --from-run {run.directory}` draws them" in run.text


def test_outputs_that_cannot_be_kept_are_a_note_and_not_an_outcome(painted, tmp_path, monkeypatch):
    def fails(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("conformance.runs.outputs.write_atomically", fails)
    run = run_suite(tmp_path / "run", "--profile=ideal", network=painted, markers=FUSED)
    assert run.code == 0
    assert "No space left on device" in run.text
    (grid,) = grids(run, painted)
    assert {shown.judgement for shown in grid.results} == {"accepted"}
    assert all(value is None for shown in grid.results for value in shown.values)


@pytest.fixture(scope="module")
def recurrent(tmp_path_factory):
    """The chained errors of every node."""
    path = tmp_path_factory.mktemp("recurrent") / "run"
    return run_suite(path, "--nodes=all", network=kept_recurrent(), markers="mlu and chained")


def test_a_run_with_a_series_has_its_chart_and_its_table(recurrent):
    assert not (recurrent.directory / "outputs").exists()
    with Image.open(recurrent.directory / "pictures/recurrent-series.png") as picture:
        assert picture.width > 800
    assert "hidden state (rnn/step_*/h), root mean square error, SIMULATED:" in recurrent.text


def test_the_curves_are_those_of_the_records_at_every_step(recurrent):
    finished = FinishedRun(recurrent.directory, recurrent.records, {})
    (panel,) = series_panels(finished, kept_recurrent().store)
    assert [curve.precision for curve in panel.curves] == list(PRECISIONS)
    assert panel.steps == list(range(STEPS))
    errors = {(item.node, item.precision): item.metrics.mse for item in recurrent.records}
    for curve in panel.curves:
        for step, error in curve.errors.items():
            assert error**2 == pytest.approx(errors[f"rnn/step_{step}/h", curve.precision])


def test_a_run_that_judges_no_step_of_a_series_says_how_to(tmp_path):
    run = run_suite(tmp_path / "run", network=kept_recurrent(), markers="mlu and chained and int8 and fp16")
    assert "note: no node of [[series]] 'hidden state' of recurrent was judged" in run.text
    assert not (run.directory / "pictures").exists()


def test_a_series_that_fits_nothing_stops_the_run_before_it_starts(tmp_path):
    kept = with_series(tmp_path, SERIES.replace("/h", "/nothing"))
    run = run_suite(tmp_path / "run", network=kept, markers="mlu and chained")
    assert run.code == 4
    assert "[[series]] 'hidden state' in" in run.text
    assert "nodes 'rnn/step_*/nothing' match none" in run.text
    assert not run.directory.exists()


def test_the_files_of_an_output_are_named_after_network_precision_output_and_sample(tmp_path):
    path = output_path(tmp_path, "painted", "int8-fp16", OUTPUT, 2)
    assert path == tmp_path / "outputs/painted/int8-fp16/made%2Fup.2.npy"
