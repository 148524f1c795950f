"""Reading what the driver and the vendor's tools say of cards: pure functions on text.

The layout of these texts changes from version to version, so values are found by label and by shape, never by
column; what is not found, or does not look like what it should be, is the empty string.
Never run on a card: the texts are those of public sources.
"""

from __future__ import annotations

import dataclasses
import itertools
import re

VERSION = re.compile(r"(?<![\w.])[vV]?([0-9]{1,6}\.[0-9]{1,6}\.[0-9]{1,6})(?![0-9])", re.ASCII)
MODEL = re.compile(r"\b[mM][lL][uU][- ]?([0-9]{3})(?:[- ]([A-Z][A-Z0-9]{0,3})\b(?!\.))?", re.ASCII)
SERIAL = re.compile(r"(?:SN/)?([\w-]{1,40})", re.ASCII)
FREQUENCY = re.compile(r"([0-9]{1,6}) ?MHz", re.ASCII | re.IGNORECASE)
TEMPERATURE = re.compile(r"(?<![\w.])([0-9]{1,3}) ?C\b", re.ASCII)
POWER = re.compile(r"(?<![\w.])([0-9]{1,4}) ?W ?/", re.ASCII)
BUS = re.compile(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.ASCII | re.IGNORECASE)
DEVICE_FILE = re.compile(r"cambricon_dev([0-9]{1,4})", re.ASCII)
PCI_ID = re.compile(r"\bcabc:([0-9a-f]{4})\b", re.ASCII | re.IGNORECASE)
CARD_BLOCK = re.compile(r"^[ \t]*Card[ \t]+([0-9]{1,4})[ \t]*$", re.ASCII | re.MULTILINE)
TABLE_ROW = re.compile(r"^[ \t]*\|[ \t]*([0-9]{1,4})\b(.*)$", re.ASCII | re.MULTILINE)
FIRMWARE_AND_DRIVER = 2
"""How many versions a row of cnmon's table holds, in this order."""
MODELS = {"0270": "MLU270"}
"""Models by the device half of their PCI id; documented by public guides (``lspci -d cabc:0270``)."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """What one source says of one card; empty where it says nothing.

    Attributes:
        model: such as ``MLU270-F4``, whichever way the source spells it.
        driver: version, without the leading v.
        firmware: version of the board's microcontroller (MCU), which cnmon calls Firmware.
        serial: of the board.
        frequency: such as ``1000 MHz``.
    """

    model: str = ""
    driver: str = ""
    firmware: str = ""
    serial: str = ""
    frequency: str = ""

    def completed(self, other: Identity) -> Identity:
        """Return this with every empty field taken from ``other``."""
        names = [field.name for field in dataclasses.fields(self)]
        return Identity(**{name: getattr(self, name) or getattr(other, name) for name in names})


def version(text: str) -> str:
    """Return the first version of three numbers in ``text``, without the leading v."""
    found = VERSION.search(text)
    return found[1] if found else ""


def model_name(text: str) -> str:
    """Return the first model in ``text``: ``mlu-270 F4`` and ``MLU270-F4`` are both ``MLU270-F4``."""
    found = MODEL.search(text)
    return "-".join(filter(None, (f"MLU{found[1]}", found[2]))) if found else ""


def labelled(text: str, label: str, shape: re.Pattern[str]) -> str:
    """Return the first value of this label that begins with this shape (its first group), else nothing."""
    lines = re.compile(rf"^[ \t]*{re.escape(label)}[ \t]*:[ \t]*(.*)$", re.IGNORECASE | re.MULTILINE)
    found = filter(None, map(shape.match, lines.findall(text)))
    return next((match[1] for match in found), "")


def bus_id(text: str) -> str:
    """Return a PCI address in full and in lower case: ``3B:00.0`` is ``0000:3b:00.0``."""
    found = BUS.match(text.strip())
    return f"{found[1] or '0000'}:{found[2]}".lower() if found else ""


def device_index(name: str) -> int | None:
    """Return the card of a device file's name: ``cambricon_dev0`` is 0, ``cambricon_ctl`` none."""
    found = DEVICE_FILE.fullmatch(name)
    return int(found[1]) if found else None


