"""Command-line options of the suite, each with a twin in the environment."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.errors import near_names

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "MLU_CONFORMANCE_"
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


@dataclasses.dataclass(frozen=True)
class Option:
    """One option: its flag, what it means, and whether it takes a value."""

    flag: str
    help: str
    default: str = ""
    switch: bool = False
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
        "auto (a card when one is visible, else the emulator), emulator, cpu, package.module:factory, or an "
        "entry point's name",
        "auto",
    ),
    Option("--require-hardware", "exit 3 unless the device is a real card", switch=True),
    Option("--network", "name of the network below fixtures/networks", "beautygan"),
    Option("--network-path", "directory with the network.toml of a network kept elsewhere", value="DIR"),
    Option("--nodes", "nodes to judge: key, all, a name or a glob", "key", value="GLOB"),
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
    require_hardware: bool
    network: str
    network_path: Path | None
    nodes: str
    profile: str
    waivers: Path | None
    no_waivers: bool
    run_dir: Path | None
    golden_dir: Path


SETTINGS = pytest.StashKey[Settings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register every option; the environment gives the defaults, the command line wins."""
    group = parser.getgroup("mlu-conformance", "conformance of Cambricon MLUs")
    for option in OPTIONS:
        kind = {"action": "store_true"} if option.switch else {"metavar": option.value}
        group.addoption(option.flag, dest=option.destination, default=None, help=_help(option), **kind)


def _help(option: Option) -> str:
    default = f" (default: {option.default})" if option.default else ""
    return f"{option.help}{default} [environment: {option.variable}]".replace("%", "%%")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Resolve options and environment once.

    Raises:
        pytest.UsageError: an option or variable is wrong, or cases are spread over processes, each of which
            would judge and record a run of its own.
    """
    if hasattr(config, "workerinput") or getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("-n spreads cases over processes, which this version cannot join; drop -n")
    config.stash[SETTINGS] = read_settings(
        {option.name: config.getoption(option.destination) for option in OPTIONS},
        os.environ,
        Path(str(config.invocation_params.dir)),
    )


def read_settings(given: Mapping[str, object], environment: Mapping[str, str], directory: Path) -> Settings:
    """Return the settings: the command line first, then the environment, then the default.

    Args:
        given: value per option name, None where the command line is silent.
        environment: the process environment.
        directory: what relative paths are relative to.

    Raises:
        pytest.UsageError: an option is empty, a switch's variable is neither true nor false, or options
            contradict each other.
    """
    _check_variables(environment)
    chosen = {option.name: _chosen(option, given, environment) for option in OPTIONS}
    for first, second in EXCLUSIVE:
        if chosen[first] and chosen[second]:
            flags = [option.flag for option in OPTIONS if option.name in (first, second)]
            raise pytest.UsageError(f"{' and '.join(flags)} contradict each other; drop one")
    values = {
        option.name: chosen[option.name] or (False if option.switch else option.default) for option in OPTIONS
    }
    for name in ("network_path", "waivers", "run_dir", "golden_dir"):
        values[name] = directory / str(values[name]) if values[name] else None
    return Settings(**values)  # type: ignore[arg-type]


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt twin, which would otherwise be ignored."""
    known = [option.variable for option in OPTIONS]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise pytest.UsageError(f"environment variable {name} means nothing{near_names(name, known)}")


def _chosen(option: Option, given: Mapping[str, object], environment: Mapping[str, str]) -> object:
    """Return what the command line says, else the environment; None or False where both are silent."""
    if given[option.name] == "":
        raise pytest.UsageError(f"{option.flag} is empty; give a {option.value} or drop it")
    rivals = {name for pair in EXCLUSIVE if option.name in pair for name in pair}
    if any(given[name] for name in {option.name, *rivals}):
        return given[option.name]
    text = environment.get(option.variable, "")
    if not option.switch:
        return text
    if text.lower() not in TRUE | FALSE:
        raise pytest.UsageError(f"{option.variable}={text!r} is neither true nor false; set 1 or 0")
    return text.lower() in TRUE
