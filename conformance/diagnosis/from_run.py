"""A diagnosis from what a finished run left behind: no device, so nothing is measured anew."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.diagnosis.blame import blamed_precision, failures, fusion_spoils, origin_of
from conformance.diagnosis.culprits import Segments, failing, grouped
from conformance.diagnosis.model import Choice, Culprit, Diagnosis, NodeErrors, Quality
from conformance.diagnosis.network_errors import errors_along
from conformance.diagnosis.quality import quality_of
from conformance.diagnosis.reasons import Explanations
from conformance.diagnosis.repairs import farthest_off_first, ranked, recommended
from conformance.errors import UsageError
from conformance.expected.expectations import Expectations
from conformance.expected.roofline import ModelledTime
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.precision import PRECISIONS
from conformance.probing.result import kept_probe
from conformance.quantization.calibration import quantized_tensors
from conformance.runs.directory import ENVIRONMENT, read_environment, read_records
from conformance.runs.networks import network_of_run
from conformance.runs.records import finding_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.judging.findings import Finding
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.runs.environment import Environment
    from conformance.runs.records import Record


def diagnosis_of_run(
    directory: Path,
    precision: Precision,
    golden_dir: Path | None = None,
    name: str | None = None,
    *,
    trusted: bool = False,
) -> Diagnosis:
    """Return what a finished run shows of a precision.

    Effects are not measured, segments of several operators are looked into only where the run judged their
    nodes, and errors that only fusion makes are not pinned to a node.

    Args:
        directory: the run directory.
        precision: what is diagnosed.
        golden_dir: where goldens lie; where the run found them if None.
        name: of the network; None where the run judged one alone.
        trusted: whether its graph may reach outside of itself.

    Raises:
        UsageError: there is no run, it judged no node at this precision, another graph, or several networks.
        GoldenError: goldens do not fit the network.
    """
    network = network_of_run(read_environment(directory), directory, name, trusted=trusted)
    return _FinishedRun(directory, precision, golden_dir, network).diagnosis()


class _FinishedRun:
    def __init__(
        self, directory: Path, precision: Precision, golden_dir: Path | None, network: Network
    ) -> None:
        self._started = time.perf_counter()
        self._directory, self._precision = directory, precision
        self._remarks: list[str] = []
        self._environment = read_environment(directory)
        records = read_records(directory, on_truncated=self._remarks.append)
        self._records = [record for record in records if record.network == network.name]
        self._store = GoldenStore(network, golden_dir or _golden_dir(self._environment, directory))
        self._device = self._environment.device
        model = str(self._device.get("model", ""))
        self._expected = Expectations(self._store, read_margins(locations.MARGINS))
        self._times = ModelledTime(self._expected, model)
        manifest = self._store.manifest
        self._segments = Segments(
            network.graph, [node.name for node in manifest.key], [node.name for node in manifest.nodes]
        )

    def diagnosis(self) -> Diagnosis:
        """Return all that the records show."""
        own = self._findings("own")
        if not own:
            raise UsageError(
                f"run {self._directory} judged no node at {self._precision} by its own error"
                f"{_judged(self._records)}; diagnose another precision, or repeat the run"
            )
        chained = self._findings("chained")
        errors = self._errors(own, chained)
        quality, chained_quality = self._quality(self._precision), self._chained_quality(chained)
        key = [item for item in errors if self._store.node(item.node).reasons]
        choices = self._choices()
        scales = self._expected.scales(self._precision.fixed_bits)
        limits = self._expected.limits(str(self._device.get("model", "")))
        sizes = {item.node: item.own for item in errors}
        probe = kept_probe(self._directory)
        explanations = Explanations(
            self._store, self._precision, scales, 0, limits, self._expected.overflow, sizes, probe
        )
        culprits = self._culprits(own, errors, key, quality, chained_quality)
        return self._found(
            quality=quality,
            chained_quality=chained_quality,
            errors=key,
            culprits=explanations.with_reasons(culprits),
            contributors=explanations.contributors(key, culprits),
            choices=choices,
            recommended=recommended(choices, self._precision) if choices else None,
            born=origin_of(key, culprits, [node.name for node in self._store.manifest.nodes]),
        )

    def _found(self, **found: Any) -> Diagnosis:
        device = self._device
        source = [f"read from {self._directory}: nothing was run, so no effect and no repair was measured"]
        return Diagnosis(
            network=self._store.network.name,
            precision=str(self._precision),
            device=str(device.get("kind", "")),
            simulated=bool(device.get("simulated", True)),
            profile=str(device.get("profile", "")),
            sample=None,
            forwards=0,
            seconds=time.perf_counter() - self._started,
            quantised=bool(quantized_tensors(self._store.network.graph)),
            remarks=[*source, *self._remarks, *filter(None, [self._times.remark])],
            **found,
        )

    def _of(self, mode: str, precision: Precision | None = None) -> list[Record]:
        wanted = str(precision or self._precision)
        return [item for item in self._records if item.mode == mode and item.precision == wanted]

    def _findings(self, mode: str, precision: Precision | None = None) -> dict[str, Finding]:
        """Return the findings of a mode by node; where a node has several, the others by case."""
        found: dict[str, Finding] = {}
        for record in self._of(mode, precision):
            found[record.node if record.node not in found else record.case] = finding_of(record)
        return found

    def _errors(self, own: Mapping[str, Finding], chained: Mapping[str, Finding]) -> list[NodeErrors]:
        attainable = {name: self._expected.attains(name, self._precision) for name in {*own, *chained}}
        return errors_along(self._store.network.graph, own, chained, attainable)

    def _quality(self, precision: Precision) -> Quality:
        found = self._findings("fused", precision)
        if not found:
            return Quality(
                accepted=False, reasons=[f"the run has no output of the fused network at {precision}"]
            )
        return quality_of(found.values(), self._store.network.acceptance)

    def _chained_quality(self, chained: Mapping[str, Finding]) -> Quality:
        outputs = [output.name for output in self._store.network.outputs]
        found = [chained[name] for name in outputs if name in chained]
        if len(found) < len(outputs):
            return Quality(accepted=False, reasons=["the run has no output of the chained network"])
        return quality_of(found, self._store.network.acceptance)

    def _culprits(
        self,
        own: Mapping[str, Finding],
        errors: list[NodeErrors],
        key: list[NodeErrors],
        quality: Quality,
        chained_quality: Quality,
    ) -> list[Culprit]:
        if failing(errors):
            return self._by_own_errors(own, errors, key)
        if quality.accepted or not self._of("fused"):
            return []
        if self._of("chained") and fusion_spoils(quality, chained_quality):
            self._remarks.append(
                "the outputs are wrong only where they are fused; diagnose the device itself to learn which "
                "node is to blame"
            )
            return []
        accepted = {precision for precision in PRECISIONS if self._quality(precision).accepted}
        overflowing = self._expected.overflow.nodes(self._precision)
        return blamed_precision(self._precision, key, accepted.__contains__, overflowing)

    def _by_own_errors(
        self, own: Mapping[str, Finding], errors: list[NodeErrors], key: list[NodeErrors]
    ) -> list[Culprit]:
        judged = {item.node for item in errors}
        unclear = self._segments.unclear(key)
        seen = [name for name in unclear if judged.issuperset(self._segments.inside(name))]
        nodes = {inner for name in seen for inner in (name, *self._segments.inside(name))}
        inner = [item for item in errors if item.node in nodes]
        if len(seen) < len(unclear):
            self._remarks.append(
                f"{len(unclear) - len(seen)} failing nodes stand for several operators, the first is "
                f"{next(name for name in unclear if name not in seen)}; diagnose the device itself, or a run "
                "with --nodes=all, to learn which operator it is"
            )
        graph = self._store.network.graph
        operators = [graph.nodes[name].op for name in self._segments.looked_at(key, inner)]
        return farthest_off_first(grouped(self._segments.origins(key, inner), operators, failures(own)))

    def _choices(self) -> list[Choice]:
        tried = [precision for precision in PRECISIONS if self._of("fused", precision)]
        return ranked(
            [
                Choice(
                    precision=str(precision),
                    quality=self._quality(precision),
                    modelled_seconds=self._times.seconds(precision),
                )
                for precision in tried
            ]
        )


def _golden_dir(environment: Environment, directory: Path) -> Path:
    """Return where the run found its goldens."""
    if path := environment.options.get("golden_dir"):
        return Path(path)
    raise UsageError(f"{directory / ENVIRONMENT} does not say where goldens lie; give --golden-dir")


def _judged(records: list[Record]) -> str:
    """Return at which precisions a run judged nodes, in words."""
    found = dict.fromkeys(item.precision for item in records if item.mode == "own")
    return f", but did at {', '.join(found)}" if found else ""
