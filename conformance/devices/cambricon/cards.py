"""The Cambricon cards of this machine: which there are, what they are, and whether they can be used.

Never run on a card: the places looked at are those that public sources of the driver and its tools name.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.cambricon import versions
from conformance.devices.cambricon.versions import Identity
from conformance.errors import InfrastructureError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Tool = Callable[[Sequence[str]], str | None]

TOOL_SECONDS = 10.0
GRACE_SECONDS = 1.0
LARGEST_FILE = 2**16
VENDOR = "0xcabc"
LSPCI = ("lspci", "-D", "-nn", "-d", "cabc:")
CNMON_VIEWS = (("cnmon", "info"), ("cnmon",))
SILENT = "no answer (not installed, failing or hanging)"
CURE = "load its driver, or give this container its /dev/cambricon_dev*"
"""What makes a visible card usable."""


@dataclasses.dataclass(frozen=True)
class Card:
    """One card; every text is empty where no source knows it.

    Attributes:
        index: the number that cnmon, the device file and ``MLU_VISIBLE_DEVICES`` use.
        device_file: None for a card that is visible but cannot be used: its driver is not loaded, or this
            container was not given its device file.
        firmware: version of the board's microcontroller (MCU).
        bus: PCI address.
    """

    index: int
    device_file: Path | None
    model: str = ""
    driver: str = ""
    firmware: str = ""
    serial: str = ""
    bus: str = ""
    frequency: str = ""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What was found on this machine, and where it was looked for.

    Attributes:
        cards: by index.
        driver: version of the kernel driver.
        neuware: version of the vendor's software.
        looked_for: one phrase per place, "place: what was found there".
    """

    cards: tuple[Card, ...]
    driver: str
    neuware: str
    looked_for: tuple[str, ...]

    @property
    def usable(self) -> tuple[Card, ...]:
        """The cards that have a device file."""
        return tuple(card for card in self.cards if card.device_file is not None)


def no_hardware(found: Survey, simulated: str = "") -> InfrastructureError:
    """Return the error for ``--require-hardware`` where no card is used.

    Args:
        found: on this machine.
        simulated: what is used instead, if anything.
    """
    instead = f"device {simulated!r} is simulated, and " if simulated else ""
    if found.usable:
        problem = f"card {found.usable[0].index} is not asked for; give --device=cambricon"
    elif found.cards:
        indices = ", ".join(str(card.index) for card in found.cards)
        problem = f"no visible card ({indices}) has a device file; {CURE}"
    else:
        places = "; ".join(found.looked_for)
        problem = f"no Cambricon card is visible ({places}); install a card and its driver"
    return InfrastructureError(f"--require-hardware is set, but {instead}{problem}")


def run_tool(
    command: Sequence[str], *, seconds: float = TOOL_SECONDS, environment: Mapping[str, str] | None = None
) -> str | None:
    """Return what a command prints, or None if it is absent, fails or takes longer than ``seconds``."""
    try:
        process = subprocess.Popen(  # noqa: S603 - a tool of the system, or an interpreter to be asked
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=None if environment is None else dict(environment),
            start_new_session=True,
        )
    except OSError:
        return None
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        _end(process)
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a tool and what it started; one that hangs in the driver cannot die, and is left to the system."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_SECONDS)
    if process.stdout is not None:
        process.stdout.close()


def survey(root: Path = Path("/"), run: Tool = run_tool) -> Survey:
    """Look for Cambricon cards, and for what is installed with them; nothing here opens a card.

    Args:
        root: where ``dev``, ``proc``, ``sys`` and ``usr`` lie.
        run: runs a tool; returns what it prints, or None.
    """
    looked: list[str] = []
    files = _device_files(root, looked)
    informed = _informations(root, looked)
    listed = {**_sysfs(root, looked), **_lspci(run, looked)}
    told = _cnmon(run, looked)
    texts = {bus: versions.information(text) for bus, text in informed.items()}
    places = _places(informed, listed)
    cards = tuple(
        _card(index, files.get(index), places.get(index, ""), texts, told, listed)
        for index in sorted({*files, *told, *places})
    )
    driver = next(filter(None, (card.driver for card in cards)), "")
    if told and not driver:  # cnmon is known to answer
        driver = versions.cnmon_driver(run(("cnmon", "version")) or "")
    return Survey(cards, driver, _neuware(root, looked), tuple(looked))


