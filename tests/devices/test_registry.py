"""Which device a word means, and what a user hears of a wrong one."""

import importlib.metadata
import sys
import types
from pathlib import Path

import pytest
from support.refusals import refused

from conformance.devices.base import Device, DeviceInfo, DeviceRequest
from conformance.devices.cambricon.cards import Card, Survey
from conformance.devices.cambricon.driver import CambriconDevice
from conformance.devices.registry import ENTRY_POINTS, open_device
from conformance.errors import DeviceError, InfrastructureError


class PlainDevice:
    def info(self):
        return DeviceInfo(kind="plain", model="none", simulated=True)

    def open(self, *_, **__):
        raise NotImplementedError

    def close(self):
        pass


@pytest.fixture
def devices(monkeypatch):
    """A module of devices that can be imported, filled by the test."""
    module = types.ModuleType("some_devices")
    monkeypatch.setitem(sys.modules, "some_devices", module)
    return module


def opened(name, **more):
    return open_device(DeviceRequest(name, **more))


def cards(monkeypatch, *found):
    monkeypatch.setattr(
        "conformance.devices.cambricon.cards.survey", lambda: Survey(found, "", "", ("/dev: some",))
    )


def test_auto_is_the_emulator_where_no_card_is_visible(monkeypatch):
    cards(monkeypatch)
    info = opened("auto").info()
    assert (info.kind, info.model, info.profile, info.simulated) == ("emulator", "MLU270", "mlu270", True)
    assert DeviceRequest() == DeviceRequest("auto", profile="mlu270", timeout=300.0)


@pytest.mark.parametrize("file", [None, Path("/dev/cambricon_dev0")])
@pytest.mark.parametrize("isolate", [True, False])
def test_auto_never_emulates_beside_a_visible_card(monkeypatch, file, isolate):
    cards(monkeypatch, Card(0, file))
    asked = []
    monkeypatch.setattr(
        "conformance.devices.cambricon.driver.CambriconDevice",
        lambda *given, **more: asked.append((given, more)),
    )
    opened("auto", options={"core-num": "4"}, timeout=7.0, isolate=isolate)
    assert asked == [(({"core-num": "4"},), {"timeout": 7.0})]  # which lives in a process of its own anyway


def test_a_visible_card_that_cannot_be_used_is_an_error(monkeypatch):
    survey = Survey((Card(0, None, "MLU270-S4"),), "", "", ())
    monkeypatch.setattr("conformance.devices.cambricon.cards.survey", lambda: survey)
    with refused("no card can be used: card 0 MLU270-S4 without device file", InfrastructureError):
        CambriconDevice({}, look=lambda: survey)


@pytest.mark.parametrize("name", ["emulator", "cpu", "some_devices:PlainDevice", "auto"])
def test_any_other_device_may_be_isolated(monkeypatch, name):
    cards(monkeypatch)
    asked = []
    monkeypatch.setattr("conformance.devices.isolated.parent.IsolatedDevice", asked.append)
    opened(name, isolate=True, options={"a": "b"}, timeout=7.0)
    expected = "emulator" if name == "auto" else name
    assert asked == [DeviceRequest(expected, isolate=False, options={"a": "b"}, timeout=7.0)]


def test_the_built_in_devices_follow_the_interface():
    for request, kind in (("emulator", "emulator"), ("cpu", "cpu")):
        device = opened(request)
        assert isinstance(device, Device)
        assert device.info().kind == kind
        device.close()
        device.close()


def test_the_emulator_names_the_switches_that_were_turned():
    profile = "mlu270,tanh=table-64,half_rounding=ties-even"
    device = opened("emulator", profile=profile)
    assert device.info().profile == "mlu270,half_rounding=ties-even,tanh=table-64"


@pytest.mark.parametrize("name", ["emulator", "cpu"])
def test_devices_without_options_take_none(name):
    sentence = f"device '{name}' takes no --device-option, but got python, card; drop it"
    with refused(sentence):
        opened(name, options={"python": "x", "card": "1"})


