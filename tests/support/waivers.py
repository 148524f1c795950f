"""Waivers made by hand, and as TOML."""

import datetime as dt
import json

from conformance.judging.waivers import Waiver

PLAIN = {
    "id": "means",
    "network": "n",
    "nodes": ["mean*"],
    "operators": ["Mean"],
    "precisions": ["*-fp16"],
    "modes": ["own"],
    "reason": "The running sum is kept in half.",
    "evidence": "Four of four cases deviate.",
    "owner": "these tests",
    "at_most": 1e6,
    "expires": dt.date(2030, 1, 31),
}


def waiver(**changes):
    """Return a waiver of every Mean in half."""
    return Waiver(**(PLAIN | changes))


def toml(value):
    """Return a value as TOML."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml(item)}" for key, item in value.items()) + " }"
    return str(value) if isinstance(value, dt.date) else json.dumps(value)


def waiver_toml(raw=(), **changes):
    """Return the same as TOML; None leaves a key out, ``raw`` has TOML in place of values."""
    texts = {key: toml(value) for key, value in (PLAIN | changes).items()}
    lines = [f"{key} = {text}" for key, text in (texts | dict(raw)).items() if text not in (None, "null")]
    return "\n".join(["[[waiver]]", *lines, ""])
