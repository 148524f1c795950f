"""The page of a run, ``--html``: a file that cannot be written is refused before anything runs.

Like pictures, a page is for people: that it cannot be made after all is a note, never an outcome of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.errors import UsageError
from conformance.html.page import require_page, write_page
from conformance.html.run_page import run_page
from conformance.plugin.execution import JOURNAL
from conformance.plugin.options import SETTINGS
from conformance.plugin.processes import is_worker
from conformance.plugin.selection import of_suite

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.runs.journal import Journal


@pytest.hookimpl(tryfirst=True)
def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a file that no page can be written to, before the run costs anything."""
    path = session.config.stash[SETTINGS].html
    if path is None or not any(map(of_suite, session.items)):
        return
    try:
        require_page(path)
    except UsageError as error:
        raise pytest.UsageError(f"--html {error}") from None


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the page of a run that has ended, however it did; its directory is whole by now."""
    config = session.config
    path = config.stash[SETTINGS].html
    if path is not None and JOURNAL in config.stash and not is_worker(config):
        _write(config.stash[JOURNAL], path)


def _write(journal: Journal, path: Path) -> None:
    run = journal.directory.path
    try:
        write_page(path, run_page(run))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the records are more than a page
        journal.note(
            f"the page could not be written ({type(error).__name__}: {error}); `mlu-conformance report {run} "
            f"-o {path}` writes it"
        )
    else:
        journal.note(f"{path} shows what the run found")
