"""Speed on several cards, with a history, and in words."""

import math

import numpy as np
import pytest
from support.made_runs import Made, made_side, usual

from conformance.gating.result import TimedRun
from conformance.gating.speed import SLOWER, Sample, history_noise, judge_speed
from conformance.gating.statistics import Noise
from conformance.runs.finished import read_history


def sample(baseline, candidate, *, precision="int8-fp16"):
    """Return a sample of runs; each side gives seconds by card."""
    runs = [
        TimedRun(side=side, path="", card=card, seconds=seconds, rounds=5)
        for side, cards in (("baseline", baseline), ("candidate", candidate))
        for card, found in cards.items()
        for seconds in found
    ]
    return Sample("n", precision, runs, None)


def judged(*samples, slower=SLOWER, **more):
    found = judge_speed(samples, slower=slower, **more)
    return found[0] if len(found) == 1 else found


def around(center, noise=0.002, count=5, seed=0):
    return list(center * np.exp(np.random.default_rng(seed).normal(0, noise, count)))


def test_cards_are_compared_with_themselves():
    """One card is twice as fast; a side that ran more often on it is not faster for that."""
    found = judged(
        sample(
            {"slow": around(1.0), "fast": around(0.5, count=2)},
            {"slow": around(1.0, seed=1, count=2), "fast": around(0.5, seed=2)},
        )
    )
    assert found.word == "not slower"
    assert found.cards == ["slow", "fast"]
    assert abs(found.change) < 0.005


def test_several_cards_with_a_run_each_tell_by_how_they_differ():
    before = {str(card): [1.0 + 0.1 * card] for card in range(6)}
    after = {
        card: [seconds[0] * factor]
        for (card, seconds), factor in zip(before.items(), around(1.06, count=6), strict=True)
    }
    found = judged(sample(before, after))
    assert (found.word, found.noise_from) == ("slower", "cards")


def test_a_card_on_one_side_alone_says_nothing():
    found = judged(sample({"a": around(1.0)}, {"b": around(1.0)}))
    assert (found.word, found.change) == ("cannot tell", None)
    assert "no card is on both sides" in found.said


@pytest.mark.parametrize("side", ["baseline", "candidate"])
def test_a_side_that_was_not_timed(side):
    sides = {"baseline": {"a": around(1.0)}, "candidate": {"a": around(1.0)}} | {side: {}}
    assert f"the {side} was not timed" in judged(sample(**sides)).said


def test_faster_is_told_and_passes():
    found = judged(sample({"": around(1.0)}, {"": around(0.9, seed=1)}))
    assert (found.word, found.decides) == ("faster", "nothing")


def test_an_interval_around_the_limit_cannot_tell_and_says_how_many_runs_would():
    found = judged(sample({"": [0.99, 1.0, 1.01]}, {"": [1.01, 1.02, 1.03]}))
    assert found.word == "cannot tell"
    assert found.more_runs >= 1
    assert f"about {found.more_runs} more run" in found.said
    assert found.low < found.change < found.high


def test_exactly_equal_times_are_not_slower():
    found = judged(sample({"": [0.5] * 3}, {"": [0.5] * 3}))
    assert (found.word, found.change, found.detectable) == ("not slower", 0.0, 0.0)


def test_one_slow_timing_among_many_must_be_clearer():
    """Holm: what one test alone would call slower is not slower among twenty."""
    slow = sample({"": [0.98, 1.0, 1.02]}, {"": [1.05, 1.07, 1.09]})
    alone = judged(slow)
    assert alone.p < 0.05
    among = judged(
        slow, *(sample({"": around(1.0)}, {"": around(1.0, seed=1)}, precision=str(n)) for n in range(20))
    )
    assert alone.word == "slower"
    assert among[0].word == "cannot tell"
    assert among[0].holm == pytest.approx(21 * alone.p)


def test_lent_noise_judges_single_runs():
    lent = {("n", "int8-fp16"): Noise(0.003, 30)}
    assert judged(sample({"": [1.0]}, {"": [1.001]}), lent=lent).word == "not slower"
    assert judged(sample({"": [1.0]}, {"": [1.06]}), lent=lent).word == "slower"


def test_a_history_lends_what_equal_runs_of_the_same_model_differ_by(tmp_path):
    times = [0.01, 0.0101, 0.0099]
    made = [
        Made(usual(), {"int8-fp16": seconds * factor}, {"driver": driver, "serial": serial})
        for factor, driver, serial in ((1, "1.0.0", "a"), (2, "2.0.0", "a"), (3, "1.0.0", "b"))
        for seconds in times
    ]
    made.append(Made(usual(), {"int8-fp16": 9.0}, {"model": "MLU220"}))
    runs = read_history([made_side(tmp_path / "history", made)]).runs
    noise = history_noise(runs, "MLU270")["n", "int8-fp16"]
    assert noise.freedom == 6
    assert noise.deviation == pytest.approx(np.std(np.log(times), ddof=1))
    assert history_noise(runs, "MLU290") == {}


@pytest.mark.parametrize("slower", [0.001, 0.01])
def test_a_limit_that_the_user_demands_lies_above_the_noise(slower):
    from conformance.errors import UsageError

    noisy = sample({"": around(1.0, 0.02)}, {"": around(1.0, 0.02, seed=1)})
    with pytest.raises(UsageError, match="is below the noise between runs of n at int8-fp16"):
        judged(noisy, slower=slower, demanded=True)
    assert judged(noisy, slower=slower).word == "cannot tell"


def test_means_are_geometric():
    found = judged(sample({"": [1.0, 4.0]}, {"": [2.0, 2.0]}))
    assert (found.baseline, found.candidate) == (pytest.approx(2.0), pytest.approx(2.0))
    assert math.isfinite(found.high)
