"""Which device a word means, and what a user hears of a wrong one."""

from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest

from conformance import locations
from conformance.devices.base import Device, DeviceInfo
from conformance.devices.registry import ENTRY_POINTS, open_device, visible_cards
from conformance.errors import DeviceError, InfrastructureError, UsageError


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


def opened(request, profile="mlu270", cards="/no-such-directory"):
    return open_device(request, profile, locations.DEVICES, cards=locations.PROJECT / cards)


def test_auto_is_the_emulator_where_no_card_is_visible(tmp_path):
    (tmp_path / "null").touch()
    (tmp_path / "cambricon_ctl").touch()
    assert visible_cards(tmp_path) == []
    info = opened("auto", cards=tmp_path).info()
    assert (info.kind, info.model, info.profile, info.simulated) == ("emulator", "MLU270", "mlu270", True)


def test_auto_never_emulates_beside_a_visible_card(tmp_path):
    (tmp_path / "cambricon_dev0").touch()
    (tmp_path / "cambricon_dev12").touch()
    assert [path.name for path in visible_cards(tmp_path)] == ["cambricon_dev0", "cambricon_dev12"]
    with pytest.raises(
        InfrastructureError, match=r"a card is visible \(.*cambricon_dev0\).*--device=emulator"
    ):
        opened("auto", cards=tmp_path)
    assert opened("emulator", cards=tmp_path).info().simulated


def test_the_built_in_devices_follow_the_interface():
    for request, kind in (("emulator", "emulator"), ("cpu", "cpu")):
        device = opened(request)
        assert isinstance(device, Device)
        assert device.info().kind == kind
        device.close()
        device.close()


def test_the_emulator_names_the_switches_that_were_turned():
    profile = "mlu270,tanh=table-64,half_rounding=ties-even"
    assert opened("emulator", profile).info().profile == "mlu270,half_rounding=ties-even,tanh=table-64"


def test_the_driver_of_the_card_is_not_there_yet():
    with pytest.raises(InfrastructureError, match="'cambricon' has no driver in this version"):
        opened("cambricon")


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
    with pytest.raises(UsageError, match=r"device 'fancyy' is unknown \(near names: fancy\)"):
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
    with pytest.raises(UsageError, match=sentence):
        opened(request_)


def test_a_module_that_breaks_while_it_is_imported(tmp_path, monkeypatch):
    (tmp_path / "breaking_device.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match="cannot be imported: ZeroDivisionError: division by zero"):
        opened("breaking_device:make")


@pytest.mark.parametrize("error", [RuntimeError("no power"), SystemExit("no power")])
def test_a_factory_that_breaks_is_infrastructure(devices, error):
    def make():
        raise error

    devices.make = make
    with pytest.raises(InfrastructureError, match=f"could not be made: {type(error).__name__}: no power"):
        opened("some_devices:make")


def test_what_a_factory_says_in_our_words_is_passed_on(devices):
    def make():
        raise DeviceError("firmware 1.0 is too old; install 1.1")

    devices.make = make
    with pytest.raises(DeviceError, match=r"^firmware 1.0 is too old; install 1.1$"):
        opened("some_devices:make")
