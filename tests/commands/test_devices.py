"""``mlu-conformance devices`` on machines made for a test: what it prints, and how it ends."""

import functools
import importlib.metadata
import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from support.fresh_python import without_tensorflow

from conformance.commands import devices
from conformance.devices.cambricon import interpreter
from conformance.devices.cambricon.card_lock import take_card
from conformance.devices.registry import BUILT_IN, ENTRY_POINTS

BUS = "0000:3b:00.0"
INFORMATION = """\
Device name: MLU270-F4
Device inode path: /dev/cambricon_dev0
Driver Version: v4.9.8
MCU Version: v1.1.4
Board Serial Number: SN/50162a00
IPU Freq: 1000MHz
"""
LSPCI = """\
0000:3b:00.0 Accelerator [1200]: Device [cabc:0270]
0000:af:00.0 Accelerator [1200]: Device [cabc:0270]
"""
CURE = "load its driver, or give this container its /dev/cambricon_dev*"


class Machine:
    """A machine as the command sees it: system folders, tools, locks, a home."""

    def __init__(self, root):
        self.root, self.locks, self.home = root / "root", root / "locks", root / "home"
        self.answers = {}
        self.environment = {"PATH": str(root / "bin")}

    def write(self, path, text=""):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def add_card(self):
        self.write("dev/cambricon_dev0")
        self.write(f"proc/driver/cambricon/mlus/{BUS}/information", INFORMATION)
        self.write("usr/local/neuware/version.txt", "Neuware Version 1.7.3")

    def add_python(self):
        path = Path(self.environment["PATH"]) / "python3.6"
        path.parent.mkdir()
        path.write_text('#!/bin/sh\necho \'{"executable": "", "version": [3, 6, 9], "tensorflow": true}\'\n')
        path.chmod(0o755)
        return path

    def run(self, command):
        return self.answers.get(command[0])


@pytest.fixture
def machine(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "SYSTEM_CONDA", tmp_path / "opt/conda")
    return Machine(tmp_path)


@pytest.fixture
def said(said, machine, monkeypatch):
    """Run the command on the machine; return its exit code, output and error."""
    gather = functools.partial(
        devices.gather, machine.root, machine.run, machine.locks, machine.environment, machine.home
    )
    monkeypatch.setattr(devices, "gather", gather)
    return functools.partial(said, "devices")


def test_a_machine_without_a_card_says_so_and_is_no_failure(said):
    code, text, error = said()
    assert (code, error) == (0, "")
    lines = text.splitlines()
    assert lines[:3] == ["no Cambricon card is visible", "looked for:", "  /dev/cambricon_dev*: none"]
    assert "  lspci -d cabc:: no answer (not installed, failing or hanging)" in lines
    assert "driver not found" in lines
    assert "Neuware not found" in lines
    assert "  none found: looked for python3.7, python3.6, python3.5 on PATH, pyenv," in text


def test_a_card_is_one_line(said, machine):
    machine.add_card()
    code, text, _ = said("--require-hardware")
    assert code == 0
    what = f"MLU270-F4, driver 4.9.8, firmware (MCU) 1.1.4, serial 50162a00, bus {BUS}, 1000 MHz"
    assert text.splitlines()[:3] == [
        f"card 0: {what}, {machine.root}/dev/cambricon_dev0; free",
        "driver 4.9.8",
        "Neuware 1.7.3",
    ]
    assert "looked for" not in text.partition("Python")[0]


def test_of_a_card_that_nothing_is_known_of_nothing_is_said(said, machine):
    machine.write("dev/cambricon_dev0")
    assert said()[1].startswith(f"card 0: model unknown, {machine.root}/dev/cambricon_dev0; free\n")


def test_who_holds_a_card(said, machine):
    machine.add_card()
    with closing(take_card([0], machine.locks)):
        line = said()[1].splitlines()[0]
        (card,) = json.loads(said("--json")[1])["cards"]
    assert f"; taken by process {os.getpid()} of " in line
    assert card["owner"].startswith(f"process {os.getpid()} of ")
    assert said()[1].splitlines()[0].endswith("; free")


