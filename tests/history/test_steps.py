"""Steps: what was changed on purpose first, what figures show next, each with what else changed there."""

import math

import numpy as np
import pytest

from conformance.history.figures import figures
from conformance.history.steps import Course, steps_of

BY_NAME = {figure.name: figure for figure in figures(0.03)}
BEFORE = {"device.driver": "4.20.6", "machine.cpu": "a"}
AFTER = BEFORE | {"device.driver": "4.20.11"}


def course(values, place=None, after=AFTER, name="seconds"):
    """Return a course whose environment changes at a place."""
    last = len(values) if place is None else place
    environments = [BEFORE if number < last else after for number in range(len(values))]
    return Course(BY_NAME[name], range(len(values)), np.array(values, dtype=float), environments)


def times(*levels, noise=0.01, seed=1):
    random = np.random.default_rng(seed)
    return np.concatenate([level * np.exp(random.normal(0, noise, runs)) for level, runs in levels])


def test_a_slower_driver_is_named_in_85_of_100_histories_and_hardly_ever_without_reason():
    """Issue: +5 % five runs before the end, at 1 % noise between runs."""
    found = false = 0
    for seed in range(200):
        steps = steps_of(course(times((0.01, 25), (0.0105, 5), seed=seed), 25))
        found += any(
            (step.run, step.judged) == (25, "worse") and "driver 4.20.6 -> 4.20.11" in step.sentence
            for step in steps
        )
        null = steps_of(course(times((0.01, 30), seed=1000 + seed), 25))
        false += any(step.judged in ("worse", "better") for step in null)
    assert found >= 0.85 * 200
    assert false <= 0.03 * 200


def test_a_known_step_has_its_figures():
    (step,) = steps_of(course(times((0.01, 25), (0.0105, 5)), 25))
    assert (step.known, step.run, step.last) == (["driver"], 25, 24)
    assert (step.runs_before, step.runs_after) == (25, 5)
    assert step.before == pytest.approx(0.01, rel=0.01)
    assert step.change == pytest.approx(step.after / step.before - 1)
    assert step.low < step.change < step.high
    assert [(item.name, item.before, item.after) for item in step.differences] == [
        ("device.driver", "4.20.6", "4.20.11")
    ]


def test_a_driver_that_changes_nothing_is_told_as_that():
    (step,) = steps_of(course(times((0.01, 40)), 20))
    assert (step.judged, step.p) == ("same", None)


def test_too_few_runs_after_a_driver_are_not_judged():
    (step,) = steps_of(course(times((0.01, 25), (0.02, 1)), 25))
    assert (step.judged, step.low, step.high) == ("cannot tell", None, None)
    assert ", which cannot be told yet (25 + 1 runs): 3 runs a side are needed" in step.sentence


def test_a_faster_driver_is_better():
    (step,) = steps_of(course(times((0.01, 25), (0.009, 5)), 25))
    assert step.judged == "better"


def test_more_of_what_should_be_high_is_better():
    (step,) = steps_of(course([40.0] * 5 + [50.0] * 5, 5, name="psnr"))
    assert (step.judged, step.change, step.low) == ("better", 10.0, None)


def test_a_step_without_label_says_what_else_changed():
    (step,) = steps_of(course(times((0.01, 25), (0.011, 10)), 25, BEFORE | {"machine.cpu": "b"}))
    assert (step.known, step.run, step.judged) == ([], 25, "worse")
    assert step.p < 0.01
    assert step.sentence.endswith("; machine.cpu a -> b")


def test_a_step_without_any_reason_says_that():
    (step,) = steps_of(course(times((0.01, 25), (0.011, 10))))
    assert (step.run, step.differences) == (25, [])
    assert step.sentence.endswith("; nothing recorded changed")


def test_what_changed_one_run_later_is_not_lost():
    (step,) = steps_of(course(times((0.01, 25), (0.011, 10)), 26, BEFORE | {"machine.cpu": "b"}))
    assert step.run == 25
    assert step.sentence.endswith("; one run later: machine.cpu a -> b")


def test_a_step_before_a_new_driver_is_not_blamed_on_it():
    steps = steps_of(course(times((0.01, 20), (0.011, 20)), 30))
    assert [(step.run, step.known, step.judged) for step in steps] == [
        (20, [], "worse"),
        (30, ["driver"], "same"),
    ]


def test_errors_that_never_vary_need_one_run_to_differ():
    (step,) = steps_of(course([0.5] * 4 + [0.9], 4, name="share"))
    assert (step.judged, step.low, step.p) == ("worse", None, None)
    assert step.change == pytest.approx(0.8)


def test_one_run_a_side_shows_nothing_of_how_exact_a_figure_is():
    (step,) = steps_of(course([0.5, 0.9], 1, name="share"))
    assert step.judged == "cannot tell"


def test_times_that_happen_to_be_equal_are_still_noisy():
    (step,) = steps_of(course([0.01, 0.01, 0.02, 0.02], 2))
    assert step.judged == "cannot tell"


@pytest.mark.parametrize(
    ("name", "values"), [("seconds", times((0.01, 20), (0.012, 1))), ("share", [0.5] * 9 + [0.9])]
)
def test_a_last_run_unlike_all_before_is_told_and_not_judged(name, values):
    (step,) = steps_of(course(values, name=name))
    assert (step.run, step.judged, step.low, step.p) == (len(values) - 1, "cannot tell", None, None)
    assert "3 runs a side are needed; nothing recorded changed" in step.sentence


def test_a_last_run_like_those_before_is_no_news():
    told = sum(bool(steps_of(course(times((0.01, 20), seed=seed)))) for seed in range(200))
    assert told <= 0.03 * 200


def test_a_history_of_one_run_has_no_steps():
    assert steps_of(course([0.01])) == []


def test_every_figure_says_what_it_is():
    for figure in BY_NAME.values():
        values = figure.scaled(np.array([0.0, 0.25, 400.0]))
        assert np.isfinite(values).all()
        assert figure.level(float(values[1])) == pytest.approx(0.25)
        assert figure.change(figure.scaled_effect) == pytest.approx(figure.effect)
    assert BY_NAME["seconds"].value_in_words(0.0123) == "12.3 ms"
    assert BY_NAME["seconds"].change_in_words(math.e - 1) == "+172 %"
    assert BY_NAME["share"].change_in_words(99.0) == "x 100"
    assert BY_NAME["psnr"].value_in_words(400.0) == "exact"
    assert BY_NAME["share"].value_in_words(1e9) == "no number"
    assert BY_NAME["psnr"].change_in_words(-9.94) == "-9.94 dB"
