"""Timing: the device's own clock, the samples in turn, and every timed output judged."""

import numpy as np
import pytest
from support.right_device import right_device
from support.small_evaluation import evaluate

from conformance.devices.base import DeviceError, DeviceInfo, DeviceLost, SessionBase, Unsupported
from conformance.evaluation.timing import DEVICE_CLOCK, NothingToTime, time_fused
from conformance.precision import parse_precision

INT8 = parse_precision("int8-fp16")


class PacedDevice:
    """Says that its runs took these seconds; ``None`` means that it breaks."""

    def __init__(self, *seconds, simulated=True, opening=None, model="P1"):
        self._model = model
        self.seconds, self.fed, self.opened, self.closed = iter(seconds), [], 0, 0
        self._simulated, self._opening = simulated, opening

    def info(self):
        return DeviceInfo(kind="paced", model=self._model, simulated=self._simulated)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        if self._opening:
            raise self._opening
        self.asked, self.opened = (tuple(fetches), fuse), self.opened + 1
        inner = right_device().open(graph, fetches, precision=precision, scales=scales)
        return PacedSession(inner, self)

    def close(self):
        """Nothing to free."""


class PacedSession(SessionBase):
    def __init__(self, inner, device):
        self._inner, self._device, self.device_seconds = inner, device, 0.0

    def run(self, feeds):
        self._device.fed.append(feeds["X"])
        seconds = next(self._device.seconds)
        if seconds is None:
            raise OSError("overheated")
        self.device_seconds = seconds
        return self._inner.run(feeds)

    def close(self):
        self._inner.close()
        self._device.closed += 1


def test_the_clock_advances_by_what_the_device_says_and_not_while_it_warms_up():
    device = PacedDevice(100.0, 0.5, 0.25, 0.75)
    start = DEVICE_CLOCK()
    times = []
    with time_fused(evaluate(device), INT8) as timed:
        for _ in range(3):
            timed.run()
            times.append(DEVICE_CLOCK() - start)
    assert times == pytest.approx([0.5, 0.75, 1.5])
    (finding,) = timed.findings()
    assert finding.seconds == 0.25
    assert device.closed == 1
    assert device.asked == (("out",), True)


def test_the_samples_take_turns_and_each_output_is_compared_with_its_own_golden():
    device = PacedDevice(1, 1, 1, 1)
    evaluation = evaluate(device)
    with time_fused(evaluation, INT8) as timed:
        for _ in range(3):
            timed.run()
    inputs = [evaluation.network.feeds(sample)["X"] for sample in (0, 1)]
    fed = [next(s for s in (0, 1) if np.allclose(x, inputs[s], rtol=1e-5)) for x in device.fed]
    assert fed == [0, 1, 0, 1]
    assert len({x.tobytes() for x in device.fed}) == 4  # none can be answered from memory
    (finding,) = timed.findings()
    assert (finding.state, finding.verdict.outcome, len(finding.sha256)) == ("judged", "conforms", 3)
    assert finding.sha256[0] == finding.sha256[2] != finding.sha256[1]
    assert finding.case.mode == "fused"


@pytest.mark.parametrize(
    ("device", "state", "reason"),
    [
        (PacedDevice(opening=Unsupported("no int8")), "unsupported", "no int8"),
        (PacedDevice(opening=RuntimeError("stuck")), "broken", "the device raised RuntimeError: stuck"),
        (PacedDevice(None), "broken", "the device raised OSError: overheated"),
        (PacedDevice(1.0, 1.0, None), "broken", "the device raised OSError: overheated"),
        (PacedDevice(1.0, 0.0), "broken", "took 0.0 seconds, so there is no speed to judge"),
        (PacedDevice(1.0, -1.0), "broken", "should give a number >= 0"),
        (
            PacedDevice(1.0, 1.0, 1e-12, model="MLU270"),
            "broken",
            "took 1e-12 seconds, but one core of an MLU270",
        ),
    ],
)
def test_a_device_that_gives_no_time_ends_the_benchmark_and_is_a_finding(device, state, reason):
    finished = False
    with time_fused(evaluate(device), INT8) as timed:
        for _ in range(3):
            timed.run()
        finished = True
    assert not finished
    (finding,) = timed.findings()
    assert (finding.state, finding.verdict, finding.seconds) == (state, None, None)
    assert reason in finding.reason
    with pytest.raises(NothingToTime):
        timed.run()


class TroubledDevice(PacedDevice):
    """Says something of its session from a moment on."""

    def __init__(self, at, error=None, **said):
        super().__init__(*[1.0] * 9)
        self._at, self._error, self._said = at, error, said

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = super().open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        run, close, runs = session.run, session.close, iter(range(9))
        session.run = lambda feeds: self._then(session, run(feeds), next(runs))
        session.close = lambda: self._then(session, close(), "close")
        return session

    def _then(self, session, result, at):
        if at == self._at:
            vars(session).update(self._said)
            if self._error:
                raise self._error
        return result