def information(text: str) -> Identity:
    """Read ``/proc/driver/cambricon/mlus/<bus id>/information``.

    Source: documented for driver 5.10, whose source prints these labels; inferred for 4.9.
    """
    frequency = labelled(text, "IPU Freq", FREQUENCY)
    return Identity(
        model=model_name(labelled(text, "Device name", re.compile("(.*)"))),
        driver=labelled(text, "Driver Version", VERSION),
        firmware=labelled(text, "MCU Version", VERSION),
        serial=labelled(text, "Board Serial Number", SERIAL),
        frequency=f"{frequency} MHz" if frequency else "",
    )


def information_index(text: str) -> int | None:
    """Return the card's index from its ``Device inode path``; documented for driver 5.10, absent before."""
    return device_index(labelled(text, "Device inode path", re.compile(r"/dev/(\S+)")))


def cnmon_cards(text: str) -> dict[int, Identity]:
    """Read the cards that ``cnmon info`` (blocks) or ``cnmon`` (a table) lists, by index.

    Source: outputs of cnmon 4.20 and 5.10 that users have published; inferred for 4.9. That the firmware
    there is the MCU's is inferred too.
    """
    _, *parts = CARD_BLOCK.split(text)
    blocks = {int(index): _block(block) for index, block in zip(parts[::2], parts[1::2], strict=True)}
    return blocks or {int(index): _row(row) for index, row in TABLE_ROW.findall(text) if model_name(row)}


def _block(text: str) -> Identity:
    return Identity(
        model=model_name(labelled(text, "Product Name", re.compile("(.*)"))),
        driver=labelled(text, "Driver", VERSION) or labelled(text, "Driver Version", VERSION),
        firmware=labelled(text, "Firmware", VERSION) or labelled(text, "MCU Version", VERSION),
        serial=labelled(text, "SN", SERIAL) or labelled(text, "Board Serial Number", SERIAL),
    )


def _row(row: str) -> Identity:
    """Read a row of the table; one version alone could be either, so it is neither."""
    versions = VERSION.findall(row)
    if len(versions) != FIRMWARE_AND_DRIVER:
        return Identity(model=model_name(row))
    return Identity(model=model_name(row), firmware=versions[0], driver=versions[1])


def cnmon_state(text: str) -> dict[int, dict[str, float]]:
    """Read temperature and power from the table of ``cnmon``, by card: they stand in the line below its own.

    Source: outputs of cnmon 4.9 and 4.20 that users have published.
    """
    lines = text.splitlines()
    found: dict[int, dict[str, float]] = {}
    for line, below in itertools.pairwise(lines):
        row = TABLE_ROW.match(line)
        if row and model_name(row[2]):
            shapes = {"temperature_celsius": TEMPERATURE, "power_watts": POWER}
            figures = {name: shape.search(below) for name, shape in shapes.items()}
            found[int(row[1])] = {name: float(figure[1]) for name, figure in figures.items() if figure}
    return found


def clock_megahertz(text: str) -> float | None:
    """Return the clock that the driver's file about a card tells, None if it does not."""
    frequency = labelled(text, "IPU Freq", FREQUENCY)
    return float(frequency) if frequency else None


def cnmon_driver(text: str) -> str:
    """Return the driver's version from ``cnmon version``: the one after the word driver; inferred."""
    lines = [line for line in text.splitlines() if re.search(r"\bdriver\b", line, re.IGNORECASE)]
    return next(filter(None, (version(re.split(r"(?i)\bdriver\b", line)[-1]) for line in lines)), "")


def lspci_cards(text: str) -> dict[str, str]:
    """Return the model of every Cambricon device in the output of ``lspci -D -nn -d cabc:``, by bus.

    Source: ``[vendor:device]`` is lspci's documented form; numbers other than the MLU270's are shown as they
    are.
    """
    found = ((bus_id(line), PCI_ID.search(line)) for line in text.splitlines())
    return {bus: pci_model(device[1]) for bus, device in found if bus and device}


def pci_model(device: str) -> str:
    """Return the model of a PCI device id, four hexadecimal digits, else the id itself."""
    return MODELS.get(device.lower(), f"PCI cabc:{device.lower()}")


def neuware_version(text: str) -> str:
    """Read ``/usr/local/neuware/version.txt``: "Neuware Version 1.4.0", with or without a v.

    Source: documented by public set-up guides for 1.4 and 3.9.
    """
    return version(text)
