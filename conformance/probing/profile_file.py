"""From answers to a profile: a file that ``--profile`` takes, every value with its evidence."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.profile import ALTERNATIVES, Profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.probing.result import Answer, Probe


def found_values(probe: Probe, base: Profile) -> dict[str, str]:
    """Return the value of every switch: the one that was found, else the one of ``base``.

    Of several that give the same results, that of ``base`` is taken where it is one of them.
    """
    values = {}
    for switch in ALTERNATIVES:
        answer, known = probe.answer(switch), getattr(base, switch)
        fits = answer.values if answer else []
        values[switch] = known if known in fits or not fits else fits[0]
    return values


def profile_toml(probe: Probe, base: Profile, name: str) -> str:
    """Return the profile's file.

    Args:
        probe: what was found.
        base: has the values of switches that were not told.
        name: what the profile is called.
    """
    values = found_values(probe, base)
    model = str(probe.device.get("model") or "unknown")
    head = [
        f"# What a probe of {_comment(probe.device_words)} found on {probe.date}",
        f"# evidence: measured where a result decided, else assumed, with the value of {base.name}",
        "",
        f"name = {_text(name)}",
        f"model = {_text(model)}",
        f"description = {_text(f'Numerics of {probe.device_words}, as a probe of {probe.date} found them')}",
    ]
    lines = [line for switch, value in values.items() for line in _switch(probe, switch, value, base.name)]
    return "\n".join([*head, *_hardware(base), *lines, ""])


def _switch(probe: Probe, switch: str, value: str, base: str) -> list[str]:
    answer = probe.answer(switch)
    measured = answer is not None and answer.state == "told"
    return [
        "",
        f"[switch.{switch}]",
        f"value = {_text(value)}",
        f"alternatives = [{', '.join(map(_text, ALTERNATIVES[switch]))}]",
        f"evidence = {_text('measured' if measured else 'assumed')}",
        f"source = {_text(_source(probe, answer, base))}",
    ]


def _source(probe: Probe, answer: Answer | None, base: str) -> str:
    of = f"probe of {probe.device_words}, {probe.date}"
    if answer is None:
        return f"{of}: not asked; as in {base}"
    if answer.state == "told":
        return f"{of}: {answer.observation} ({answer.sure})"
    if answer.state == "same":
        return f"{of}: {' and '.join(answer.values)} give the same results: {answer.observation}"
    said = {"none": "none of the alternatives", "rests": "not found", "lost": "no result"}[answer.state]
    return f"{of}: {said}, so as in {base}: {answer.observation}"


def _hardware(base: Profile) -> list[str]:
    """Return what the base profile says of speed, which no probe measures."""
    if base.hardware is None:
        return []
    figures: Mapping[str, float | str] = {
        name: getattr(base.hardware, name) for name in base.hardware.__struct_fields__
    }
    return ["", "[hardware]", *(f"{name} = {_value(value)}" for name, value in figures.items())]


def _value(value: float | str) -> str:
    return _text(value) if isinstance(value, str) else repr(float(value))


def _text(value: str) -> str:
    """Return a TOML basic string, whose escapes are JSON's."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(value: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in value)


def emulated(probe: Probe, base: Profile) -> Profile:
    """Return the profile that was found, for an emulator."""
    title = f"probe of {probe.device.get('kind', 'a device')}, {probe.date}"
    values: dict[str, Any] = found_values(probe, base)
    return dataclasses.replace(base, name="probe", title=title, **values)
