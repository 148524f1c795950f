"""The device contract: sound devices keep it, faulty ones break it, and every clause is broken by one."""

import functools
import inspect
from pathlib import Path

import pytest
from suite import faulty_devices
from suite.faulty_devices import NODE, FaultyDevice, FaultySession
from support import faulty_drivers
from support.emulation import profile
from support.right_device import right_device

from conformance.devices.base import DeviceError, Unsupported
from conformance.devices.contract.check import ContractBroken, check_device
from conformance.devices.contract.clauses import CLAUSES
from conformance.devices.contract.network import INNER, OUTPUTS, contract_network
from conformance.devices.cpu import CpuDevice
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.errors import UsageError
from conformance.precision import PRECISIONS

DOCS = Path(__file__).resolve().parents[3] / "docs/contract.md"
ENDS = (PRECISIONS[0], PRECISIONS[-1])
"""Every faulty device that is faulty at some precisions only is so at one of these."""
NO_FAULTS = {
    "FaultyDevice": "the others' base, without a fault",
    "read_only_mapping": "a mapping is all that is asked for",
    "unsupported_int8": "a device may decline a precision, and the report says so",
    "zeroed_at_AvgPool": "the contract's network has no such node",
    "zeroed_at_answer": "the contract's network has no such node",
    "a_million_times_at_AvgPool": "the contract's network has no such node",
    "a_million_times_at_answer": "the contract's network has no such node",
}
SENTENCES = {
    "doubled": ("values", "wide/Conv2D (sample 0)"),
    "doubled_at_int16_fp32": ("values", "at int16-fp32: wide/Conv2D"),
    "dropped": ("results", "wide/Conv2D (sample 0) is missing from what the device returned"),
    "zero_channel": ("values", "channel 200 of wide/Conv2D (sample 0) deviates"),
    "shifted_rows": ("values", "wide/Conv2D (sample 0) points elsewhere than its golden"),
    "one_nan": ("results", "wide/Conv2D (sample 0) has 1 NaN"),
    "one_infinity": ("results", "wide/Conv2D (sample 0) has 0 NaN, 1 +Inf"),
    "swapped": ("values", "wide/bias (sample 0)"),
    "integers": ("results", "wide/Conv2D (sample 0) has dtype int32, but should be floating"),
    "without_batch": ("results", "has shape (8, 6, 256), but should have shape (1, 8, 6, 256)"),
    "broadcastable": ("results", "has shape (1, 8, 6, 1), but should have shape (1, 8, 6, 256)"),
    "transposed": ("values", "wide/Conv2D (sample 0) deviates overall"),
    "one_row_less": ("results", "has shape (1, 7, 6, 256), but should have shape (1, 8, 6, 256)"),
    "empty": ("results", "wide/Conv2D (sample 0) is empty (shape (0, 8, 6, 256))"),
    "a_list": ("results", "wide/Conv2D (sample 0) is of type list, but should be an array"),
    "nothing": ("results", "wide/Conv2D (sample 0) is missing"),
    "objects": ("results", "has dtype object, but should be floating"),
    "huge_doubles": ("values", "=1e+300, but should be"),
    "noisy": ("values", "wide/Conv2D (sample 0) deviates overall"),
    "barely_noisy": ("values", "at int16-fp32: wide/Conv2D (sample 0) deviates overall"),
    "StaleDevice": ("samples", "out is the same for two samples that differ"),
    "stale": ("repeats", "out is not what it was when the first sample is run again"),
    "stale_node": ("samples", "wide/Conv2D is the same for two samples that differ"),
    "crash_in_open": ("results", "it raised RuntimeError: no such firmware"),
    "crash_in_run": ("results", "it raised DeviceError: the card fell off the bus"),
    "crash_at_int8_fp16": ("results", "at int8-fp16: it raised ZeroDivisionError"),
    "exit_in_run": ("results", "it raised SystemExit: 0"),
    "unsupported": ("offers", "every precision is declared unsupported (no such precision)"),
    "no_mapping": ("results", "run() returned a list, but should return a mapping of node name to array"),
    "extra_outputs": ("results", "'more' is returned, but was not fetched"),
    "ScribblingDevice": ("feeds", "run() changed what it was fed as X"),
    "no_number": ("seconds", "device_seconds is nan after a run, but should be a number > 0"),
    "no_time": ("seconds", "device_seconds is 0.0 after a run, but should be a number > 0"),
    "UnclosableDevice": ("close", "it raised RuntimeError: stuck"),
    "broken_factory": ("factory", "it raised OSError: no driver"),
    "no_device": ("factory", "returned an object of type object, which lacks info, open or close"),
    "NamelessDevice": ("info", "returned {'kind': 'faulty'}, but should return a complete DeviceInfo"),
    "SilentDevice": ("info", "it raised RuntimeError: mute"),
    "upside_down": ("whole", "out (sample 0)"),
    "output_nan": ("whole", "out (sample 0) has 1 NaN"),
    "output_dropped": ("whole", "out (sample 0) is missing"),
    "without_image": ("whole", "out (sample 0)"),
    "TiringDevice": ("repeats", "it raised DeviceError: overheated"),
    "Restless": ("info", "driver='1'"),
    "Incomplete-'simulated'-1": ("info", "simulated is 1, but should be True or False"),
    "Incomplete-'model'-' '": ("info", "model is empty"),
    "Incomplete-'driver'-None": ("info", "driver is None, but should be text"),
    "ClosedOnce": ("close", "it raised DeviceError: it is closed already"),
    "Swallowing": ("session", "did not come out of it"),
    "EnteredElsewhere": ("session", "it raised AttributeError: 'NoneType'"),
    "SessionClosedOnce": ("session", "it raised ValueError: it is closed already"),
    "Clockless": ("seconds", "it raised DeviceError: the clock has stopped"),
    "Troubled": ("results", "the session reports: the worker was started again"),
    "OneBuffer": ("keeps", "out of an earlier run was overwritten by a later one"),
    "Wandering": ("repeats", "wide/Conv2D is not what it was when the first sample is run again"),
    "Writing": ("feeds", "with read-only feeds it raised ValueError"),
    "Remembering": ("missing feed", "a run without the feed 'X' raised nothing"),
    "Unspoken": ("missing feed", "after a run without the feed 'X' it raised KeyError: 'X'"),
    "OneRow": ("batch", "out (batch of 2)[1,"),
    "ByPosition": ("order", "has shape"),
    "InPlace": ("inner", "wide/bias (sample 0)"),
    "OtherKernels": ("layers", "score (sample 0)"),
    "WrongFusion": ("whole", "out (sample 0)"),
    "Partial": (
        "results",
        "is missing from what the device returned (it raised DeviceError: the kernel hung)",
    ),
    "Skipping": ("results", "it raised Skipped: not today"),
    "WrongScales": ("values", "at int8-fp16: "),
    "OneProgram": (
        "alternate",
        "out of a session at int8-fp16 changed when a session at int16-fp32 was opened",
    ),
    "OneThread": ("beside", "it raised DeviceError: busy"),
    "Worn": ("reopen", "it raised MemoryError: no handle left"),
    "Dropping": ("unknown fetch", "a fetch of 'no/such/node', which the graph lacks, raised nothing"),
    "Refusing-<class 'KeyError'>": ("unknown fetch", "it raised KeyError: 'no/such/node'"),
    "Refusing-<class 'SystemExit'>": ("unknown fetch", "it raised SystemExit: no/such/node"),
    f"Refusing-{Unsupported!r}": ("unknown fetch", "it raised Unsupported: no/such/node"),
    "Stuck": ("recovery", "it raised DeviceError: the queue is stuck"),
    "Annotating": ("arguments", "open() changed the graph that it was given"),
    "Consuming": ("arguments", "open() changed the scales that it was given"),
}


