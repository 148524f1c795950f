"""A device that runs ahead is one run ahead of its judge, and is judged as if it were not."""

import threading

import pytest
from support.right_device import right_device
from support.small_evaluation import evaluate

from conformance.devices.base import DeviceError, DeviceLost, RunsAhead, SessionBase
from conformance.devices.cpu import CpuDevice
from conformance.errors import GoldenError
from conformance.evaluation.device_runs import DeviceRun
from conformance.evaluation.sessions import Sampling, Task
from conformance.machine import helper_threads
from conformance.precision import parse_precision

INT8, INT16 = parse_precision("int8-fp16"), parse_precision("int16-fp16")
ORDER = [("own", INT8), ("own", INT16), ("chained", INT8), ("fused", INT8), None, ("fused", INT16)]


class SteppingDevice:
    """Says what happens to it, and in which thread; breaks where it is told to."""

    def __init__(self, breaks=lambda *_: None, *, ahead=True):
        self._inner, self._breaks, self.happened = right_device(), breaks, []
        self.runs_ahead = ahead
        if not ahead:
            del self.runs_ahead

    def tell(self, what, precision):
        self.happened.append((what, str(precision), threading.current_thread().name.rpartition("_")[0]))
        self._breaks(what, precision)

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        self.tell("open", precision)
        inner = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return SteppingSession(inner, self, precision)

    def info(self):
        return self._inner.info()

    def close(self):
        self._inner.close()

    def steps(self, *whats):
        return [(what, precision) for what, precision, _ in self.happened if not whats or what in whats]


class SteppingSession(SessionBase):
    device_seconds = 0.5

    def __init__(self, inner, device, precision):
        self._inner, self._device, self._precision = inner, device, precision

    def run(self, feeds):
        self._device.tell("run", self._precision)
        return self._inner.run(feeds)

    def close(self):
        self._device.tell("close", self._precision)
        self._inner.close()


def judged(device, order, *asked):
    """Return an evaluation and what it found in the sessions that are asked for: by default, all foreseen."""
    evaluation = evaluate(device)
    evaluation.foresee(order)
    found = [getattr(evaluation, mode)(precision) for mode, precision in asked or filter(None, order)]
    return evaluation, found


def test_what_is_found_is_the_same_and_each_session_is_opened_once():
    ahead, plain = SteppingDevice(), SteppingDevice(ahead=False)
    assert isinstance(ahead, RunsAhead)
    assert not isinstance(plain, RunsAhead)
    found, expected = judged(ahead, ORDER)[1], judged(plain, ORDER)[1]
    assert found == expected
    for what, thread in (("open", "compiling"), ("run", "device")):
        assert ahead.steps(what) == plain.steps(what)
        assert {name for step, _, name in ahead.happened if step == what} == {thread}
    assert {thread for _, _, thread in plain.happened} == {""}


def test_the_next_session_is_compiled_while_this_one_runs():
    compiled = threading.Event()

    def waits(what, precision):
        if (what, precision) == ("open", INT16):
            compiled.set()
        if (what, precision) == ("run", INT8):
            assert compiled.wait(60)

    _, found = judged(SteppingDevice(waits), ORDER[:2])
    assert {finding.state for findings in found for finding in findings.values()} == {"judged"}


def test_the_next_session_begins_before_this_one_is_closed_but_not_before_what_wants_the_device_alone():
    device = SteppingDevice()
    evaluation, _ = judged(device, ORDER)
    opened = device.steps("open", "close")
    assert opened[:3] == [("open", "int8-fp16"), ("open", "int16-fp16"), ("close", "int8-fp16")]
    *_, closed = [place for place, step in enumerate(device.steps()) if step == ("close", "int8-fp16")]
    assert device.steps()[closed:].count(("run", "int16-fp16")) == len(evaluation.samples)
    assert not evaluation.incidents


