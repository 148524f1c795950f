"""The options of the suite as pytest takes them, resolved once with their twins in the environment."""

from __future__ import annotations

import argparse
import inspect
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.errors import UsageError
from conformance.options import REPEATED, SUITE, Kind, Option
from conformance.settings import Settings, given_twice, read_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = pytest.StashKey[Settings]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Register every option; one that the command line does not name is None.

    Raises:
        pytest.UsageError: another plugin has an option of the same name.
    """
    group = parser.getgroup("mlu-conformance", "conformance of Cambricon MLUs")
    for option in SUITE:
        if (problem := _problem(parser, group, option)) is not None:
            raise pytest.UsageError(_taken(option.flag, pluginmanager)) from problem


def _problem(parser: pytest.Parser, group: pytest.OptionGroup, option: Option) -> Exception | None:
    """Register an option; return the error if its name is taken."""
    try:
        group.addoption(option.flag, dest=option.destination, **option.argument)
        parser.parse_known_args([])  # pytest 8 joins the options of its plugins no earlier
    except (argparse.ArgumentError, ValueError) as error:
        if option.flag not in str(error):
            raise
        return error
    return None


def _taken(flag: str, pluginmanager: pytest.PytestPluginManager) -> str:
    """Return the sentence for an option that another plugin has, too."""
    for name, plugin in pluginmanager.list_name_plugin():
        if _mentions(getattr(plugin, "pytest_addoption", None), flag):
            installed = pluginmanager.list_plugin_distinfo()
            package = next((found.metadata["Name"] for known, found in installed if known is plugin), None)
            remedy = f", or uninstall {package}" if package else ""
            return f"{flag} is an option of plugin {name!r}, too; run pytest with -p no:{name}{remedy}"
    return f"{flag} is an option of another plugin, too; run pytest with -p no:NAME of that plugin"


def _mentions(function: Any, flag: str) -> bool:
    """Whether a function's source has an option's name as a text."""
    try:
        source = inspect.getsource(function)
    except (TypeError, OSError):
        return False  # it is no function, or its source is not there
    return f'"{flag}"' in source or f"'{flag}'" in source


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Resolve options and environment once.

    Raises:
        pytest.UsageError: an option or variable is wrong.
    """
    _check_once([str(argument) for argument in config.invocation_params.args])
    config.stash[SETTINGS] = settings_of(config)


def _check_once(arguments: Sequence[str]) -> None:
    """Refuse two values for one option on the command line; pytest would silently take the last.

    A value in ``addopts`` or ``PYTEST_ADDOPTS`` is no second one: the command line may replace it.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    single = [option for option in SUITE if option.kind not in (Kind.SWITCH, *REPEATED)]
    for option in single:
        parser.add_argument(option.flag, dest=option.name, action="append", default=[])
    parsed = parser.parse_known_args(arguments)[0]
    for option in single:
        if len(values := list(dict.fromkeys(getattr(parsed, option.name)))) > 1:
            raise pytest.UsageError(given_twice(option.flag, *values[:2]))


def settings_of(config: pytest.Config) -> Settings:
    """Return what the user asks for.

    Raises:
        pytest.UsageError: an option or variable is wrong.
    """
    given = {option.name: config.getoption(option.destination) for option in SUITE}
    try:
        return read_settings(given, os.environ, Path(str(config.invocation_params.dir)))
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