def is_factory(value):
    """Whether ``value`` makes a device of the suite's faulty ones without being told more."""
    if not (
        isinstance(value, functools.partial) or getattr(value, "__module__", "") == faulty_devices.__name__
    ):
        return False
    try:
        inspect.signature(value).bind()
    except TypeError:
        return False
    return True


LEAVING = ("leaves_by_c", "leaves_by_python")
"""They end the process that they run in, and this test with it."""
ALL = {
    name: value
    for name, value in vars(faulty_devices).items()
    if name[0] != "_" and name not in LEAVING and is_factory(value)
}
FAULTY = {name: factory for name, factory in ALL.items() if name not in NO_FAULTS} | faulty_drivers.FACTORIES


@pytest.fixture(scope="module", autouse=True)
def _collected():
    """Leave TensorFlow's own objects alone: every session that is closed collects garbage, mostly in vain."""
    contract_network()


@functools.cache
def broken_by(name):
    """Return what is broken by a faulty device, and the text of the error."""
    with pytest.raises(ContractBroken) as caught:
        check_device(FAULTY[name], precisions=ENDS)
    return caught.value.report.broken, str(caught.value)


@pytest.mark.parametrize(
    "request_",
    [
        "mlu270",
        "ideal",
        "mlu270,fixed_point_scale=position-scale,convolution_sums=fp32,reduction_sum=fp32",
        "mlu270,fixed_point_rounding=half-up,half_rounding=ties-even,fused_intermediates=fp32",
    ],
)
def test_the_emulator_keeps_the_contract(request_):
    report = check_device(lambda: EmulatorDevice(profile(request_)))
    assert report.kept == tuple(clause.name for clause in CLAUSES)
    assert (report.precisions, report.unsupported, report.broken) == (PRECISIONS, {}, {})
    assert report.device == "EmulatorDevice"