def test_nothing_runs_or_compiles_beside_what_wants_the_device_alone():
    going_on = threading.Semaphore(0)

    def slowly(what, precision):
        if (what, precision) == ("open", INT16):
            going_on.acquire(timeout=60)

    device = SteppingDevice(slowly)
    evaluation = evaluate(device, keep_fused=True)
    evaluation.foresee([("fused", INT8), None, ("fused", INT16)])
    evaluation.fused(INT8)
    threading.Timer(0.2, going_on.release).start()
    with evaluation.fused_run(INT8):
        assert device.steps("open") == [("open", "int8-fp16"), ("open", "int16-fp16")]
        compiled = evaluation._sessions._begun["fused", INT16].run._compiling
        assert compiled.done()
        assert ("run", "int16-fp16") not in device.steps()
    assert evaluation.fused(INT16)
    assert device.steps("open").count(("open", "int16-fp16")) == 1


def test_the_next_sample_is_run_only_when_some_results_of_one_are_judged():
    device, seen = SteppingDevice(), []
    evaluation = evaluate(device, watch=lambda *_: seen.append(len(device.steps("run"))))
    evaluation.own(INT8)
    each = len(evaluation.nodes)
    assert set(seen[: each // 3]) == {1}
    assert seen[each:] == [2] * each


def test_a_foreseen_session_that_nobody_asks_for_is_closed_in_the_end():
    device = SteppingDevice()
    evaluation, _ = judged(device, ORDER, ("own", INT8))
    assert ("close", "int16-fp16") not in device.steps()
    evaluation.close()
    assert device.steps()[-1] == ("close", "int16-fp16")
    evaluation.close()
    assert device.steps("close").count(("close", "int16-fp16")) == 1


@pytest.mark.parametrize(
    "error", [DeviceError("broke"), DeviceLost("gone"), SystemExit(3), ValueError("odd")]
)
@pytest.mark.parametrize("where", ["open", "run"])
def test_what_a_session_raises_ahead_of_time_is_a_finding_about_that_session(error, where):
    def breaks(what, precision):
        if what == where and precision == INT16:
            raise error

    evaluation, (first, second, *_) = judged(SteppingDevice(breaks), ORDER)
    assert {finding.state for finding in first.values()} == {"judged"}
    assert {finding.state for finding in second.values()} == {"broken"}
    assert evaluation.lost is (error if isinstance(error, DeviceLost) else None)


def test_a_session_is_closed_after_the_run_that_goes_on_when_judging_ends_early():
    device = SteppingDevice()
    evaluation = evaluate(device)
    each = len(evaluation.nodes)

    def damaged(*_):
        if len(seen) == each - 1:
            raise GoldenError("damaged")
        seen.append(1)

    seen = []
    evaluation.watch = damaged
    with pytest.raises(GoldenError, match="damaged"):
        evaluation.own(INT8)
    assert device.steps() == [("open", "int8-fp16"), *[("run", "int8-fp16")] * 2, ("close", "int8-fp16")]


def test_an_interrupt_in_the_thread_interrupts_who_waits():
    def breaks(what, _):
        if what == "run":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(SteppingDevice(breaks)).own(INT8)


def test_a_device_that_does_not_run_ahead_runs_when_its_results_are_wanted():
    ran = []

    class Session(SessionBase):
        device_seconds = 1.0

        def run(self, feeds):
            ran.append(feeds)
            return {}

    task = Task(None, (), INT8)
    sampling = Sampling(
        task, DeviceRun(Session), lambda sample: {sample: sample}, [(0, 0), (1, 0)], ahead=False
    )
    for _ in sampling.results():
        sampling.go_on()
        assert len(ran) == sampling._taken
    assert len(ran) == 2


@pytest.mark.parametrize("device", [right_device(), CpuDevice()])
def test_devices_of_tensorflow_in_this_process_run_ahead(device):
    assert isinstance(device, RunsAhead)


def test_threads_are_shared_by_their_name():
    assert helper_threads("device", 1) is helper_threads("device", 1)
    assert helper_threads("device", 1) is not helper_threads("other", 1)
