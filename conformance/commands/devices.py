"""``mlu-conformance devices``: the cards of this machine, the vendor's software, and what else can be judged.

TensorFlow is not imported, and no card is opened. Never run on a machine with a card.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.arguments import add_options
from conformance.commands.printing import say
from conformance.devices.cambricon.card_lock import DIRECTORY, card_owner
from conformance.devices.cambricon.cards import CURE, Card, no_hardware, run_tool, survey
from conformance.devices.cambricon.interpreter import PLACES, Interpreter, interpreters
from conformance.devices.registry import ENTRY_POINTS
from conformance.errors import InfrastructureError
from conformance.files import json_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from conformance.commands import Commands
    from conformance.devices.cambricon.cards import Survey, Tool


@dataclasses.dataclass(frozen=True)
class SeenCard:
    """A card, and who holds its lock, if anybody."""

    card: Card
    owner: str | None

    @property
    def line(self) -> str:
        """The card in one line; what no source knows is left out."""
        card = self.card
        labels = {
            "driver": card.driver,
            "firmware (MCU)": card.firmware,
            "serial": card.serial,
            "bus": card.bus,
        }
        known = [f"{label} {value}" for label, value in labels.items() if value]
        texts = [card.model or "model unknown", *known, card.frequency, str(card.device_file or "")]
        return f"card {card.index}: {', '.join(filter(None, texts))}; {self.state}"

    @property
    def state(self) -> str:
        """Whether one can run something on it now."""
        if self.card.device_file is None:
            return f"visible but not usable, as it has no device file: {CURE}"
        return f"taken by {self.owner}" if self.owner else "free"


@dataclasses.dataclass(frozen=True)
class Report:
    """Everything that the command prints.

    Attributes:
        cards: visible ones, by index.
        survey: what was found, and where it was looked for.
        interpreters: every Python that may be the vendor's.
        devices: what ``--device`` takes, with what it means.
    """

    cards: list[SeenCard]
    survey: Survey
    interpreters: list[Interpreter]
    devices: dict[str, str]


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("devices", help="list cards, the vendor's software and devices to judge")
    command.add_argument("--json", action="store_true", help="print one JSON object")
    add_options(command, "require_hardware")
    command.set_defaults(command=list_devices)


def list_devices(options: argparse.Namespace) -> None:
    """Print what there is.

    Raises:
        InfrastructureError: hardware is required, and no card can be used.
    """
    report = gather()
    for line in [as_json(report)] if options.json else lines(report):
        say(line)
    if options.require_hardware and not report.survey.usable:
        raise no_hardware(report.survey)


def gather(
    root: Path = Path("/"),
    run: Tool = run_tool,
    locks: Path = DIRECTORY,
    environment: Mapping[str, str] = os.environ,
    home: Path | None = None,
) -> Report:
    """Find out everything that the command prints.

    Args:
        root: where the system's directories lie.
        run: runs a tool of the system.
        locks: where the locks of cards lie.
        environment: variables of the process.
        home: the user's home directory, or None for that of the process.
    """
    found = survey(root, run)
    cards = [SeenCard(card, _owner(card, locks)) for card in found.cards]
    return Report(cards, found, interpreters(environment, home or Path.home()), named_devices())


def _owner(card: Card, locks: Path) -> str | None:
    try:
        return card_owner(card.index, locks)
    except InfrastructureError as error:
        return f"somebody: {error}"


def named_devices() -> dict[str, str]:
    """Return what ``--device`` takes on this machine, with what it means; nothing is loaded."""
    profiles = sorted(path.stem for path in locations.DEVICES.glob("*.toml"))
    points = importlib.metadata.entry_points(group=ENTRY_POINTS)
    return {
        "auto": "a card when one is visible, else the emulator",
        "emulator": f"numerics in software, by --profile: {', '.join(profiles)}",
        "cpu": "stock TensorFlow in float32",
        "cambricon": "a card, through the vendor's Python",
        **{point.name: f"entry point {point.value}" for point in points},
        "package.module:factory": "anything with the interface of conformance.devices.base",
    }


def lines(report: Report) -> list[str]:
    """Return the report as people read it."""
    return [*_card_lines(report), *_software_lines(report), *_device_lines(report)]


def _card_lines(report: Report) -> list[str]:
    found = [seen.line for seen in report.cards] or ["no Cambricon card is visible"]
    if report.survey.usable:
        return found
    return [*found, "looked for:", *(f"  {place}" for place in report.survey.looked_for)]


def _software_lines(report: Report) -> list[str]:
    installed = {"driver": report.survey.driver, "Neuware": report.survey.neuware}
    versions = [f"{name} {version or 'not found'}" for name, version in installed.items()]
    pythons = [f"  {interpreter}" for interpreter in report.interpreters]
    return [*versions, "Python for the card:", *(pythons or [f"  none found: looked for {PLACES}"])]


def _device_lines(report: Report) -> list[str]:
    width = max(map(len, report.devices))
    return ["--device takes:", *(f"  {name:<{width}}  {what}" for name, what in report.devices.items())]


def as_json(report: Report) -> str:
    """Return the report as one JSON object."""
    cards = [
        {**dataclasses.asdict(seen.card), "usable": seen.card.device_file is not None, "owner": seen.owner}
        for seen in report.cards
    ]
    pythons = [
        {**dataclasses.asdict(interpreter), "suitable": interpreter.suitable}
        for interpreter in report.interpreters
    ]
    found = report.survey
    content = {
        "cards": cards,
        "driver": found.driver,
        "neuware": found.neuware,
        "looked_for": found.looked_for,
        "interpreters": pythons,
        "devices": report.devices,
    }
    return json_text(content, unknown=str)
