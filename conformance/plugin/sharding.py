"""``--shard``: which selected cases this run leaves to others, and whether all of its own were judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from conformance.errors import UsageError
from conformance.files import sha256
from conformance.plugin.execution import JOURNAL
from conformance.plugin.options import SETTINGS
from conformance.plugin.processes import is_worker
from conformance.plugin.selection import (
    FAILURE,
    PRECISION_MARKERS,
    batch_of,
    group_of,
    in_order,
    mode_of,
    network_of,
    of_suite,
    plan_of,
)
from conformance.plugin.stopping import stop
from conformance.precision import FIXED_BITS
from conformance.runs.shards import Batch, Ended, ShardOfRun
from conformance.runs.splitting import LEAST, group_cost, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.runs.plan import Plan

SHARD = pytest.StashKey["Shard"]()
PICKING = {"lf": "--last-failed", "stepwise": "--stepwise"}
"""Options of pytest by which each host selects other tests: those that failed there."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the cases of this shard, of those that everything else has selected; others are deselected."""
    if config.stash[SETTINGS].shard is None or FAILURE in config.stash or not any(map(of_suite, items)):
        return
    try:
        _check(config)
        shard = Shard(config, in_order(items))
    except UsageError as error:
        items.clear()  # pytest says that collection has finished all the same, and no run must begin then
        if is_worker(config):
            return  # its controller says why
        stop(error, config)
    config.stash[SHARD] = shard
    config.pluginmanager.register(shard)
    config.hook.pytest_deselected(items=[item for item in items if not shard.has(item)])
    items[:] = filter(shard.has, items)


def _check(config: pytest.Config) -> None:
    """Refuse to split what is not the same selection on every host."""
    for name, flag in PICKING.items():
        if getattr(config.option, name, False):
            raise UsageError(
                f"{flag} and --shard contradict each other: what failed differs from host to host; drop "
                "--shard to repeat what failed on this one"
            )


class Shard:
    """A plugin that knows the tests of this shard, and sees which of them leave records.

    What is skipped from the start, as by ``--benchmark-skip``, is not selected to be judged.

    Args:
        config: of pytest.
        items: all that is selected, in the order of one run.

    Raises:
        UsageError: this shard has none of it.
    """

    def __init__(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        self._config = config
        self.index, self.total = map(int, str(config.stash[SETTINGS].shard).split("/"))
        groups: dict[str, list[pytest.Item]] = {}
        for item in filter(of_suite, items):
            groups.setdefault(group_of(item), []).append(item)
        plan = plan_of(config)
        shards = split({name: _cost(plan, tests) for name, tests in groups.items()}, self.total)
        if self.index not in shards.values():
            raise UsageError(
                f"--shard {self.index}/{self.total} has nothing to judge: what is selected makes "
                f"{len(groups)} groups of a network, precision and mode; split it into at most {len(groups)}"
            )
        self._left_to_others = {
            item.nodeid for name, tests in groups.items() if shards[name] != self.index for item in tests
        }
        judged = [item for item in items if of_suite(item) and not item.get_closest_marker("skip")]
        self.batches = _batches(judged, shards)
        self._awaited = {item.nodeid: item for item in judged if self.has(item)}
        self._records = 0

    def has(self, item: pytest.Item) -> bool:
        """Whether this shard runs a test; those of anything but the suite run in every shard."""
        return item.nodeid not in self._left_to_others

    def of_run(self, held_to: dict[str, str]) -> ShardOfRun:
        """Return what the run's environment says of it, with the SHA-256 of what decides verdicts."""
        return ShardOfRun(index=self.index, total=self.total, batches=self.batches, held_to=held_to)

    @property
    def described(self) -> str:
        """What it judges, in words."""
        own = [batch.tests for batch in self.batches if batch.shard == self.index]
        return f"{self.index}/{self.total}, {sum(own)} of {sum(batch.tests for batch in self.batches)} cases"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test off the list when it has left a record."""
        records = len(self._config.stash[JOURNAL].records) if JOURNAL in self._config.stash else 0
        if records > self._records:
            self._awaited.pop(report.nodeid, None)
        self._records = records

    def ended(self, *, failed: bool) -> Ended:
        """Return how it ended, for a session that came to its end."""
        return Ended(failed=failed, unjudged=list(map(_name, self._awaited.values())))


def _batches(items: Sequence[pytest.Item], shards: Mapping[str, int]) -> list[Batch]:
    """Return the batches of tests in the order of their first ones."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        tests.setdefault(batch_of(item), []).append(item)
    return [
        Batch(
            name=name,
            shard=shards[group_of(own[0])],
            tests=len(own),
            sha256=sha256("\n".join(sorted(map(_name, own))).encode()),
        )
        for name, own in tests.items()
    ]


def _name(item: pytest.Item) -> str:
    """Return a test's name without the path, which depends on the directory that pytest calls its root."""
    return item.nodeid.partition("::")[2]


def _cost(plan: Plan, tests: Sequence[pytest.Item]) -> int:
    """Return the modelled cost of a group."""
    first = tests[0]
    network = plan.parts.get(network_of(first))
    if network is None:
        return LEAST
    markers = {name for name in PRECISION_MARKERS if first.get_closest_marker(name)}
    bits = next((bits for bits in FIXED_BITS if f"int{bits}" in markers), FIXED_BITS[0])
    timed = any(test.get_closest_marker("benchmark") for test in tests)
    return group_cost(network, mode_of(first), bits, timed=timed, rounds=plan.settings.rounds)
