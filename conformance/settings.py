"""What a user asked for: the value of every option, from the command line, the environment, or its default.

An option's value is what the command line says, else what its variable says, else its default. An empty
variable says nothing.
"""

from __future__ import annotations

import dataclasses
import math
import os
import shlex
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.errors import UsageError, near_names
from conformance.options import OPTIONS, PREFIX, REPEATED, SUITE, Kind
from conformance.shard import read_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from conformance.options import Option

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
EXCLUSIVE = (("waivers", "no_waivers"), ("network", "network_path"))
"""Options that answer one question: the command line's answer wins over the environment's."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the user of pytest asked for; paths are absolute or None where not given, a shard is ``I/N``."""

    device: str
    device_option: dict[str, str]
    device_timeout: float
    isolate: bool
    repeat: int
    probe: bool
    layer_by_layer: bool
    require_hardware: bool
    network: str
    network_path: list[Path]
    weights: Path | None
    trust_graph: bool
    nodes: str
    shard: str | None
    rounds: int | None
    examples: int
    profile: str
    waivers: Path | None
    no_waivers: bool
    unmodelled: str
    run_dir: Path | None
    baseline: Path | None
    html: Path | None
    golden_dir: Path


def read_settings(given: Mapping[str, object], environment: Mapping[str, str], directory: Path) -> Settings:
    """Return what the user of pytest asked for; see :func:`resolved`."""
    values = resolved(SUITE, given, environment, directory)
    values["golden_dir"] = values["golden_dir"] or locations.GOLDENS
    return Settings(**values)


def resolved(
    options: Iterable[Option], given: Mapping[str, object], environment: Mapping[str, str], directory: Path
) -> dict[str, Any]:
    """Return the value of each option: the command line first, then the environment, then the default.

    Args:
        options: what can be given.
        given: value per option name; absent or None where the command line is silent.
        environment: the process environment.
        directory: what relative paths are relative to.

    Returns:
        By option name: a text, path or None, a number, True or False, a list of paths, or a mapping of pairs.

    Raises:
        UsageError: an option is empty or malformed, a switch's variable is neither true nor false, options
            contradict each other, or a variable with our prefix is the twin of no option.
    """
    _check_variables(environment)
    chosen = {option: _chosen(option, given, environment) for option in options}
    sources = {
        option.name: option.variable if given.get(option.name) is None else option.flag
        for option, value in chosen.items()
        if value
    }
    for first, second in EXCLUSIVE:
        if first in sources and second in sources:
            raise UsageError(f"{sources[first]} and {sources[second]} contradict each other; drop one")
    return {
        option.name: _read(option, value, sources.get(option.name, ""), directory, environment)
        for option, value in chosen.items()
    }


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt twin, which would otherwise be ignored; one of another command's option is none."""
    known = [option.variable for option in OPTIONS if option.twin]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise UsageError(f"environment variable {name} means nothing{near_names(name, known)}")


def _chosen(option: Option, given: Mapping[str, object], environment: Mapping[str, str]) -> Any:
    """Return what the command line says, else the environment; None, False or empty where both are silent."""
    text_given = given.get(option.name)
    if text_given == "" or (isinstance(text_given, list) and "" in text_given):
        raise UsageError(f"{option.flag} is empty; give a {option.value} or drop it")
    rivals = {name for pair in EXCLUSIVE if option.name in pair for name in pair}
    if text_given is not None or any(given.get(name) for name in rivals):
        return text_given
    text = environment.get(option.variable, "") if option.twin else ""
    if option.kind is Kind.PAIRS:
        return _words(option, text)
    if option.kind is Kind.PATHS:
        return [path for path in text.split(os.pathsep) if path]
    return _truth(option, text) if option.kind is Kind.SWITCH else text


def _words(option: Option, text: str) -> list[str]:
    """Return a variable's values; quotes keep spaces together, as in a shell."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option.variable}={text!r} has an open quote; close it") from error


def _truth(option: Option, text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise UsageError(f"{option.variable}={text!r} is neither true nor false; set 1 or 0")
    return text.lower() in TRUE


def _read(option: Option, value: Any, source: str, directory: Path, environment: Mapping[str, str]) -> Any:
    """Return what a chosen value means; ``source`` is where it comes from, for sentences."""
    for part in value if isinstance(value, list) else [value]:
        _check_letters(part, source)
    if option.kind is Kind.SWITCH:
        return bool(value)
    if option.kind in REPEATED:
        return _pairs(value or [], source) if option.kind is Kind.PAIRS else _paths(value or [], directory)
    text = value or option.default or None
    if text is None or option.kind is Kind.TEXT:
        return _one_of(option.choices, text, source) if text and option.choices else text
    if option.kind is Kind.SHARD:
        return read_shard(text, source, environment)
    if option.kind is Kind.PATH:
        return directory / text
    return (_count if option.kind is Kind.COUNT else _seconds)(text, source)


def _check_letters(text: object, source: str) -> None:
    """Refuse a text that no file of a run can name, as Python has it from bytes that it cannot decode."""
    if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError(
            f"{source} {text} is not UTF-8, or the locale is of ASCII alone; rename it, or set LC_ALL=C.UTF-8"
        )


def _one_of(words: Sequence[str], text: str, source: str) -> str:
    if text not in words:
        raise UsageError(f"{source} {text!r} is neither {' nor '.join(words)}; give one of these")
    return text


def given_twice(flag: str, first: object, second: object) -> str:
    """Return the sentence for an option that has two values on one command line."""
    return f"{flag} is given twice, as '{first}' and '{second}'; drop one"


def _pairs(texts: Sequence[str], source: str) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a mapping; a key has one value."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"{source} {text!r} is not KEY=VALUE; write it like allow-stock=1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"{source} {key} is given as {found[key]!r} and {value!r}; drop one")
    return found


def _paths(texts: Sequence[str], directory: Path) -> list[Path]:
    return [directory / text for text in texts]


def _count(text: str, source: str) -> int:
    """Return a whole number above 0."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{source} {text!r} is no whole number above 0; give one like 20")
    return int(text)


def _seconds(text: str, source: str) -> float:
    """Return a number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"{source} {text!r} is no number of seconds above 0; give one like 300")
    return value
