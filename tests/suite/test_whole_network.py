"""Chained, fused and timed tests find a network that is wrong as a whole, and a device that cheats."""

import json
import re

import pytest
from support.kept_network import KEY_NODES

PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
WHOLE_TESTS = ("test_chained_errors", "test_fused_outputs", "test_fused_speed")
CALIBRATION = ("test_scales[small-int8]", "test_scales[small-int16]")


def test_a_clean_device_passes_everything_and_every_output_is_judged(run):
    result = run("FaultyDevice", markers="mlu")
    assert result.code == 0
    assert {name for name, outcome in result.outcomes.items() if outcome != "passed"} == set(CALIBRATION)
    modes = [record.mode for record in result.records]
    assert (modes.count("own"), modes.count("chained"), modes.count("fused")) == (
        4 * KEY_NODES,
        4 * KEY_NODES,
        8,
    )
    assert {record.outcome for record in result.records if record.mode == "chained"} == {"measured"}
    assert all(record.metrics and not record.bounds for record in result.records if record.mode == "chained")
    assert all(record.acceptance and record.reached for record in result.records if record.mode == "fused")
    compared = [record for record in result.records if record.mode != "calibration"]
    assert all(record.seconds > 0 and len(record.sha256) >= 2 for record in compared)


def test_tests_run_from_the_finest_judgement_on_and_what_was_judged_is_timed_at_once(run):
    names = list(run("FaultyDevice", markers="mlu").outcomes)
    chained, *fused = ([f"{test}[small-{precision}]" for precision in PRECISIONS] for test in WHOLE_TESTS)
    pairs = [name for pair in zip(*fused, strict=True) for name in pair]
    assert names[4 * KEY_NODES :] == [*chained, *pairs, *CALIBRATION]
    for place, precision in enumerate(PRECISIONS):
        assert all(name.endswith(precision) for name in names[KEY_NODES * place : KEY_NODES * (place + 1)])


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("upside_down", "reaches a cosine of"),
        ("without_image", "reaches a cosine of 0, but at least 0.99 is accepted"),
        ("output_nan", "has 1 NaN"),
        ("output_dropped", "is missing"),
    ],
)
def test_a_wrong_output_fails_the_fused_and_the_timed_test(run, device, sentence):
    result = run(device, markers="mlu and fused")
    assert result.code == 1
    assert result.failed == {
        f"{test}[small-{precision}]" for test in WHOLE_TESTS[1:] for precision in PRECISIONS
    }
    assert all(sentence in "; ".join(record.reasons) for record in result.records)
    assert [record.outcome for record in result.records] == ["deviates"] * 8
    assert result.text.count("small/out-int8-fp16-fused deviates: ") == 1
    again = "small/out-int8-fp16-fused-timed deviates, as the same output does when it is not timed"
    assert result.text.count(again) == 1, "the terminal says a deviation once"


@pytest.mark.parametrize("device", ["dropped", "one_nan", "broadcastable"])
def test_the_chained_test_measures_but_does_not_let_through_what_is_no_number(run, device):
    result = run(device, markers="mlu and chained")
    assert result.code == 1
    assert result.failed == {f"test_chained_errors[small-{precision}]" for precision in PRECISIONS}
    assert result.cases("deviates") == {f"wide/Conv2D-{precision}" for precision in PRECISIONS}
    assert len(result.cases("measured")) == 4 * (KEY_NODES - 1)


def test_the_chained_test_has_no_opinion_on_the_size_of_an_error(run):
    result = run("doubled", markers="mlu and (chained or own)")
    assert not {name for name in result.failed if "chained" in name}
    assert result.cases("measured")


def test_errors_that_were_only_measured_are_no_pass(run):
    result = run("FaultyDevice", markers="mlu and chained")
    assert (result.code, result.failed) == (3, set())
    assert "nothing was judged" in result.text


def test_results_that_are_handed_out_again_are_found_while_they_are_timed(run):
    result = run("stale", markers="mlu and benchmark")
    assert result.code == 1
    assert len(result.failed) == 4
    assert re.search(r"out \(run \d, sample \d\) reaches a cosine", result.text)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("TiringDevice", "out-int8-fp16-fused-timed is broken: overheated"),
        ("crash_in_run", "out-int8-fp16-fused-timed is broken: the card fell off the bus"),
        ("crash_in_open", "is broken: the device raised RuntimeError: no such firmware"),
        ("no_mapping", "is broken: the device returned a list"),
        ("no_time", "is broken: the device says that the run took 0.0 seconds"),
    ],
)
def test_a_device_that_breaks_under_the_clock_is_a_finding_and_no_figure(run, device, sentence):
    result = run(device, markers="mlu and benchmark")
    assert result.code == 1
    assert result.failed == {f"test_fused_speed[small-{precision}]" for precision in PRECISIONS}
    assert [record.outcome for record in result.records] == ["broken"] * 4
    assert sentence in result.text
    assert "Traceback" not in result.text
    assert not (result.directory / "benchmark.json").exists()


def test_what_is_not_offered_is_not_timed(run):
    result = run("unsupported_int8", markers="mlu and benchmark")
    assert result.code == 0
    assert sorted(result.outcomes.values()) == ["passed", "passed", "skipped", "skipped"]
    timed = json.loads((result.directory / "benchmark.json").read_text())["benchmarks"]
    assert [item["params"] for item in timed] == [
        {"network": "small", "precision": precision} for precision in ("int16-fp16", "int16-fp32")
    ]
