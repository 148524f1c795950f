"""Time by phase: an inner phase interrupts the outer one, and whatever is raised ends it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.evaluation.stopwatch import PHASES, Stopwatch

Steps = st.recursive(
    st.floats(0, 1e3, allow_nan=False),
    lambda inner: st.tuples(st.sampled_from(PHASES), st.lists(inner, max_size=4)),
    max_leaves=20,
)


@given(st.sampled_from(PHASES), st.lists(Steps, max_size=5))
def test_every_moment_belongs_to_the_innermost_phase(outermost, steps):
    expected = dict.fromkeys(PHASES, 0.0)
    now = 0.0
    stopwatch = Stopwatch(lambda: now)

    def live(step, phase):
        nonlocal now
        if isinstance(step, float):
            now += step
            expected[phase] += step
            return
        with stopwatch.during(step[0]):
            for part in step[1]:
                live(part, step[0])

    live((outermost, steps), None)
    assert stopwatch.seconds == pytest.approx(expected)
    assert sum(stopwatch.seconds.values()) == pytest.approx(now)


def test_an_error_ends_its_phase_and_the_outer_one_goes_on():
    clock = iter(range(100))
    stopwatch = Stopwatch(lambda: next(clock))
    with stopwatch.during("prepare"):
        with pytest.raises(KeyError), stopwatch.during("device"):
            raise KeyError
        with stopwatch.during("device"):
            pass
    assert stopwatch.seconds == {"prepare": 3, "compile": 0, "device": 2, "judge": 0, "write": 0}
    assert stopwatch.runs == 2


@pytest.mark.parametrize(
    ("here", "beside", "expected"),
    [("judge", "device", "device"), ("judge", "compile", "judge"), (None, "compile", "compile")],
)
def test_of_two_threads_at_the_same_time_one_counts(here, beside, expected):
    now = 0.0
    stopwatch = Stopwatch(lambda: now)
    begun, ended = threading.Event(), threading.Event()

    def other():
        with stopwatch.during(beside):
            begun.set()
            ended.wait()

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    if here is None:
        now = 2.0
    else:
        with stopwatch.during(here):
            now = 2.0
    ended.set()
    thread.join()
    assert {phase: seconds for phase, seconds in stopwatch.seconds.items() if seconds} == {expected: 2.0}
