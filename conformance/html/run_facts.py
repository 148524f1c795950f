"""The environment of a run as pairs of name and value, the ones that a reader asks for first."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.runs.environment import JudgedFrom

if TYPE_CHECKING:
    from conformance.runs.environment import Environment, UsedDevice

DEVICE = ("kind", "model", "driver", "firmware", "runtime", "framework", "profile", "serial", "settings")
OPTIONAL = ("profile", "settings", "runtime")
UNTOLD, SEVERAL = "not told", 2


@dataclasses.dataclass(frozen=True)
class Group:
    """Pairs of name and value under one heading."""

    heading: str
    pairs: list[tuple[str, str]]


def facts(environment: Environment) -> list[Group]:
    """Return what a reader needs to repeat a run, or to doubt it."""
    return [
        Group("Device", _device(environment.device)),
        Group("Machine", _machine(environment)),
        Group("Suite", _suite(environment)),
        *_judged_again(environment),
        *_cards(environment),
        Group(
            "Packages", [(name, version or "not installed") for name, version in environment.packages.items()]
        ),
        Group("Networks", [(item.name, f"graph {item.graph_sha256:.12}") for item in environment.networks]),
        Group("Options", [(name, _text(value)) for name, value in environment.options.items() if value]),
        Group("Held to", [(what, digest[:12]) for what, digest in environment.held_to.items()]),
        *_time(environment),
    ]


def _device(device: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the device says of itself; that it does not tell a driver is a fact, too."""
    named = [
        (name, _text(device[name]) or UNTOLD)
        for name in DEVICE
        if name in device and (device[name] or name not in OPTIONAL)
    ]
    others = [
        (name, _text(value)) for name, value in device.items() if name not in (*DEVICE, "simulated") and value
    ]
    return [*named, *others]


def _judged_again(environment: Environment) -> list[Group]:
    """Return of which run this is another judgement, and what that was held to instead."""
    again = environment.judged_from
    if not isinstance(again, JudgedFrom):
        return []
    said = [("run", again.run), ("when", f"{again.judged:%Y-%m-%d %H:%M:%S} UTC"), *again.rules.items()]
    return [Group("Judged again", said)]


def _cards(environment: Environment) -> list[Group]:
    """Return what tells cards apart and how they were, where there are several or their driver tells."""
    cards = environment.devices
    if len(cards) < SEVERAL and not any(card.before or card.after for card in cards):
        return []
    return [Group("Cards", [(card.process, _card(card)) for card in cards])]


def _card(card: UsedDevice) -> str:
    serial = f"serial {card.device.get('serial') or UNTOLD}"
    readings = [
        f"{name} {card.before.get(name, UNTOLD)} before, {card.after.get(name, UNTOLD)} after"
        for name in dict.fromkeys([*card.before, *card.after])
    ]
    return "; ".join([serial, *readings])


def _machine(environment: Environment) -> list[tuple[str, str]]:
    machine = environment.machine
    return [
        ("started", f"{environment.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("computer", machine.platform),
        ("processor", f"{machine.cpu}, {machine.cores} cores"),
        *([("shards", str(len(environment.shards)))] if environment.shards else []),
    ]


def _suite(environment: Environment) -> list[tuple[str, str]]:
    commit = environment.commit
    return [
        ("version", environment.version),
        *([("commit", f"{commit.sha:.12}{', changed' if commit.dirty else ''}")] if commit else []),
        ("python", environment.python),
    ]


def _time(environment: Environment) -> list[Group]:
    spent = [(what, f"{seconds:.1f} s") for what, seconds in environment.seconds.items()]
    return [Group("Wall time", spent)] if spent else []


def _text(value: Any) -> str:
    """Return a value in words."""
    if value is None or value in ("", {}, []):
        return ""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