@pytest.mark.parametrize(
    "factory", [right_device, *(ALL[name] for name in NO_FAULTS if name != "unsupported_int8")]
)
def test_a_right_device_keeps_the_contract(factory):
    report = check_device(factory)
    assert report.kept == tuple(clause.name for clause in CLAUSES)
    assert report.precisions == PRECISIONS


def test_float32_at_every_precision_breaks_one_clause():
    with pytest.raises(ContractBroken) as raised:
        check_device(CpuDevice)
    assert f"breaks 1 of the {len(CLAUSES)} clauses" in str(raised.value)
    assert "it is not computed at int8-fp16" in str(raised.value)


@pytest.mark.parametrize("name", FAULTY)
def test_a_faulty_device_breaks_the_contract_and_the_text_says_how(name):
    broken, text = broken_by(name)
    assert text.startswith(
        f"{'the factory' if 'factory' in broken else type(FAULTY[name]()).__name__} breaks "
    )
    assert f"breaks {len(broken)} of the {len(CLAUSES)} clauses" in text
    for clause in CLAUSES:
        assert (f"- {clause.name}: {clause.must}" in text) == (clause.name in broken)
    if name in SENTENCES:
        clause, sentence = SENTENCES[name]
        assert any(sentence in found for found in broken[clause]), broken[clause]


@pytest.mark.parametrize("name", faulty_drivers.FACTORIES)
def test_a_faulty_driver_breaks_the_clauses_that_it_should_and_no_other(name):
    assert set(broken_by(name)[0]) == faulty_drivers.BREAKS[name]


def test_every_clause_is_broken_by_some_device():
    assert {clause for name in FAULTY for clause in broken_by(name)[0]} == {clause.name for clause in CLAUSES}


def test_the_faulty_devices_were_found():
    assert set(SENTENCES) <= set(FAULTY)
    assert set(NO_FAULTS) <= set(ALL)
    assert {"stale", "noisy", "TiringDevice", "broken_factory", "WrongFusion"} <= set(FAULTY)


def test_a_declined_precision_is_reported_and_the_others_are_checked():
    report = check_device(ALL["unsupported_int8"])
    assert report.precisions == PRECISIONS[2:]
    assert report.unsupported == dict.fromkeys(map(str, PRECISIONS[:2]), "int8 is not offered")
    assert len(report.kept) == len(CLAUSES)


class OnlyFused(faulty_drivers.Driver):
    def open(self, graph, fetches, *, precision, scales, fuse=True):
        if not fuse:
            raise Unsupported("everything is fused")
        return super().open(graph, fetches, precision=precision, scales=scales, fuse=fuse)


