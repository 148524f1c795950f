"""The options of the suite and of every command: one table, each option with its twin in the environment."""

from __future__ import annotations

import dataclasses
import math
import shlex
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.errors import UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

SELECTION = (
    "nodes by name, glob or class, separated by commas; classes: key, all, outputs, reductions, fixed-point, "
    "joins, modules, rare, named, op:TYPE"
)
"""Help of every option that selects nodes."""

PREFIX = "MLU_CONFORMANCE_"
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


@dataclasses.dataclass(frozen=True)
class Option:
    """One option: its flag, what it means, and whether it takes a value, or several."""

    flag: str
    help: str
    default: str = ""
    switch: bool = False
    repeated: bool = False
    value: str = "NAME"

    @property
    def name(self) -> str:
        """Name in code: ``--run-dir`` is ``run_dir``."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment twin: ``--run-dir`` is ``MLU_CONFORMANCE_RUN_DIR``."""
        return PREFIX + self.name.upper()

    @property
    def destination(self) -> str:
        """Name in pytest's own namespace, which is shared with other plugins."""
        return f"mlu_{self.name}"


OPTIONS: tuple[Option, ...] = (
    Option(
        "--device",
        "auto (a card when one is visible, else the emulator), emulator, cpu, cambricon, "
        "package.module:factory, or an entry point's name",
        "auto",
    ),
    Option(
        "--device-option",
        "KEY=VALUE for the device, such as python=PATH for cambricon; may be given again (in the "
        "environment: several, separated by spaces)",
        repeated=True,
        value="KEY=VALUE",
    ),
    Option(
        "--device-timeout",
        "seconds that a device in a process of its own may take to compile a graph, and to run it",
        "300",
        value="SECONDS",
    ),
    Option("--isolate", "run the device in a process of its own, which may crash or hang", switch=True),
    Option("--layer-by-layer", "do not fuse operators, in any mode", switch=True),
    Option("--require-hardware", "exit 3 unless the device is a real card", switch=True),
    Option(
        "--network",
        "networks below fixtures/networks by name, separated by commas, or all",
        "beautygan",
        value="LIST",
    ),
    Option("--network-path", "directory with the network.toml of a network kept elsewhere", value="DIR"),
    Option(
        "--weights",
        "checkpoint whose weights take the place of the network's own; scales, goldens and bounds are made",
        value="DIR",
    ),
    Option("--nodes", SELECTION, "key", value="LIST"),
    Option(
        "--profile",
        "the emulator's numeric profile: NAME or FILE.toml, then ,switch=value to turn switches",
        "mlu270",
    ),
    Option("--waivers", "waiver file (default: fixtures/waivers/<profile or device>.toml)", value="FILE"),
    Option("--no-waivers", "judge as if no deviation were known", switch=True),
    Option(
        "--run-dir",
        "directory for this run's records; must be new or empty (default: runs/<time>-<network>-<device>)",
        value="DIR",
    ),
    Option("--golden-dir", "directory of the goldens", str(locations.GOLDENS), value="DIR"),
)

EXCLUSIVE = (("waivers", "no_waivers"), ("network", "network_path"))
"""Options that answer one question: the command line's answer wins over the environment's."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the user asked for; paths are absolute or None where not given."""

    device: str
    device_option: dict[str, str]
    device_timeout: float
    isolate: bool
    layer_by_layer: bool
    require_hardware: bool
    network: str
    network_path: Path | None
    weights: Path | None
    nodes: str
    profile: str
    waivers: Path | None
    no_waivers: bool
    run_dir: Path | None
    golden_dir: Path


def read_settings(given: Mapping[str, object], environment: Mapping[str, str], directory: Path) -> Settings:
    """Return the settings: the command line first, then the environment, then the default.

    Args:
        given: value per option name, None where the command line is silent.
        environment: the process environment.
        directory: what relative paths are relative to.

    Raises:
        UsageError: an option is empty, a switch's variable is neither true nor false, or options
            contradict each other.
    """
    _check_variables(environment)
    chosen = {option.name: _chosen(option, given, environment) for option in OPTIONS}
    for first, second in EXCLUSIVE:
        if chosen[first] and chosen[second]:
            flags = [option.flag for option in OPTIONS if option.name in (first, second)]
            raise UsageError(f"{' and '.join(flags)} contradict each other; drop one")
    values: dict[str, Any] = {
        option.name: chosen[option.name] or (False if option.switch else option.default) for option in OPTIONS
    }
    for name in ("network_path", "weights", "waivers", "run_dir", "golden_dir"):
        values[name] = directory / str(values[name]) if values[name] else None
    values["device_option"] = pairs(values["device_option"] or [])
    values["device_timeout"] = seconds(values["device_timeout"])
    return Settings(**values)


def _words(option: Option, text: str) -> list[str]:
    """Return a variable's values; quotes keep spaces together, as in a shell."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option.variable}={text!r} has an open quote; close it") from error


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt twin, which would otherwise be ignored."""
    known = [option.variable for option in OPTIONS]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise UsageError(f"environment variable {name} means nothing{near_names(name, known)}")


def _chosen(option: Option, given: Mapping[str, object], environment: Mapping[str, str]) -> object:
    """Return what the command line says, else the environment; None or False where both are silent."""
    if given[option.name] in ("", [""]):
        raise UsageError(f"{option.flag} is empty; give a {option.value} or drop it")
    rivals = {name for pair in EXCLUSIVE if option.name in pair for name in pair}
    if any(given[name] for name in {option.name, *rivals}):
        return given[option.name]
    text = environment.get(option.variable, "")
    if option.repeated:
        return _words(option, text)
    if not option.switch:
        return text
    if text.lower() not in TRUE | FALSE:
        raise UsageError(f"{option.variable}={text!r} is neither true nor false; set 1 or 0")
    return text.lower() in TRUE


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a mapping.

    Raises:
        UsageError: a text is none, or one key has two values.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"--device-option {text!r} is not KEY=VALUE; write it like allow-stock=1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"--device-option {key} is given as {found[key]!r} and {value!r}; drop one")
    return found


def seconds(text: str) -> float:
    """Return a number of seconds above 0.

    Raises:
        UsageError: it is none.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"--device-timeout {text!r} is no number of seconds above 0; give one like 300")
    return value
