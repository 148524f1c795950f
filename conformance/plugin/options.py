"""The options of the suite as pytest takes them, resolved once with their twins in the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from conformance.errors import UsageError
from conformance.options import OPTIONS, Option, Settings, read_settings

SETTINGS = pytest.StashKey[Settings]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Register every option; the environment gives the defaults, the command line wins."""
    group = parser.getgroup("mlu-conformance", "conformance of Cambricon MLUs")
    for option in OPTIONS:
        kind: dict[str, Any] = {"action": "store_true"} if option.switch else {"metavar": option.value}
        if option.repeated:
            kind["action"] = "append"
        group.addoption(option.flag, dest=option.destination, default=None, help=_help(option), **kind)


def _help(option: Option) -> str:
    default = f" (default: {option.default})" if option.default else ""
    return f"{option.help}{default} [environment: {option.variable}]".replace("%", "%%")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Resolve options and environment once.

    Raises:
        pytest.UsageError: an option or variable is wrong.
    """
    config.stash[SETTINGS] = settings_of(config)


def settings_of(config: pytest.Config) -> Settings:
    """Return what the user asks for.

    Raises:
        pytest.UsageError: an option or variable is wrong.
    """
    given = {option.name: config.getoption(option.destination) for option in OPTIONS}
    try:
        return read_settings(given, os.environ, Path(str(config.invocation_params.dir)))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