def test_layer_by_layer_may_be_declined_and_is_then_not_said_to_hold():
    report = check_device(OnlyFused, precisions=ENDS)
    assert "layers" not in report.kept
    assert len(report.kept) == len(CLAUSES) - 1
    assert report.unsupported == {f"layers at {precision}": "everything is fused" for precision in ENDS}


class NoInner(faulty_drivers.Driver):
    def open(self, graph, fetches, *, precision, scales, fuse=True):
        if (
            fetches != OUTPUTS
            and "X" in graph.nodes
            and NODE in fetches
            and len(fetches) == len(INNER + OUTPUTS)
        ):
            raise Unsupported("inner nodes cannot be seen")
        return super().open(graph, fetches, precision=precision, scales=scales, fuse=fuse)


def test_what_every_device_must_do_may_not_be_declined():
    with pytest.raises(ContractBroken, match="it raised Unsupported: inner nodes cannot be seen") as caught:
        check_device(NoInner, precisions=ENDS)
    assert set(caught.value.report.broken) == {"inner"}


class Declining(faulty_drivers.Session):
    """Declines these nodes, whatever else is fetched."""

    declined = (NODE,)

    @property
    def problems(self):
        return {name: Unsupported("no kernel") for name in self.declined}

    def altered(self, results):
        return {name: value for name, value in results.items() if name not in self.declined}


def test_a_declined_node_is_reported_and_the_others_are_checked():
    report = check_device(lambda: faulty_drivers.Driver(Declining), precisions=ENDS)
    assert report.unsupported == {f"{NODE} at {precision}": "no kernel" for precision in ENDS}
    assert len(report.kept) == len(CLAUSES)


class GoingOn(faulty_drivers.Session):
    """Raises nothing, and says of each fetch that is missing why."""

    problems = {}  # noqa: RUF012

    def run(self, feeds):
        missing = set(self.graph.inputs) - set(feeds)
        failed = set(self.fetches) if missing else set(self.fetches) - set(self.graph.nodes)
        self.problems = {name: DeviceError(f"{name} cannot be had") for name in failed}
        return {} if missing else super().run(feeds)


def test_a_session_may_go_on_and_say_what_it_cannot_do():
    class Device(faulty_drivers.Dropping):
        def __init__(self):
            super().__init__(GoingOn)

    assert len(check_device(Device, precisions=ENDS).kept) == len(CLAUSES)


def test_declining_every_node_is_offering_nothing():
    everything = type("Everything", (Declining,), {"declined": contract_network().whole.fetches})
    with pytest.raises(ContractBroken, match="every precision is declared unsupported"):
        check_device(lambda: faulty_drivers.Driver(everything), precisions=ENDS)


def test_no_precisions_are_refused():
    with pytest.raises(UsageError, match="got no precisions, so nothing would be checked"):
        check_device(CpuDevice, precisions=())


def test_only_the_user_interrupts_a_check():
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_device(lambda: FaultyDevice(interrupt), precisions=ENDS)


def test_a_long_list_is_cut_and_a_reason_is_given_once():
    _, text = broken_by("crash_in_run")
    assert text.count("the card fell off the bus") < 8
    assert "    for the same reason as 'session'" in text
    broken, text = broken_by("stale")
    assert f"    and {len(broken['values']) - 3} more" in text
    assert "and 0 more" not in text
    assert "and -" not in text


def test_the_documentation_lists_every_clause():
    rows = [line for line in DOCS.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == [f"| `{clause.name}` | {clause.must} | {clause.why} |" for clause in CLAUSES]
    optional = [f"`{clause.name}`" for clause in CLAUSES if clause.optional]
    assert f"for {', '.join(optional[:-1])} and {optional[-1]};" in DOCS.read_text(encoding="utf-8")


def test_a_session_that_cannot_be_closed_still_shows_what_went_wrong_before():
    class Unclosable(FaultySession):
        def run(self, _):
            raise DeviceError("the card fell off the bus")

        def close(self):
            raise DeviceError("nothing to close")

    class Device(FaultyDevice):
        def open(self, *arguments, **options):
            return Unclosable(self._inner.open(*arguments, **options), lambda results: results)

    with pytest.raises(ContractBroken, match="the card fell off the bus"):
        check_device(Device, precisions=ENDS)