@pytest.mark.parametrize("at", [0, 2])
def test_a_fetch_that_the_session_goes_on_without_is_not_timed(at):
    with time_fused(evaluate(TroubledDevice(at, problems={"out": DeviceError("SIGSEGV")})), INT8) as timed:
        for _ in range(3):
            timed.run()
    (finding,) = timed.findings()
    assert (finding.state, finding.reason, finding.seconds) == ("broken", "SIGSEGV", None)


@pytest.mark.parametrize("at", [0, 3, "close"])
def test_an_incident_is_heard_whenever_it_happens_and_is_no_finding(at):
    evaluation = evaluate(TroubledDevice(at, incidents=["it smoked"]))
    with time_fused(evaluation, INT8) as timed:
        for _ in range(3):
            timed.run()
    assert evaluation.incidents == ["it smoked"]
    assert [finding.state for finding in timed.findings()] == ["judged"]


@pytest.mark.parametrize("at", [0, 2, "close"])
def test_a_device_that_is_lost_is_remembered(at):
    error = DeviceLost("3 starts failed")
    evaluation = evaluate(TroubledDevice(at, error))
    with time_fused(evaluation, INT8) as timed:
        for _ in range(3):
            timed.run()
    assert evaluation.lost is error
    assert [(finding.state, finding.reason) for finding in timed.findings()] == [("broken", str(error))]


@pytest.mark.parametrize("said", [{"problems": 7}, {"incidents": 7}])
def test_what_nobody_understands_is_a_problem_too(said):
    with time_fused(evaluate(TroubledDevice("close", **said)), INT8) as timed:
        for _ in range(3):
            timed.run()
    assert [finding.state for finding in timed.findings()] == ["broken"]


def test_a_session_that_broke_is_closed_all_the_same():
    device = PacedDevice(1.0, None)
    with time_fused(evaluate(device), INT8) as timed:
        timed.run()
    assert device.closed == 1


@pytest.mark.parametrize(
    ("simulated", "group"),
    [(True, "fused small on paced (P1, SIMULATED)"), (False, "fused small on paced (P1)")],
)
def test_emulated_and_real_times_are_told_apart(simulated, group):
    with time_fused(evaluate(PacedDevice(1.0, simulated=simulated)), INT8) as timed:
        assert timed.group == group
        about = timed.description()
    assert about["simulated"] is simulated
    assert (about["device"], about["model"], about["precision"], about["cores"]) == (
        "paced",
        "P1",
        "int8-fp16",
        1,
    )
    assert about["roofline"] is None


def kept(device):
    return evaluate(device, keep_fused=True)


def test_what_was_judged_is_timed_in_the_session_that_it_was_judged_in():
    device = PacedDevice(100, 100, 0.5, 0.25, 0.75)
    evaluation = kept(device)
    judged = evaluation.fused(INT8)["out"]
    assert device.closed == 0
    with time_fused(evaluation, INT8) as timed:
        for _ in range(3):
            timed.run()
    (finding,) = timed.findings()
    assert (judged.seconds, finding.seconds) == (200, 0.25)
    assert (len(device.fed), device.opened, device.closed) == (5, 1, 1)  # it was warm already


def test_without_a_judgement_or_after_a_rest_it_is_opened_and_warmed_up():
    device = PacedDevice(*[1] * 9)
    evaluation = kept(device)
    evaluation.fused(INT8)
    evaluation.rest()
    assert (device.opened, device.closed) == (1, 1)
    with time_fused(evaluation, INT8) as timed:
        timed.run()
    assert (len(device.fed), device.opened, device.closed) == (4, 2, 2)


def test_one_session_is_kept_at_a_time():
    device = PacedDevice(*[1] * 9)
    evaluation = kept(device)
    evaluation.fused(INT8)
    evaluation.fused(parse_precision("int8-fp32"))
    assert (device.opened, device.closed) == (2, 1)
    evaluation.rest()
    evaluation.rest()
    assert (device.opened, device.closed) == (2, 2)


def test_a_device_that_broke_while_it_was_judged_is_not_timed():
    device = PacedDevice(1, None)
    evaluation = kept(device)
    assert evaluation.fused(INT8)["out"].state == "broken"
    with time_fused(evaluation, INT8) as timed:
        timed.run()
    (finding,) = timed.findings()
    assert finding.reason == "the device raised OSError: overheated"
    assert (len(device.fed), device.opened, device.closed) == (2, 1, 1)


def test_a_session_that_breaks_while_it_is_closed_is_an_incident(monkeypatch):
    evaluation = kept(PacedDevice(1, 1))
    assert evaluation.fused(INT8)["out"].verdict.outcome == "conforms"

    def broken(_):
        raise OSError("stuck")

    monkeypatch.setattr(PacedSession, "close", broken)
    evaluation.rest()
    assert evaluation.incidents == ["the device broke while it closed a session: stuck"]