def test_a_lock_that_cannot_be_read_does_not_hide_the_card(said, machine):
    machine.add_card()
    machine.locks.mkdir()
    (machine.locks / "card-0.lock").symlink_to(machine.root)
    code, text, _ = said()
    assert code == 0
    assert "; taken by somebody: the lock of a card, " in text.splitlines()[0]


def test_a_card_without_its_driver_is_visible_but_not_hardware_to_judge(said, machine):
    machine.answers["lspci"] = LSPCI
    code, text, error = said("--require-hardware")
    assert code == 3
    assert text.splitlines()[1] == (
        f"card 1: MLU270, bus 0000:af:00.0; visible but not usable, as it has no device file: {CURE}"
    )
    assert "looked for:" in text
    assert error == (
        f"mlu-conformance: --require-hardware is set, but no visible card (0, 1) has a device file; {CURE}\n"
    )
    assert said()[0] == 0


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_required_hardware_that_is_not_there(said, arguments):
    code, text, error = said("--require-hardware", *arguments)
    assert code == 3
    assert text == said(*arguments)[1]
    assert error.startswith(
        "mlu-conformance: --require-hardware is set, but no Cambricon card is visible "
        "(/dev/cambricon_dev*: none; "
    )
    assert error.endswith("; install a card and its driver\n")
    assert error.count("\n") == 1


def test_hardware_is_required_by_the_environment_as_well(said, machine, monkeypatch):
    monkeypatch.setenv("MLU_CONFORMANCE_REQUIRE_HARDWARE", "1")
    assert said()[0] == 3
    machine.add_card()
    assert said()[0] == 0


def test_the_interpreters_are_listed(said, machine):
    path = machine.add_python()
    assert f"Python for the card:\n  {path} (Python 3.6.9) has TensorFlow\n" in said()[1]


def test_what_device_takes(said, monkeypatch):
    point = importlib.metadata.EntryPoint("theirs", "their.module:Device", ENTRY_POINTS)
    points = importlib.metadata.EntryPoints([point])
    monkeypatch.setattr(importlib.metadata, "entry_points", points.select)
    lines = said()[1].splitlines()
    listed = dict(line.split(maxsplit=1) for line in lines[lines.index("--device takes:") + 1 :])
    assert list(listed) == ["auto", "emulator", "cpu", "cambricon", "theirs", "package.module:factory"]
    assert listed["emulator"].endswith("--profile: ideal, mlu270")
    assert listed["theirs"] == "entry point their.module:Device"


def test_every_built_in_device_is_listed():
    assert set(BUILT_IN) <= set(devices.named_devices())


def test_json_holds_everything(said, machine):
    machine.add_card()
    path = machine.add_python()
    code, text, _ = said("--json")
    found = json.loads(text)
    assert code == 0
    assert found["cards"] == [
        {
            "index": 0,
            "device_file": f"{machine.root}/dev/cambricon_dev0",
            "model": "MLU270-F4",
            "driver": "4.9.8",
            "firmware": "1.1.4",
            "serial": "50162a00",
            "bus": BUS,
            "frequency": "1000 MHz",
            "usable": True,
            "owner": None,
        }
    ]
    assert (found["driver"], found["neuware"]) == ("4.9.8", "1.7.3")
    assert found["interpreters"] == [
        {"path": str(path), "version": "3.6.9", "tensorflow": True, "suitable": True}
    ]
    assert found["looked_for"][0] == "/dev/cambricon_dev*: cambricon_dev0"
    assert "emulator" in found["devices"]


def test_json_of_a_card_without_device_file(said, machine):
    machine.answers["lspci"] = LSPCI.splitlines()[0]
    (card,) = json.loads(said("--json")[1])["cards"]
    assert (card["device_file"], card["usable"]) == (None, False)


def test_it_runs_on_this_machine_without_importing_tensorflow():
    text, error = without_tensorflow(
        "from conformance.cli import main; assert main(['devices', '--json']) == 0\n"
        "assert not {'networkx', 'PIL'} & set(sys.modules)"
    )
    assert error == ""
    assert {"cards", "devices"} <= set(json.loads(text))


def test_an_unknown_option_is_one_sentence(refusal):
    error = refusal("--hardware")
    assert error.startswith("mlu-conformance devices: unrecognized arguments: --hardware")
