"""``--benchmark-compare`` of pytest-benchmark: times of one device are compared with times of it alone.

pytest-benchmark compares machines when it loads an older file, long before a device is open; a difference is
a warning, an error here. So the device is left out of that comparison, and held against the older one as soon
as it is known. What differs between hosts is a note: what is timed is the device.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from conformance.plugin.execution import JOURNAL

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, MutableMapping

HOSTS = pytest.StashKey[list[str]]()
"""A sentence per older file whose times are of another host."""
VARYING = ("hz_actual", "hz_actual_friendly")
"""Of a processor: what differs from second to second."""


@pytest.hookimpl(wrapper=True, optionalhook=True)
def pytest_benchmark_compare_machine_info(
    config: pytest.Config, machine_info: MutableMapping[str, Any], compared_benchmark: Mapping[str, Any]
) -> Generator[None, Any, Any]:
    """Compare hosts here where the older file is the suite's, and let pytest-benchmark see two equal ones."""
    saved = compared_benchmark["machine_info"]
    if "device" not in saved:
        return (yield)
    differing = [name for name in saved | machine_info if _said(machine_info, name) != _said(saved, name)]
    if differing:
        config.stash.setdefault(HOSTS, []).append(
            f"--benchmark-compare: older times are of another host, which differs in {', '.join(differing)}"
        )
    ours = dict(machine_info)
    machine_info.clear()
    machine_info.update(saved)
    try:
        return (yield)
    finally:
        machine_info.clear()
        machine_info.update(ours)


def _said(machine: Mapping[str, Any], name: str) -> object:
    """Return what a machine says of a property, without what varies; of the device, nothing."""
    value = None if name == "device" else machine.get(name)
    plain = json.loads(json.dumps(value, default=str))  # as the older one was read
    if isinstance(plain, dict):
        return {key: what for key, what in plain.items() if key not in VARYING}
    return plain


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Generator[None, None, None]:
    """Take out what must not be compared before pytest-benchmark does it."""
    plugin = session.config.pluginmanager.get_plugin("pytest-benchmark")
    if plugin is not None and JOURNAL in session.config.stash:
        journal = session.config.stash[JOURNAL]
        for sentence in (*session.config.stash.get(HOSTS, []), *_unlike(plugin)):
            journal.note(sentence)
        if plugin.compare_fail and (missing := _without_older(plugin)):
            journal.failures.append(
                f"--benchmark-compare-fail: no older time of the same device is there for {missing[0]}"
                + (f" and {len(missing) - 1} more" if len(missing) > 1 else "")
            )
    return (yield)


def take_regressions(config: pytest.Config) -> list[str]:
    """Return what ``--benchmark-compare-fail`` found, before pytest-benchmark raises it as an exception."""
    plugin = config.pluginmanager.get_plugin("pytest-benchmark")
    found = [] if plugin is None else plugin.performance_regressions
    sentences = [f"--benchmark-compare-fail: {name}: {why}" for name, why in found]
    found.clear()
    return sentences


def _unlike(plugin: Any) -> Iterator[str]:
    """Drop older times of other devices, and yield a sentence per file that has any."""
    groups = {statistics.fullname: statistics.group for statistics in plugin.benchmarks}
    for path, older in (plugin.compared_mapping or {}).items():
        unlike = [name for name, group in groups.items() if name in older and older[name]["group"] != group]
        if unlike:
            yield (
                f"--benchmark-compare: {path} has times of {older[unlike[0]]['group']!r}, which are not "
                f"compared with those of {groups[unlike[0]]!r}"
            )
        for name in unlike:
            del older[name]


def _without_older(plugin: Any) -> list[str]:
    """Return what was timed and has no older time to be compared with."""
    known = {name for older in (plugin.compared_mapping or {}).values() for name in older}
    return [statistics.name for statistics in plugin.benchmarks if statistics.fullname not in known]
