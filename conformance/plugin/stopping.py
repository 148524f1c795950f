"""Ending a run plainly: one sentence and the right exit code, never a traceback of ours."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from conformance.errors import ConformanceError, InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Generator

STOPPED = pytest.StashKey[ConformanceError]()
"""Why the run was ended."""


def stop(error: ConformanceError | OSError, config: pytest.Config) -> NoReturn:
    """Stop pytest before any test runs, with one sentence and the error's exit code."""
    if isinstance(error, UsageError):
        raise pytest.UsageError(str(error)) from None
    abort(error, config)


def abort(error: ConformanceError | OSError, config: pytest.Config) -> NoReturn:
    """Stop pytest at once, even in the middle of a test."""
    if isinstance(error, OSError):
        error = InfrastructureError(f"{error.filename or 'a file'} cannot be used: {error.strerror or error}")
    config.stash[STOPPED] = error
    if not config.pluginmanager.has_plugin("terminalreporter"):
        sys.stderr.write(f"{error}\n")  # nobody else would say it
    pytest.exit(str(error), returncode=error.exit_code)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """End the run when goldens, waivers or records turn out unusable: that is no finding of a device."""
    try:
        return (yield)
    except (ConformanceError, OSError) as error:
        if pyfuncitem.get_closest_marker("mlu") is None:
            raise
        abort(error, pyfuncitem.config)
