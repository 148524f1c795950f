"""What ``mlu-conformance test`` refuses of the arguments of pytest, as pytest itself has understood them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from conformance import locations
from conformance.errors import near_names
from conformance.network_file import FILE
from conformance.networks import network_names
from conformance.options import SUITE

if TYPE_CHECKING:
    from collections.abc import Generator

UNKNOWN = re.compile(r"unrecognized arguments: .*")


class SuiteArguments:
    """A plugin of pytest that refuses what is no test of the suite; pytest would run the suite beside it."""

    @pytest.hookimpl(wrapper=True)
    def pytest_cmdline_parse(self) -> Generator[None, pytest.Config, pytest.Config]:
        """Say of an option that does not exist which are like it, in one sentence.

        Raises:
            pytest.UsageError: an argument is wrong.
        """
        try:
            return (yield)
        except pytest.UsageError as error:
            if (found := UNKNOWN.search(str(error))) is None:
                raise
            raise pytest.UsageError(_unknown(found[0])) from None

    def pytest_configure(self, config: pytest.Config) -> None:
        """Look at what pytest itself takes for tests.

        Raises:
            pytest.UsageError: one of them lies outside the suite, as a network does.
        """
        for argument in config.args:
            path = Path(config.invocation_params.dir, argument.split("::", 1)[0])
            if not path.resolve().is_relative_to(locations.SUITE):
                raise pytest.UsageError(_no_test(argument, path))


def _no_test(argument: str, path: Path) -> str:
    """Return the sentence for an argument outside the suite, which may be meant as a network."""
    if path.name == FILE or (path / FILE).is_file():
        return f"{argument} is a network, not a test: say --network-path={argument}"
    if argument in network_names(locations.NETWORKS):
        return f"{argument} is a network, not a test: say --network={argument}"
    return f"{argument} is no test of the suite; list them with `mlu-conformance test --collect-only -q`"


def _unknown(sentence: str) -> str:
    """Return pytest's sentence on unknown options with the names of options of the suite that are near."""
    name = sentence.split()[2].partition("=")[0]
    near = near_names(name, [option.flag for option in SUITE])
    return f"{sentence}{near}; see `mlu-conformance test --help`"
