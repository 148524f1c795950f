"""A finished run judged again from the figures that it kept: under other margins, waivers or acceptance.

Nothing is measured: errors and what outputs reached stand in the records. What has no figures, such as a NaN
or a crash, keeps its outcome. Bounds change where they are made of an attainable error and a margin; a node
that is held to right devices of its precision, element by element, has no margin.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.errors import ConformanceError, UsageError
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.judging.rejudging import accepted, within_bounds
from conformance.judging.waivers import (
    WaiverLedger,
    applicable,
    expired,
    read_waivers,
    scope_sha256,
    unmatched,
)
from conformance.precision import parse_precision
from conformance.runs.held_to import BOUNDS, bounds_sha256, files_sha256, values_sha256
from conformance.runs.networks import found_network, judged_graph
from conformance.runs.records import finding_of, record_of, stale_waivers
from conformance.runs.waivers import default_waivers, known_cases, plain_profile

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.judging.bounds import ErrorValues
    from conformance.judging.verdicts import Acceptance, Verdict
    from conformance.judging.waivers import Waiver
    from conformance.runs.finished import StoredRun
    from conformance.runs.records import Record

UNJUDGED = ("unsupported", "broken")
"""Outcomes of what has no verdict."""


@dataclasses.dataclass(frozen=True)
class Rules:
    """What a run is held to instead.

    Attributes:
        margins: file of margins; None: every bound stays.
        acceptance: of networks, by name; others keep theirs.
        waivers: waiver file; None: that of the run, as it is now.
        no_waivers: whether nothing is waived.
        golden_dir: where attainable errors lie; None: where the run had them.
    """

    margins: Path | None = None
    acceptance: Mapping[str, Acceptance] = dataclasses.field(default_factory=dict)
    waivers: Path | None = None
    no_waivers: bool = False
    golden_dir: Path | None = None


class Rejudging:
    """A run under other rules.

    Args:
        run: the finished run.
        rules: what it is held to.

    Attributes:
        notes: what could not be checked.

    Raises:
        UsageError: the run did not judge a network that is to be accepted otherwise.
    """

    def __init__(self, run: StoredRun, rules: Rules) -> None:
        self._run, self._rules = run, rules
        self.notes: list[str] = []
        names = [network.name for network in run.environment.networks]
        for name, wanted in rules.acceptance.items():
            if name not in names:
                raise UsageError(
                    f"run {run.path} did not judge network {name!r}; it judged {', '.join(names)}"
                )
            if wanted.answers is not None and not self._answers(name):
                raise UsageError(
                    f"the acceptance of {name} asks for right answers, but run {run.path} counted none"
                )

    def _answers(self, network: str) -> bool:
        """Whether right answers were counted."""
        found = [item.reached for item in self._run.records if item.network == network]
        return any(reached is not None and reached.answers is not None for reached in found)

    @functools.cached_property
    def records(self) -> list[Record]:
        """Every record of the run, judged again.

        Raises:
            ConformanceError: a file of the rules is wrong, two waivers match a case, or attainable errors are
                not there or not those of the run.
        """
        return [self._record(record) for record in self._run.records]

    @functools.cached_property
    def waiver_file(self) -> Path | None:
        """The file of the waivers that apply."""
        said, device = self._run.environment.options, self._run.environment.device
        if self._rules.no_waivers or (said.get("no_waivers") and self._rules.waivers is None):
            return None
        of_run = said.get("waivers")
        default = default_waivers(str(device.get("profile", "")), str(device.get("kind", "")))
        return self._rules.waivers or (locations.PROJECT / of_run if of_run else default)

    @functools.cached_property
    def waivers(self) -> list[Waiver]:
        """The waivers that apply."""
        if self.waiver_file is None:
            return []
        found = read_waivers(self.waiver_file)
        profile = plain_profile(str(self._run.environment.device.get("profile", "")))
        names = [network.name for network in self._run.environment.networks]
        return [
            waiver for name in names for waiver in applicable(found, network=name, profile=profile or None)
        ]

    @property
    def held_to(self) -> dict[str, str]:
        """SHA-256 of what the run is held to instead, by what it is."""
        accepted_by = {
            f"acceptance of {name}": values_sha256(wanted) for name, wanted in self._rules.acceptance.items()
        }
        margins = {} if self._rules.margins is None else {"margins": files_sha256([self._rules.margins])}
        return accepted_by | margins | {"waivers": scope_sha256(self.waivers)}

    def problems(self, today: dt.date) -> list[str]:
        """Return what fails the run although every case may pass: waivers that are expired, idle or stale."""
        return [*expired(self.waivers, today), *self._idle(), *stale_waivers(self.records)]

    def _idle(self) -> list[str]:
        """Return a sentence per waiver that matches nothing known."""
        names = dict.fromkeys(waiver.network for waiver in self.waivers)
        return [sentence for name in names for sentence in self._idle_of(name)]

    def _idle_of(self, network: str) -> list[str]:
        try:
            store = self._store(network)
            known = known_cases(store.network, store.manifest)
        except ConformanceError as error:
            self.notes.append(f"whether waivers of {network} match anything was not checked: {error}")
            return []
        return unmatched([waiver for waiver in self.waivers if waiver.network == network], known)

    def _record(self, record: Record) -> Record:
        finding = finding_of(record)
        if finding.verdict is None or record.outcome in UNJUDGED:
            return record
        finding = dataclasses.replace(finding, verdict=self._verdict(record, finding.verdict))
        return record_of(
            finding,
            self._ledger,
            simulated=record.simulated,
            device=record.device,
            fusion=record.fusion,
            case_id=record.case,
            fail_unmodelled=self._run.environment.options.get("unmodelled") == "fail",
            explained=record.explained,
        )

    def _verdict(self, record: Record, verdict: Verdict) -> Verdict:
        if self._rules.margins is not None and _has_margin(record):
            return within_bounds(verdict, self._bounds(record.network, record.node, record.precision))
        if record.acceptance is not None and record.network in self._rules.acceptance:
            return accepted(verdict, self._rules.acceptance[record.network])
        return verdict

    @functools.cached_property
    def _ledger(self) -> WaiverLedger:
        return WaiverLedger(self.waivers)

    def _bounds(self, network: str, node: str, precision: str) -> ErrorValues:
        return self._expectations(network).bound(node, parse_precision(precision))

    @cached_method
    def _expectations(self, network: str) -> Expectations:
        assert self._rules.margins is not None, "asked for"
        store = self._store(network)
        expected = Expectations(store, read_margins(self._rules.margins))
        judged_with = self._run.environment.held_to.get(f"{BOUNDS} of {network}")
        if judged_with != bounds_sha256(expected.attainable):
            raise UsageError(
                f"run {self._run.path} was held to other attainable errors of {network} than those in "
                f"{store.directory} now; repeat the run"
            )
        return expected

    @cached_method
    def _store(self, network: str) -> GoldenStore:
        """Return the goldens of a network; their manifest, which is enough, is that of the run's graph."""
        environment, path = self._run.environment, self._run.path
        directory = self._rules.golden_dir or environment.options.get("golden_dir") or locations.GOLDENS
        store = GoldenStore(found_network(environment, path, network), locations.PROJECT / directory)
        if store.manifest.provenance.graph_sha256 != judged_graph(environment, network):
            raise UsageError(
                f"run {path} judged another graph of {network} than there is now; repeat the run"
            )
        return store


def _has_margin(record: Record) -> bool:
    """Whether a record's bounds are made of an attainable error and a margin."""
    return record.mode == "own" and record.bounds is not None and record.conformity is None
