"""The runs of a diagnosis: few, counted, each asked for once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.base import Hosted, Hosts, Unsupported
from conformance.diagnosis.model import Quality
from conformance.runs.device_runs import Stopwatch
from conformance.runs.evaluation import Evaluation

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    import numpy as np

    from conformance.devices.base import Device
    from conformance.goldens import GoldenStore
    from conformance.judging.bounds import Margins
    from conformance.judging.verdicts import Acceptance
    from conformance.judging.waivers import Mode
    from conformance.precision import Precision
    from conformance.runs.evaluation import Finding


class Forwards:
    """Runs a network on a device in the ways that a diagnosis needs.

    Args:
        device: what is diagnosed.
        store: the goldens.
        margins: margin per operator class.
        sample: the sample that is looked at.
        say: is told what runs next.

    Attributes:
        pictures: outputs of fused runs by precision and name, the last that were run.
    """

    def __init__(
        self, device: Device, store: GoldenStore, margins: Margins, sample: int, say: Any = lambda _: None  # noqa: ANN401
    ) -> None:
        self.device, self.store, self.sample = device, store, sample
        self.pictures: dict[tuple[str, str], np.ndarray[Any, Any]] = {}
        self._margins, self._say = margins, say
        self._stopwatch = Stopwatch()

    @property
    def count(self) -> int:
        """How often the network, or a part of it, was run."""
        return self._stopwatch.runs

    def own(self, precision: Precision, nodes: Sequence[str], samples: Sequence[int]) -> dict[str, Finding]:
        """Judge the own errors of nodes."""
        self._say(f"own errors of {len(nodes)} nodes at {precision}")
        return self._evaluation(self.device, nodes, samples).own(precision)

    def chained(self, precision: Precision, nodes: Sequence[str]) -> tuple[dict[str, Finding], Quality]:
        """Measure the errors of nodes in the whole network; also how good its outputs are so."""
        self._say(f"errors along the network at {precision}")
        outputs = [output.name for output in self.store.network.outputs]
        evaluation = self._evaluation(self.device, dict.fromkeys([*nodes, *outputs]), [self.sample])
        found = evaluation.chained(precision)
        return found, quality_of([found[name] for name in outputs], evaluation.network.acceptance)

    def fused(
        self,
        precision: Precision,
        samples: Sequence[int] = (),
        *,
        hosted: Hosted | None = None,
        goldens: Collection[str] = (),
        broken: Sequence[str] = (),
    ) -> Quality:
        """Run the network as it ships, or with goldens in place of nodes, or with fusion broken at nodes.

        Raises:
            Unsupported: the device cannot leave these operators to the host.
        """
        device = self.device if hosted is None else _hosting(self.device, hosted)
        self._say(_what(precision, hosted, goldens, broken))
        evaluation = self._evaluation(device, [], samples or [self.sample])
        acceptance = self.store.network.acceptance
        if not (goldens or broken):
            return quality_of(evaluation.fused(precision).values(), acceptance)
        return quality_of(evaluation.restored(precision, goldens, broken).values(), acceptance)

    def _evaluation(self, device: Device, nodes: Iterable[str], samples: Sequence[int]) -> Evaluation:
        evaluation = Evaluation(
            device, self.store, self._margins, tuple(nodes), samples=samples, watch=self._keep_picture
        )
        evaluation.stopwatch = self._stopwatch
        return evaluation

    def evaluation(self, nodes: Sequence[str] = ()) -> Evaluation:
        """Return an evaluation for what needs no run: attainable errors, bounds, cases."""
        return self._evaluation(self.device, nodes, [self.sample])

    def _keep_picture(self, mode: Mode, node: str, sample: int, result: Any) -> None:  # noqa: ANN401
        if mode == "fused" and sample == self.sample:
            self.pictures["last", node] = result

    def keep_pictures(self, precision: Precision) -> None:
        """Keep the outputs of the last fused run under a precision's name."""
        last = {node: value for (key, node), value in self.pictures.items() if key == "last"}
        self.pictures |= {(str(precision), node): value for node, value in last.items()}


def _what(
    precision: Precision, hosted: Hosted | None, goldens: Collection[str], broken: Sequence[str]
) -> str:
    if hosted:
        return f"{precision} with {', '.join([*hosted.operators, *hosted.nodes])} on the host"
    if goldens:
        return f"{precision} with goldens in place of {len(goldens)} nodes"
    return f"{precision} with fusion broken at {len(broken)} nodes" if broken else f"the fused network at {precision}"


def _hosting(device: Device, hosted: Hosted) -> Device:
    if not isinstance(device, Hosts):
        raise Unsupported("the device cannot leave operators to the host")
    return device.hosting(hosted)


def quality_of(findings: Iterable[Finding], acceptance: Acceptance) -> Quality:
    """Return how good outputs are: the worst of them; one without a comparable result is not accepted."""
    listed = list(findings)
    reached = [item.verdict.reached for item in listed if item.verdict and item.verdict.reached]
    complete = bool(listed) and len(reached) == len(listed)
    cosines = [item.cosine for item in reached if item.cosine is not None]
    psnrs = [item.psnr for item in reached if item.psnr is not None]
    return Quality(
        accepted=complete and all(item.meets(acceptance) for item in reached),
        cosine=min(cosines) if complete and cosines else None,
        psnr=min(psnrs) if complete and psnrs else None,
        reasons=[text for item in listed for text in _reasons(item)],
    )


def _reasons(finding: Finding) -> list[str]:
    return list(finding.verdict.reasons) if finding.verdict else [finding.reason]
