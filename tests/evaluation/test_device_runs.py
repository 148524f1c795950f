"""What a device returns is checked before it is believed; what it raises is sorted."""

import hashlib
import math
import types

import numpy as np
import pytest

from conformance.devices.base import DeviceError, DeviceLost, SessionBase, Unsupported
from conformance.errors import GoldenError, UsageError
from conformance.evaluation.device_runs import DeviceRun, Stopwatch, problem_of, sha256_of
from conformance.judging.findings import Problem


class Session(SessionBase):
    def __init__(self, results, seconds=1.0, **said):
        self.results, self.device_seconds, self.fed = results, seconds, None
        vars(self).update(said)

    def run(self, feeds):
        self.fed = feeds
        if isinstance(self.results, Exception):
            raise self.results
        return self.results


def run(results, seconds=1.0):
    """Return what one run of a session returned, and its device seconds; raise what it raised."""
    with DeviceRun(lambda: Session(results, seconds)) as attempt:
        return attempt({}), attempt.seconds
    raise attempt.error


@pytest.mark.parametrize("kind", [dict, types.MappingProxyType])
def test_results_are_handed_on_in_a_dictionary_of_our_own(kind):
    given = {"a": np.ones(2)}
    results, seconds = run(kind(given), 0.25)
    assert seconds == 0.25
    results.pop("a")
    assert "a" in given


@pytest.mark.parametrize(
    ("results", "kind"), [(None, "NoneType"), ([np.ones(2)], "list"), (np.ones(2), "ndarray")]
)
def test_what_is_no_mapping_is_a_device_error(results, kind):
    with pytest.raises(DeviceError, match=f"returned a {kind}, but should return a mapping"):
        run(results)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1e-9, None, "1", 1j])
def test_a_time_that_is_none_is_a_device_error(seconds):
    with pytest.raises(DeviceError, match="should give a number >= 0"):
        run({}, seconds)


@pytest.mark.parametrize("seconds", [0, 1, np.float32(0.5), np.int64(2)])
def test_any_number_is_a_time(seconds):
    assert run({}, seconds)[1] == float(seconds)


def test_feeds_cannot_be_written():
    fed = {"x": np.zeros(3, np.float32)}
    session = Session({})
    with DeviceRun(lambda: session) as attempt:
        attempt(fed)
    with pytest.raises(ValueError, match="read-only"):
        session.fed["x"][0] = 1
    fed["x"][0] = 1  # ours stays ours
    assert session.fed["x"].base is fed["x"]


def test_time_that_the_device_takes_is_counted_even_if_it_breaks():
    clock = iter([0.0, 0.5, 1.0, 3.0, 8.0, 9.5, 10.0, 14.0])
    stopwatch = Stopwatch(lambda: next(clock))
    for results in ({}, RuntimeError()):
        with DeviceRun(lambda results=results: Session(results), stopwatch) as attempt:
            attempt({})
    assert isinstance(attempt.error, RuntimeError)
    assert (stopwatch.seconds["compile"], stopwatch.seconds["device"], stopwatch.runs) == (2.0, 6.0, 2)


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (Unsupported("no int8"), Problem("unsupported", "no int8")),
        (DeviceError("lost"), Problem("broken", "lost")),
        (UsageError("bad graph"), Problem("broken", "bad graph")),
        (RuntimeError("lost"), Problem("broken", "the device raised RuntimeError: lost")),
        (SystemExit(3), Problem("broken", "the device raised SystemExit: 3")),
        (DeviceError(), Problem("broken", "the device raised DeviceError and said no more")),
        (Unsupported(), Problem("unsupported", "the device raised Unsupported and said no more")),
    ],
)
def test_what_a_device_raises_is_sorted(error, problem):
    assert problem_of(error) == problem


def test_problems_of_a_session_are_sorted_and_most_sessions_have_none():
    problems = {"a": DeviceError("lost"), "b": Unsupported("no int8")}
    with DeviceRun(lambda: Session({}, problems=problems)) as attempt:
        attempt({})
    assert attempt.problems("abc") == {"a": Problem("broken", "lost"), "b": Problem("unsupported", "no int8")}
    with DeviceRun(lambda: Session({})) as attempt:
        attempt({})
    assert (attempt.problem, attempt.problems("abc")) == (None, {})


def test_after_an_error_no_fetch_has_a_result_and_the_session_is_closed():
    session = Session(DeviceError("hot"))
    session.close = lambda: setattr(session, "closed", True)
    with DeviceRun(lambda: session) as attempt:
        attempt({})
    assert attempt.problems("ab") == dict.fromkeys("ab", Problem("broken", "hot"))
    assert session.closed


def test_that_a_device_is_lost_goes_over_what_it_raised_before():
    session, lost = Session(DeviceError("hot")), DeviceLost("gone")
    session.close = lambda: (_ for _ in ()).throw(lost)
    with DeviceRun(lambda: session) as attempt:
        attempt({})
    assert (attempt.error, attempt.lost) == (lost, lost)


@pytest.mark.parametrize("name", ["run", "close", "notes", "problems", "incidents"])
def test_what_is_no_session_is_named_with_what_it_lacks(name):
    names = {"run", "close", "notes", "problems", "incidents"} - {name}
    with DeviceRun(lambda: types.SimpleNamespace(**dict.fromkeys(names))) as attempt:
        attempt({})
    assert f"opened an object of type SimpleNamespace, which lacks {name}; let it inherit" in str(
        attempt.error
    )


def test_an_interrupt_is_nothing_that_a_device_did():
    attempt = DeviceRun(lambda: Session({}))
    with pytest.raises(KeyboardInterrupt), attempt:
        raise KeyboardInterrupt
    assert attempt.error is None


def test_runs_are_counted_even_if_they_break():
    stopwatch = Stopwatch()
    for results in ({}, RuntimeError()):
        with DeviceRun(lambda results=results: Session(results), stopwatch) as attempt:
            attempt({})
    assert isinstance(attempt.error, RuntimeError)
    assert stopwatch.runs == 2


def test_a_damaged_golden_is_no_problem_of_the_device():
    with pytest.raises(GoldenError, match="damaged"):
        problem_of(GoldenError("damaged"))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0,)])
def test_the_digest_is_of_the_bytes(dtype, shape):
    value = np.ones(shape, dtype)
    assert sha256_of(value) == [hashlib.sha256(value.tobytes()).hexdigest()]
    assert sha256_of(np.asfortranarray(value)) == sha256_of(value)


def test_a_scalar_has_a_digest_and_what_is_no_array_of_numbers_has_none():
    assert sha256_of(np.float32(1)) == [hashlib.sha256(np.float32(1).tobytes()).hexdigest()]
    assert sha256_of(None) == sha256_of([1.0]) == sha256_of("text") == sha256_of(np.array([object()])) == []
