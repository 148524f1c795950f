"""What differs between the environments of two runs, beside what differs between any two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.history.history_file import Difference
from conformance.runs.merging import PLACES, PLACES_OF_DEVICE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LABELS = ("driver", "firmware", "runtime", "framework")
"""What of a device is changed on purpose, and tested first."""
OWN = frozenset(
    {
        *("started", "seconds", "ended", "judged_from", "shard", "shards", "devices"),
        *(f"options.{name}" for name in (*PLACES, "baseline")),
        *(f"options.device_option.{name}" for name in PLACES_OF_DEVICE),
    }
)
"""What every run has for itself: times, digests, places on a host; ``devices`` repeats ``device``."""


def flattened(environment: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries of an ``environment.json`` as texts by dotted name, those of ``OWN`` left out.

    An entry of a list that has a name stands under it: ``networks.beautygan.graph_sha256``.
    """
    return {name: text for name, text in sorted(_flat(environment, "")) if text != ""}


def _flat(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if name in OWN:
        return
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from _flat(entry, f"{name}.{key}" if name else str(key))
    elif _has_names(value):
        for entry in value:
            rest = {key: part for key, part in entry.items() if key != "name"}
            yield from _flat(rest, f"{name}.{entry['name']}")
    else:
        yield name, _text(value)


def _has_names(value: Any) -> bool:
    """Whether this is a list of entries that have names."""
    entries = value if isinstance(value, list) else []
    return bool(entries) and all(isinstance(entry, dict) and "name" in entry for entry in entries)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return "" if value is None else str(value)


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """Return the entries that differ between two flattened environments: those of ``LABELS`` first."""
    names = sorted(
        {name for name in {**before, **after} if before.get(name) != after.get(name)},
        key=lambda name: (name not in _LABELLED, name),
    )
    return [Difference(name=name, before=before.get(name), after=after.get(name)) for name in names]


_LABELLED = frozenset(f"device.{label}" for label in LABELS)


def in_words(found: list[Difference], most: int = 4) -> str:
    """Return differences for a sentence: ``driver 4.20.6 -> 4.20.11``; SHA-256 by their first digits."""
    if not found:
        return "nothing recorded changed"
    texts = [
        f"{item.name.removeprefix('device.')} {_short(item.before)} -> {_short(item.after)}"
        for item in found[:most]
    ]
    more = [f"{len(found) - most} more"] if len(found) > most else []
    return ", ".join(texts + more)


def _short(text: str | None) -> str:
    if not text:
        return "nothing"
    if len(text) == 64 and all(letter in "0123456789abcdef" for letter in text):
        return text[:12]
    return text if len(text) <= 60 else f"{text[:57]}..."
