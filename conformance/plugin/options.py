"""Command-line options of the suite, each with a twin in the environment."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import locations

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
        "auto (a card when one is visible, else the emulator), emulator, cpu, or package.module:factory",
        "auto",
    ),
    Option("--require-hardware", "exit 3 unless the device is a real card", switch=True),
    Option("--network", "name of the network below fixtures/networks", "beautygan"),
    Option("--network-path", "directory with the network.toml of a network kept elsewhere"),
    Option("--nodes", "nodes to judge: key, all, a name or a glob", "key"),
    Option("--profile", "the emulator's numeric profile: NAME or FILE.toml, then ,switch=value to turn switches", "mlu270"),
    Option("--waivers", "waiver file (default: fixtures/waivers/<profile or device>.toml)"),
    Option("--no-waivers", "judge as if no deviation were known", switch=True),
    Option("--run-dir", "directory for this run's records; must be new or empty (default: runs/<time>-<network>-<device>)"),
    Option("--golden-dir", "directory of the goldens", str(locations.GOLDENS)),
)


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
        text = f"{option.help} [environment: {option.variable}]"
        if option.switch:
            group.addoption(option.flag, dest=option.destination, action="store_true", default=None, help=text)
        else:
            shown = f"{text} (default: {option.default})" if option.default and "default" not in option.help else text
            group.addoption(option.flag, dest=option.destination, default=None, help=shown.replace("%", "%%"))


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Resolve options and environment once."""
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
        pytest.UsageError: a switch's variable is neither true nor false, or options contradict each other.
    """
    values = {option.name: _value(option, given[option.name], environment) for option in OPTIONS}
    if values["waivers"] and values["no_waivers"]:
        raise pytest.UsageError(f"--waivers {values['waivers']} and --no-waivers contradict each other; drop one")
    for name in ("network_path", "waivers", "run_dir", "golden_dir"):
        values[name] = directory / str(values[name]) if values[name] else None
    return Settings(**values)  # type: ignore[arg-type]


def _value(option: Option, given: object, environment: Mapping[str, str]) -> object:
    if given is not None:
        return given
    text = environment.get(option.variable)
    if not option.switch:
        return text or option.default
    if text is None or text.lower() in FALSE:
        return False
    if text.lower() in TRUE:
        return True
    raise pytest.UsageError(f"{option.variable}={text!r} is neither true nor false; set 1 or 0")
