"""Properties of every test for ``--junitxml``: device, precision, errors, bounds, and where the run is.

They go through ``user_properties``, which are written for every family of JUnit XML and cross the processes
of pytest-xdist; the fixture ``record_property`` would warn, an error here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.judging.bounds import ErrorValues, excess
from conformance.plugin.selection import of_suite

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from conformance.plugin.execution import Run
    from conformance.runs.records import Record

MOST_RECORDS = 4
"""A test of more cases, such as one of all chained errors, only says how many it has."""
DEVICE = ("kind", "model", "driver", "firmware", "runtime", "framework", "serial")
CASE = ("network", "node", "precision", "mode", "outcome", "waiver", "seconds")
REACHED = ("cosine", "psnr", "answers")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give a suite test the properties of what it recorded, before its report takes them."""
    run: Run | None = getattr(item, "funcargs", {}).get("conformance_run")
    if call.when == "call" and run is not None and of_suite(item):
        item.user_properties.extend(_properties(run, run.take_recorded()))
    return (yield)


def _properties(run: Run, records: Sequence[Record]) -> Iterator[tuple[str, str]]:
    """Yield name and value of each property; of several cases, a case's names begin with its node."""
    for name in DEVICE:
        if value := getattr(run.info, name):
            yield ("device" if name == "kind" else name), str(value)
    yield "simulated", str(run.info.simulated).lower()
    yield "run_dir", str(run.directory)
    yield "cases", str(len(records))
    for record in records if len(records) <= MOST_RECORDS else ():
        prefix = f"{record.node} " if len(records) > 1 else ""
        for name, value in _of_case(record):
            yield f"{prefix}{name}", value


def _of_case(record: Record) -> Iterator[tuple[str, str]]:
    for name in CASE:
        if (value := getattr(record, name)) is not None:
            yield name, str(value)
    for prefix, errors in (("", record.metrics), ("bound_", record.bounds)):
        for name in ErrorValues.__struct_fields__:
            if errors is not None and (value := getattr(errors, name)) is not None:
                yield f"{prefix}{name}", f"{value:.6g}"
    if record.bounds is not None:
        yield "error_over_bound", f"{excess(record.needed, record.bounds):.6g}"
    for name in REACHED:
        if record.reached is not None and (value := getattr(record.reached, name)) is not None:
            yield name, f"{value:.6g}"
