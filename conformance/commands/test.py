"""``mlu-conformance test``: the suite from any directory, with pytest's arguments and its own options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.commands import Commands

NO_PREFIX = "\0"
"""No argument starts with it, so argparse takes none for an option of its own."""
WITH_A_TEST = frozenset({"--deselect", "--ignore", "--ignore-glob"})
"""Options of pytest whose value may look like a test that is to be run."""
MAY_TAKE_A_VALUE = frozenset({"--benchmark-compare", "--benchmark-histogram"})
"""Options of pytest-benchmark that may stand alone."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "test",
        help="run the suite: takes the arguments of pytest, and the suite's options (test --help lists both)",
        add_help=False,
        prefix_chars=NO_PREFIX,
    )
    command.add_argument("arguments", nargs=argparse.REMAINDER)
    command.set_defaults(command=run_suite)


def run_suite(options: argparse.Namespace) -> int:
    """Run pytest on the suite, as configured by the project and not by the working directory.

    Returns:
        pytest's exit code.

    Raises:
        UsageError: another plugin of pytest has an option of the same name.
    """
    import pytest

    from conformance.commands.suite_arguments import SuiteArguments

    try:
        return pytest.main(pytest_arguments(options.arguments, Path.cwd()), plugins=[SuiteArguments()])
    except (ValueError, argparse.ArgumentError) as error:  # while plugins load; later ones pytest catches
        raise UsageError(
            f"a plugin of pytest gets in the way ({error}); keep it out with -p no:NAME"
        ) from error


def pytest_arguments(given: Sequence[str], directory: Path) -> list[str]:
    """Return the whole command line of pytest; of two answers to one question, the user's counts.

    Args:
        given: what the user says; tests of the suite may be named as reports do.
        directory: where the user is.
    """
    tests = dict(_tests(given, directory))
    suite = [] if tests else [str(locations.SUITE)]
    named = [tests.get(argument, argument) for argument in given]
    if given and given[-1] in MAY_TAKE_A_VALUE:  # it would take the suite for one
        named[-1:] = [*suite, given[-1]]
        suite = []
    return [
        f"--config-file={locations.PYTEST_INI}",
        f"--rootdir={locations.PACKAGE.parent}",
        f"--override-ini=cache_dir={directory / '.pytest_cache'}",
        *("-p", "conformance.plugin", "-m", "mlu"),
        *named,
        *suite,
    ]


def _tests(given: Sequence[str], directory: Path) -> Iterator[tuple[str, str]]:
    """Yield every argument that names files or tests of the suite, and the same with its whole path.

    Reports name them relative to where the user is, ``--collect-only`` relative to where the package lies.
    """
    for before, argument in zip(["", *given], given, strict=False):
        name, *rest = argument.split("::", 1)
        for base in (directory, locations.PACKAGE.parent):
            path = (base / name).resolve()
            if before not in WITH_A_TEST and path.exists() and path.is_relative_to(locations.SUITE):
                yield argument, "::".join([str(path), *rest])
