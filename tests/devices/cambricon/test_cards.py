"""Cards as the driver and the vendor's tools describe them, on machines that are folders made for a test."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from conformance.devices.cambricon import versions
from conformance.devices.cambricon.cards import CURE, Card, Survey, no_hardware, run_tool, survey
from conformance.devices.cambricon.versions import Identity
from conformance.errors import EXIT_INFRASTRUCTURE

BUS = ["0000:3b:00.0", "0000:af:00.0"]
PROC_5_10 = """\
Device name: MLU270-F4
Device inode path: /dev/cambricon_dev{index}
Device Major: 238
Device Minor: {index}
Driver Version: v5.10.22
MCU Version: v1.1.4
Board Serial Number: SN/50162a0{index}
MLU Firmware Version: 4.9.2
Board CV: 1
IPU Freq: 1000MHz
"""
PROC_4_9 = """\
Device name: mlu-270 F4
  Driver Version : v4.9.8
  MCU Version    : v1.1.4
  Board Serial Number : SN/50162a00
"""
CNMON_4_9 = """\
+------------------------------------------------------------------------------+
| CNMON v4.9.8                                                                 |
+-------------------------------+----------------------+-----------------------+
| Card  Name           Firmware | Inited        Driver | Util        Ecc-Error |
| Fan   Temp      Pwr:Usage/Cap |         Memory-Usage | Mode     Compute-Mode |
|===============================+======================+=======================|
| 0     MLU270-F4        v1.1.4 | On            v4.9.8 | 0%          0         |
|  0%   41C         26 W/ 150 W |     0 MiB/ 16384 MiB | FULL          Default |
+-------------------------------+----------------------+-----------------------+
| 1     MLU270           v1.1.2 | On            v4.9.8 | 0%          0         |
|  0%   41C         26 W/ 150 W |     0 MiB/ 16384 MiB | FULL          Default |
+-------------------------------+----------------------+-----------------------+
"""
CNMON_4_20 = """\
| CNMON v4.20.11                                                               |
| Card  VF  Name       Firmware | Inited        Driver | Util        Ecc-Error |
| 0     /   MLU370-X4    v1.1.6 | On          v4.20.11 | 0%          N/A       |
|  0%   32C         30 W/ 150 W |     0 MiB/ 23308 MiB | 10240 MiB/1048576 MiB |
"""
CNMON_INFO_5_10 = """\
=================CNMON v5.10.22=================
Card 0
    Product Name                   : MLU270-F4
    SN                             : 50162a00
    Firmware                       : v1.1.4
    Driver                         : v5.10.22
    Health State                   :
        Device                     : Good
        Driver                     : Running
Card 1
    Product Name                   : MLU270-X5K
    Health State                   :
        Driver                     : Running
    Driver                         : v5.10.22
