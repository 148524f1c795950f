"""A real run of the suite in this process: pytest with the project's configuration, and what it left."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest

from conformance.runs.directory import read_records

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


@dataclasses.dataclass(frozen=True)
class SuiteRun:
    """What a run said and did.

    Attributes:
        code: exit code.
        text: standard output and error.
        outcomes: outcome of every test that ran, by the last part of its id (a node's without ``small/``),
            in the order of running.
        directory: the run directory.
    """

    code: int
    text: str
    outcomes: dict[str, str]
    directory: Path

    @property
    def failed(self) -> set[str]:
        """The cases that failed, such as ``norm/mean-int8-fp16``."""
        return {case for case, outcome in self.outcomes.items() if outcome == "failed"}

    @property
    def records(self):
        return read_records(self.directory)

    def cases(self, outcome: str) -> set[str]:
        """Return node and precision of every record with this outcome."""
        return {f"{record.node}-{record.precision}" for record in self.records if record.outcome == outcome}


class Listener:
    """Keeps the outcome of every test."""

    def __init__(self) -> None:
        self.outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.partition("[")[2].rpartition("]")[0].removeprefix("small/")
        name = name if "test_node" in report.nodeid else report.nodeid.rpartition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            outcome = "xfailed" if hasattr(report, "wasxfail") else report.outcome
            self.outcomes[name] = "failed" if self.outcomes.get(name) == "failed" else outcome


@contextlib.contextmanager
def no_worker():
    """What a worker of pytest-xdist that runs these tests is, the pytest that they run is not."""
    with mock.patch.dict(os.environ):
        for name in [name for name in os.environ if name.startswith("PYTEST_XDIST_")]:
            del os.environ[name]
        yield


def run_suite(
    directory: Path,
    *arguments: str,
    network=None,
    markers: str = "mlu and own",
    workers: int = 0,
    plugins: Sequence[object] = (),
) -> SuiteRun:
    """Run ``pytest -m MARKERS`` on the suite.

    Args:
        directory: run directory.
        arguments: more of the command line.
        network: a :class:`kept_network.KeptNetwork`.
        markers: what is selected.
        workers: how many processes judge; 0 for this one.
        plugins: of pytest, beside the project's.
    """
    listener, text = Listener(), io.StringIO()
    kept = (f"--network-path={network.directory}", f"--golden-dir={network.goldens}") if network else ()
    spread = (f"-n{workers}", f"-opythonpath={ROOT / 'tests'}") if workers else ()
    with no_worker(), contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        code = pytest.main(
            [
                f"--config-file={ROOT / 'pytest.ini'}",
                "--capture=no",
                "-pno:cacheprovider",
                str(ROOT / "conformance/suite"),
                f"-m{markers}",
                f"--run-dir={directory}",
                *kept,
                *spread,
                *arguments,
            ],
            plugins=[listener, *plugins],
        )
    return SuiteRun(int(code), text.getvalue(), listener.outcomes, directory)