def test_a_factory_gets_its_options_as_arguments(devices):
    def make(*, clock_rate, mode="fast"):
        device = PlainDevice()
        device.info = lambda: DeviceInfo(kind=f"{clock_rate}/{mode}", model="none", simulated=True)
        return device

    devices.make = make
    assert opened("some_devices:make", options={"clock-rate": "7"}).info().kind == "7/fast"
    for given, sentence in (
        (
            {"clock-rate": "7", "speed": "1"},
            r"\(clock_rate, speed\): got an unexpected keyword argument 'speed'",
        ),
        ({}, r"\(nothing\): missing a required argument: 'clock_rate'; give what its factory takes"),
    ):
        with refused(f"device 'some_devices:make' cannot be made with .*{sentence}"):
            opened("some_devices:make", options=given)


def test_a_factory_whose_arguments_are_not_known_is_called_all_the_same(devices):
    class Unsigned:
        __signature__ = "none that Python understands"

        def __call__(self, **_):
            return PlainDevice()

    devices.make = Unsigned()
    assert opened("some_devices:make", options={"a": "b"}).info().kind == "plain"


@pytest.mark.parametrize("request_", ["some_devices:PlainDevice", "some_devices:nested.make"])
def test_anything_that_can_be_imported_and_called(devices, request_):
    devices.PlainDevice = PlainDevice
    devices.nested = types.SimpleNamespace(make=PlainDevice)
    assert opened(request_).info().kind == "plain"


def test_an_entry_point(devices, monkeypatch):
    devices.make = PlainDevice
    point = importlib.metadata.EntryPoint("fancy", "some_devices:make", ENTRY_POINTS)
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda *, group: [point] * (group == ENTRY_POINTS)
    )
    assert opened("fancy").info().kind == "plain"
    with refused(r"device 'fancyy' is unknown \(near names: fancy\)"):
        opened("fancyy")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (
            "emulatr",
            r"device 'emulatr' is unknown \(near names: emulator\); give a known one or package.module",
        ),
        ("", "device '' is unknown"),
        (
            "no_such_module:f",
            "cannot be imported: ModuleNotFoundError: No module .* put its directory on PYTHONPATH",
        ),
        ("some_devices:none", "cannot be imported: AttributeError"),
        ("some_devices:", "cannot be imported"),
        (":make", "cannot be imported"),
        ("some_devices:number", "'some_devices:number' is not callable"),
        ("some_devices:nothing", "returned an object of type NoneType, which lacks info, open or close"),
        ("some_devices:half", "returned an object of type Half, which lacks info, open or close"),
        ("some_devices:vague", "should return a complete DeviceInfo"),
    ],
)
def test_a_wrong_word_is_a_usage_error(devices, request_, sentence):
    devices.number = 7
    devices.nothing = lambda: None
    devices.half = type("Half", (), {"info": PlainDevice.info})
    unclear = DeviceInfo(kind="plain", model="none", simulated="perhaps")
    devices.vague = type("Vague", (PlainDevice,), {"info": lambda _: unclear})
    with refused(sentence):
        opened(request_)


@pytest.mark.parametrize(
    ("text", "said"),
    [("1 / 0", "ZeroDivisionError: division by zero"), ("raise SystemExit(5)", "SystemExit: 5")],
)
def test_a_module_that_breaks_while_it_is_imported(tmp_path, monkeypatch, text, said):
    (tmp_path / "breaking_device.py").write_text(f"{text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    with refused(f"cannot be imported: {said}"):
        opened("breaking_device:make")


@pytest.mark.parametrize("error", [RuntimeError("no power"), SystemExit("no power")])
def test_a_factory_that_breaks_is_infrastructure(devices, error):
    def make():
        raise error

    devices.make = make
    with refused(f"could not be made: {type(error).__name__}: no power", InfrastructureError):
        opened("some_devices:make")


def test_what_a_factory_says_in_our_words_is_passed_on(devices):
    def make():
        raise DeviceError("firmware 1.0 is too old; install 1.1")

    devices.make = make
    with pytest.raises(DeviceError, match=r"^firmware 1.0 is too old; install 1.1$"):
        opened("some_devices:make")