"""
LSPCI = """\
0000:3b:00.0 Processing accelerators [1200]: Device [cabc:0270] (rev 01)
0000:AF:00.0 Processing accelerators [1200]: Device [CABC:0370]
"""
COMPLETE = Identity("MLU270-F4", "5.10.22", "1.1.4", "50162a00", "1000 MHz")


class Machine:
    """A folder that looks like the root of a machine, and tools that answer what the test says."""

    def __init__(self, root):
        self.root, self.answers, self.asked = root, {}, []

    def write(self, path, text):
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(text if isinstance(text, bytes) else text.encode())

    def add_card(self, index, bus, text=PROC_5_10, *, device_file=True):
        self.write(f"proc/driver/cambricon/mlus/{bus}/information", text.replace("{index}", str(index)))
        if device_file:
            self.write(f"dev/cambricon_dev{index}", "")

    def add_pci(self, bus, vendor="0xcabc", device="0x0270"):
        self.write(f"sys/bus/pci/devices/{bus}/vendor", f"{vendor}\n")
        self.write(f"sys/bus/pci/devices/{bus}/device", f"{device}\n")

    def run(self, command):
        self.asked.append(" ".join(command))
        return self.answers.get(" ".join(command))

    def survey(self):
        return survey(self.root, self.run)


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path / "root")


def test_information_of_driver_5_10():
    assert versions.information(PROC_5_10.replace("{index}", "0")) == COMPLETE
    assert versions.information_index(PROC_5_10.replace("{index}", "12")) == 12


def test_information_of_driver_4_9_lacks_what_it_lacks():
    found = versions.information(PROC_4_9)
    assert found == Identity("MLU270-F4", "4.9.8", "1.1.4", "50162a00", "")
    assert versions.information_index(PROC_4_9) is None


def test_cnmon_tables_and_blocks():
    assert versions.cnmon_cards(CNMON_4_9) == {
        0: Identity("MLU270-F4", driver="4.9.8", firmware="1.1.4"),
        1: Identity("MLU270", driver="4.9.8", firmware="1.1.2"),
    }
    assert versions.cnmon_cards(CNMON_4_20) == {0: Identity("MLU370-X4", "4.20.11", "1.1.6")}
    assert versions.cnmon_cards(CNMON_INFO_5_10) == {
        0: Identity("MLU270-F4", "5.10.22", "1.1.4", "50162a00"),
        1: Identity("MLU270-X5K", "5.10.22"),
    }


def test_one_version_alone_in_a_row_is_neither_firmware_nor_driver():
    assert versions.cnmon_cards("| 0 / MLU270-F4 v1.1.4 | On N/A |") == {0: Identity("MLU270-F4")}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("MLU270-F4", "MLU270-F4"),
        ("mlu-270 F4", "MLU270-F4"),
        ("MLU270", "MLU270"),
        ("MLU270 v1.1.4", "MLU270"),
        ("MLU270 On", "MLU270"),
        ("MLU270 V1.1.4", "MLU270"),
        ("mlu-cambricon", ""),
        ("emlu270", ""),
    ],
)
def test_model_names(text, name):
    assert versions.model_name(text) == name


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Neuware Version 1.4.0\n", "1.4.0"),
        ("neuware v3.9.0-1", "3.9.0"),
        ("Neuware Version 1.4", ""),
        ("10.20.30.40", "10.20.30"),
        ("", ""),
    ],
)
def test_neuware_version(text, found):
    assert versions.neuware_version(text) == found


def test_lspci():
    assert versions.lspci_cards(LSPCI) == {BUS[0]: "MLU270", BUS[1]: "PCI cabc:0370"}
    assert versions.lspci_cards("3b:00.0 Accelerator [cabc:0270]") == {BUS[0]: "MLU270"}
    assert versions.lspci_cards("0000:3b:00.0 VGA [10de:1234]\ncabc:0270 without a bus") == {}


@pytest.mark.parametrize(
    ("text", "driver"),
    [
        ("cnmon: v4.9.7\ndriver: v4.9.8", "4.9.8"),
        ("CNMON v4.9.7", ""),
        ("cnmon v1.2.3, Driver v4.5.6", "4.5.6"),
    ],
)
def test_cnmon_version_is_the_drivers_not_the_tools(text, driver):
    assert versions.cnmon_driver(text) == driver


PARSERS = [
    versions.version,
    versions.model_name,
    versions.bus_id,
    versions.neuware_version,
    versions.cnmon_driver,
    lambda text: versions.labelled(text, "Driver Version", versions.VERSION),
]
SHAPES = re.compile(r"|[0-9]+(\.[0-9]+){2}|MLU[0-9]{3}(-[A-Z][A-Z0-9]*)?|[0-9a-f:.]{12}")
PIECES = [
    "Driver Version:",
    "v",
    "1.2.3",
    "Card 0\n",
    "| 0 ",
    "MLU270",
    ":",
    "\n",
    "\0",
    "٣.٤.٥",
    "cabc:",
    "9" * 5000,
]
GARBAGE = st.one_of(
    st.text(),
    st.binary().map(lambda data: data.decode(errors="replace")),
    st.lists(st.sampled_from(PIECES)).map("".join),
)


@given(GARBAGE)
@example("| " + "9" * 5000 + " MLU270")
@example("Card " + "9" * 5000 + "\n")
def test_garbage_is_nothing_or_looks_like_something_and_never_raises(text):
    for parse in PARSERS:
        assert SHAPES.fullmatch(parse(text))
    for identity in [versions.information(text), *versions.cnmon_cards(text).values()]:
        assert all(len(value) < 60 and value.isprintable() for value in vars(identity).values())
    assert all(versions.bus_id(bus) == bus for bus in versions.lspci_cards(text))
    assert versions.information_index(text) is None or "/dev/cambricon_dev" in text


@given(st.text(alphabet=st.characters(exclude_categories=["Nd"])))
def test_without_a_digit_there_is_nothing(text):
    assert [parse(text) for parse in PARSERS] == [""] * len(PARSERS)
    assert versions.information(text) in {Identity(), Identity(serial=versions.information(text).serial)}
    assert versions.cnmon_cards(text) == {}


NUMBERS = st.tuples(*[st.integers(0, 999)] * 3).map(lambda numbers: ".".join(map(str, numbers)))


@given(NUMBERS, NUMBERS, st.integers(1, 12), st.integers(0, 63), st.booleans())
def test_versions_are_found_in_whatever_column_they_stand(firmware, driver, gap, index, bars):
    between = " " * gap + ("| On " if bars else "")
    row = f"|{' ' * gap}{index} / MLU270-F4{' ' * gap}v{firmware}{between} v{driver} | 0% |"
    assert versions.cnmon_cards(f"| CNMON v9.9.9 |\n{row}\n") == {
        index: Identity("MLU270-F4", driver, firmware)
    }


@given(NUMBERS, NUMBERS, st.text(" \t", max_size=5), st.permutations(range(3)))
def test_labels_are_found_in_whatever_order_and_spacing(driver, firmware, gap, order):
    lines = [f"{gap}Driver Version{gap}:{gap}v{driver}", f"MCU Version:{gap}{firmware}", "IPU Freq: 900 MHz"]
    found = versions.information("\n".join(lines[place] for place in order))
    assert found == Identity(driver=driver, firmware=firmware, frequency="900 MHz")


def test_a_machine_without_a_card_says_where_it_was_looked(machine):
    found = machine.survey()
    assert (found.cards, found.usable, found.driver, found.neuware) == ((), (), "", "")
    silent = "no answer (not installed, failing or hanging)"
    assert found.looked_for == (
        "/dev/cambricon_dev*: none",
        "/proc/driver/cambricon/mlus: none",
        "/sys/bus/pci/devices with vendor 0xcabc: none",
        f"lspci -d cabc:: {silent}",
        f"cnmon info: {silent}",
        "/usr/local/neuware/version.txt: none",
    )


def test_a_complete_machine(machine):
    for index, bus in enumerate(BUS):
        machine.add_card(index, bus)
        machine.add_pci(bus)
    machine.write("dev/cambricon_ctl", "")
    machine.write("usr/local/neuware/version.txt", "Neuware Version 1.7.3\n")
    machine.answers = {"lspci -D -nn -d cabc:": LSPCI, "cnmon info": CNMON_INFO_5_10}
    found = machine.survey()
    assert found.cards[0] == Card(
        index=0,
        device_file=machine.root / "dev/cambricon_dev0",
        model="MLU270-F4",
        driver="5.10.22",
        firmware="1.1.4",
        serial="50162a00",
        bus=BUS[0],
        frequency="1000 MHz",
    )
    assert [card.serial for card in found.usable] == ["50162a00", "50162a01"]
    assert (found.driver, found.neuware) == ("5.10.22", "1.7.3")
    assert found.looked_for[0] == "/dev/cambricon_dev*: cambricon_dev0, cambricon_dev1"
    assert f"lspci -d cabc:: {BUS[0]}, {BUS[1]}" in found.looked_for
    assert "cnmon info: card 0, card 1" in found.looked_for


def test_the_driver_says_which_device_file_a_bus_has(machine):
    machine.add_card(1, BUS[0])
    machine.add_card(0, BUS[1])
    assert [(card.index, card.bus, card.serial) for card in machine.survey().cards] == [
        (0, BUS[1], "50162a00"),
        (1, BUS[0], "50162a01"),
    ]


def test_without_its_word_cards_are_numbered_in_the_order_of_the_bus(machine):
    machine.add_card(0, BUS[0], PROC_4_9)
    machine.add_card(1, BUS[1], PROC_4_9.replace("2a00", "2a01"))
    assert [card.serial for card in machine.survey().cards] == ["50162a00", "50162a01"]


def test_a_container_that_got_the_second_card_shows_the_first_as_not_usable(machine):
    machine.add_card(0, BUS[0], PROC_4_9, device_file=False)
    machine.add_card(1, BUS[1], PROC_4_9.replace("2a00", "2a01"))
    found = machine.survey()
    assert [(card.index, card.serial) for card in found.usable] == [(1, "50162a01")]
    assert (found.cards[0].index, found.cards[0].device_file) == (0, None)


@pytest.mark.parametrize("source", ["sysfs", "lspci", "proc", "cnmon"])
def test_a_card_without_device_file_is_visible_but_not_usable(machine, source):
    if source == "sysfs":
        machine.add_pci(BUS[0])
        machine.add_pci(BUS[1], vendor="0x10de")
    elif source == "lspci":
        machine.answers["lspci -D -nn -d cabc:"] = LSPCI.splitlines()[0]
    elif source == "proc":
        machine.add_card(0, BUS[0], device_file=False)
    else:
        machine.answers["cnmon info"] = CNMON_INFO_5_10.partition("Card 1")[0]
    found = machine.survey()
    (card,) = found.cards
    assert (card.index, card.device_file, found.usable) == (0, None, ())
    assert card.model.startswith("MLU270")
    assert card.bus == ("" if source == "cnmon" else BUS[0])


@pytest.mark.parametrize("text", [PROC_5_10, PROC_4_9])
def test_a_card_that_the_driver_could_not_start_gets_a_number_of_its_own(machine, text):
    machine.add_card(0, BUS[1], text)
    for bus in BUS:
        machine.add_pci(bus)
    found = machine.survey()
    assert [(card.index, card.bus, card.device_file is None) for card in found.cards] == [
        (0, BUS[1], False),
        (1, BUS[0], True),
    ]


def test_a_card_of_another_model_says_its_pci_id(machine):
    machine.add_pci(BUS[0], device="0x0370")
    assert machine.survey().cards[0].model == "PCI cabc:0370"


def test_cnmon_completes_what_the_driver_does_not_say(machine):
    machine.write("dev/cambricon_dev0", "")
    machine.answers = {"cnmon info": "no such view", "cnmon": CNMON_4_9}
    found = machine.survey()
    assert found.cards[0].model == "MLU270-F4"
    assert (found.cards[0].firmware, found.driver) == ("1.1.4", "4.9.8")
    assert "cnmon: card 0, card 1" in found.looked_for


def test_the_drivers_own_word_counts_more_than_cnmons(machine):
    machine.add_card(0, BUS[0])
    machine.answers["cnmon info"] = CNMON_INFO_5_10.replace("5.10.22", "9.9.9")
    assert machine.survey().cards[0].driver == "5.10.22"


def test_cnmon_version_is_the_last_resort(machine):
    machine.answers = {"cnmon info": "| 0 MLU270-F4 On |", "cnmon version": "driver v4.9.8"}
    found = machine.survey()
    assert (found.cards[0].driver, found.driver) == ("", "4.9.8")


def test_a_silent_cnmon_is_asked_once(machine):
    machine.write("dev/cambricon_dev0", "")
    machine.survey()
    assert [command for command in machine.asked if command.startswith("cnmon")] == ["cnmon info"]


@pytest.mark.parametrize(
    "name", ["cambricon_ctl", "cambricon_dev", "cambricon_dev0x", "cambricon_dev" + "1" * 5000]
)
def test_other_files_are_no_cards(machine, name):
    path = machine.root / f"dev/{name[:200]}"
    machine.write(path, "")
    assert machine.survey().cards == ()
    assert versions.device_index(name) is None


def test_a_directory_in_place_of_a_device_file_is_no_device(machine):
    (machine.root / "dev/cambricon_dev0").mkdir(parents=True)
    assert machine.survey().cards == ()


@given(GARBAGE)
def test_garbage_in_every_source_is_a_survey_all_the_same(tmp_path_factory, text):
    machine = Machine(tmp_path_factory.mktemp("garbage"))
    machine.add_card(0, BUS[0], text)
    machine.write("usr/local/neuware/version.txt", text)
    found = survey(machine.root, lambda _: text)
    assert found.cards[0].device_file == machine.root / "dev/cambricon_dev0"
    assert len({card.index for card in found.cards}) == len(found.cards)


def test_what_cannot_be_read_is_empty(machine):
    (machine.root / f"proc/driver/cambricon/mlus/{BUS[0]}/information").mkdir(parents=True)
    machine.write("dev/cambricon_dev0", "")
    found = machine.survey()
    assert (found.cards[0].bus, found.cards[0].driver) == (BUS[0], "")


def script(directory: Path, body: str) -> str:
    path = directory / "tool"
    path.write_text(f"#!{sys.executable}\n{body}")
    path.chmod(0o755)
    return str(path)


def test_a_tool_that_answers(tmp_path):
    tool = script(tmp_path, "import sys; sys.stdout.buffer.write(b'card ' + sys.argv[1].encode() + b'\\xff')")
    assert run_tool([tool, "0"]) == "card 0\ufffd"


def test_a_tool_sees_the_environment_that_it_is_given(tmp_path):
    tool = script(tmp_path, "import os; print(os.environ.get('CARD'))")
    assert run_tool([tool], environment={"CARD": "7"}) == "7\n"


def test_tools_that_do_not_answer_are_none(tmp_path):
    assert run_tool(["/no/such/tool"]) is None
    assert run_tool([str(tmp_path)]) is None
    assert run_tool([script(tmp_path, "print('v1.2.3'); raise SystemExit(1)")]) is None
    assert run_tool([script(tmp_path, "import os; os.abort()")]) is None


def test_a_hanging_tool_is_ended_with_all_that_it_started(tmp_path):
    tool = tmp_path / "tool"
    tool.write_text(f"#!/bin/sh\nsleep 600 &\necho $$ $! > {tmp_path}/processes\nsleep 600\n")
    tool.chmod(0o755)
    assert run_tool([str(tool)], seconds=3) is None
    for pid in (tmp_path / "processes").read_text().split():
        assert _ends(int(pid))


def _ends(pid):
    """Whether a process is gone, or a zombie that is left to somebody else; the killed take a moment."""
    for _ in range(500):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("cards", "sentence"),
    [
        ([], "no Cambricon card is visible (here: none; there: none); install a card and its driver"),
        ([Card(0, None), Card(2, None)], f"no visible card (0, 2) has a device file; {CURE}"),
        ([Card(0, None), Card(1, Path("/dev/c"))], "card 1 is not asked for; give --device=cambricon"),
    ],
)
def test_why_no_card_is_used_where_one_is_required(cards, sentence):
    found = Survey(tuple(cards), "", "", ("here: none", "there: none"))
    assert str(no_hardware(found)) == f"--require-hardware is set, but {sentence}"
    assert str(no_hardware(found, "cpu")) == (
        f"--require-hardware is set, but device 'cpu' is simulated, and {sentence}"
    )
    assert no_hardware(found).exit_code == EXIT_INFRASTRUCTURE
