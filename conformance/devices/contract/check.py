"""The contract that every device keeps, as a check that a device's author calls from a test.

::

    from conformance.devices.contract import check_device


    def test_contract():
        check_device(MyDevice)

Checked is that results are right, each under its name, whenever and however they are asked for. How well a
device computes beyond that, node by node on a whole network, is what the suite judges.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from conformance.devices.base import Unsupported
from conformance.devices.contract.clauses import CLAUSES, Clause
from conformance.devices.contract.network import contract_network
from conformance.devices.contract.trial import Trial, attempt, raised
from conformance.errors import UsageError
from conformance.precision import PRECISIONS, Precision

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from conformance.devices.base import Device

SHOWN = 3
"""Sentences per clause that are shown."""


@dataclasses.dataclass(frozen=True)
class ContractReport:
    """What came out of a check.

    Attributes:
        device: what was checked.
        kept: names of the clauses that hold at every precision where they were not declined.
        broken: what is wrong, by clause.
        precisions: those that were tried and not declined.
        unsupported: what the device declines, and why: precisions, nodes, optional clauses.
    """

    device: str
    kept: tuple[str, ...]
    broken: Mapping[str, tuple[str, ...]]
    precisions: tuple[Precision, ...]
    unsupported: Mapping[str, str]


class ContractBroken(AssertionError):
    """A device breaks clauses of the contract; ``report`` says which and how."""

    def __init__(self, report: ContractReport) -> None:
        super().__init__(_text(report))
        self.report = report


def check_device(
    factory: Callable[[], Device], *, precisions: Sequence[Precision] = PRECISIONS
) -> ContractReport:
    """Check that a device keeps the contract.

    Goldens and bounds are computed before the device is made. A device that hangs hangs the check.

    Args:
        factory: makes the device; called once.
        precisions: what it is tried at.

    Raises:
        ContractBroken: it does not; the text lists every broken clause.
        UsageError: there are no precisions.
    """
    if not precisions:
        raise UsageError("check_device got no precisions, so nothing would be checked; name at least one")
    network = contract_network()
    for precision in precisions:
        network.limits(network.cut, precision)
        network.limits(network.whole, precision)
    report = _checked(Trial(factory, network, precisions))
    if report.broken:
        raise ContractBroken(report)
    return report


def _checked(trial: Trial) -> ContractReport:
    kept: list[str] = []
    broken: dict[str, tuple[str, ...]] = {}
    for clause in CLAUSES:
        found = _found(clause, trial)
        sentences = [sentence for part in found if part is not None for sentence in part]
        if sentences:
            broken[clause.name] = tuple(dict.fromkeys(sentences))
            if clause.essential:
                break
        elif any(part is not None for part in found):
            kept.append(clause.name)
    device = type(trial.device).__name__ if "factory" in kept else "the factory"
    offered = trial.offered if "offers" in kept else ()
    return ContractReport(device, tuple(kept), broken, offered, trial.unsupported)


def _found(clause: Clause, trial: Trial) -> list[list[str] | None]:
    """Return what is wrong, at each precision where the clause is tried; None where it is declined."""
    if clause.scope == "device":
        return [_tried(clause, trial, trial.precisions[-1])]
    precisions = trial.offered if clause.scope == "each" else trial.offered[-1:]
    found = {precision: _tried(clause, trial, precision) for precision in precisions}
    return [
        None if sentences is None else [f"at {precision}: {sentence}" for sentence in sentences]
        for precision, sentences in found.items()
    ]


def _tried(clause: Clause, trial: Trial, precision: Precision) -> list[str] | None:
    """Return what is wrong, which is also whatever the device raises; None if the clause is declined."""
    found: list[str] = []
    error = attempt(lambda: found.extend(clause.check(trial, precision)))
    if isinstance(error, Unsupported) and clause.optional and not found:
        trial.unsupported[f"{clause.name} at {precision}"] = str(error)
        return None
    return found if error is None else [*found, raised(error)]


def _text(report: ContractReport) -> str:
    """Return the list of broken clauses; what was said of an earlier one is not said again."""
    musts = {clause.name: clause.must for clause in CLAUSES}
    lines = [f"{report.device} breaks {len(report.broken)} of the {len(CLAUSES)} clauses of the contract:"]
    first: dict[tuple[str, ...], str] = {}
    for name, sentences in report.broken.items():
        same = first.setdefault(sentences, name)
        shown = sentences[:SHOWN] if same == name else (f"for the same reason as {same!r}",)
        more = len(sentences) - SHOWN if same == name else 0
        lines.append(f"- {name}: {musts[name]}")
        lines += [f"    {sentence}" for sentence in shown] + [f"    and {more} more"] * (more > 0)
    return "\n".join(lines)