def _card(
    index: int,
    file: Path | None,
    bus: str,
    texts: Mapping[str, Identity],
    told: Mapping[int, Identity],
    listed: Mapping[str, str],
) -> Card:
    """Return a card; where sources differ, the driver's own word counts most and the PCI id least."""
    identity = texts.get(bus, Identity()).completed(told.get(index, Identity()))
    identity = identity.completed(Identity(model=listed.get(bus, "")))
    return Card(index, file, bus=bus, **dataclasses.asdict(identity))


def _places(informed: Mapping[str, str], listed: Mapping[str, str]) -> dict[int, str]:
    """Return the bus of every card that has one.

    The driver of 5.10 says which device file a bus has. Where it does not, cards are taken to be numbered in
    the order of the bus, as the kernel finds them; this is inferred. A bus that the driver does not know,
    although it knows others, is a card that it could not start: it gets a number that no other card has.
    """
    reported = {bus: versions.information_index(text) for bus, text in informed.items()}
    places = {index: bus for bus, index in reported.items() if index is not None}
    ordered = sorted(informed or listed)
    for index, bus in enumerate(ordered):
        if bus not in places.values() and index not in places:
            places[index] = bus
    left = sorted({*informed, *listed} - set(places.values()))
    free = (index for index in itertools.count() if index not in places)
    return {**places, **dict(zip(free, left, strict=False))}


def _device_files(root: Path, looked: list[str]) -> dict[int, Path]:
    """Return the device files by index; a directory of that name is what Docker makes of a missing one."""
    paths = {versions.device_index(path.name): path for path in root.glob("dev/cambricon_dev*")}
    files = {index: path for index, path in paths.items() if index is not None and not path.is_dir()}
    looked.append(_found("/dev/cambricon_dev*", [files[index].name for index in sorted(files)]))
    return files


def _informations(root: Path, looked: list[str]) -> dict[str, str]:
    paths = root.glob("proc/driver/cambricon/mlus/*/information")
    texts = {versions.bus_id(path.parent.name): _text(path) for path in paths}
    texts.pop("", None)
    looked.append(_found("/proc/driver/cambricon/mlus", sorted(texts)))
    return texts


def information_text(root: Path, bus: str) -> str:
    """Return what the driver's file about the card of a PCI address says, empty if there is none."""
    paths = root.glob("proc/driver/cambricon/mlus/*/information")
    return next((_text(path) for path in paths if versions.bus_id(path.parent.name) == bus), "")


def _sysfs(root: Path, looked: list[str]) -> dict[str, str]:
    """Return the models by bus, from the kernel's own list; documented (sysfs-bus-pci), and needs no tool."""
    directories = [path.parent for path in root.glob("sys/bus/pci/devices/*/vendor") if _text(path) == VENDOR]
    found = {
        versions.bus_id(path.name): versions.pci_model(_text(path / "device").removeprefix("0x"))
        for path in directories
    }
    looked.append(_found(f"/sys/bus/pci/devices with vendor {VENDOR}", sorted(found)))
    return found


def _lspci(run: Tool, looked: list[str]) -> dict[str, str]:
    text = run(LSPCI)
    found = versions.lspci_cards(text or "")
    looked.append(
        _found("lspci -d cabc:", sorted(found)) if text is not None else f"lspci -d cabc:: {SILENT}"
    )
    return found


def _cnmon(run: Tool, looked: list[str]) -> dict[int, Identity]:
    """Return what cnmon says; one that did not answer is not asked again, as it may hang each time."""
    found: dict[int, Identity] = {}
    for view in CNMON_VIEWS:
        text = run(view)
        if text is None:
            looked.append(_found(" ".join(view), [SILENT]))
            return found
        found = versions.cnmon_cards(text)
        if found:
            break
    looked.append(_found(" ".join(view), [f"card {index}" for index in sorted(found)]))
    return found


def _neuware(root: Path, looked: list[str]) -> str:
    found = versions.neuware_version(_text(root / "usr/local/neuware/version.txt"))
    looked.append(_found("/usr/local/neuware/version.txt", [found] if found else []))
    return found


def _text(path: Path) -> str:
    """Return the beginning of a file as text, empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE).decode(errors="replace").strip()
    except OSError:
        return ""


def _found(place: str, names: Sequence[str]) -> str:
    return f"{place}: {', '.join(names) or 'none'}"
