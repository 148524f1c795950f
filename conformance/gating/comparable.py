"""Whether runs can be held against each other: by digest, not by name; and what is being judged."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError
from conformance.gating.result import Difference
from conformance.judging.cases import OPERATORS
from conformance.runs.environment import differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.gating.sides import Side
    from conformance.runs.finished import StoredRun

STACK = ("driver", "firmware", "runtime", "framework")
"""What an upgrade changes: one value per side, and what differs between the sides is being judged."""
DEVICE = ("kind", "model", "simulated", "profile", "settings")
"""What all runs of both sides have in common, of what the device says of itself."""
OPTIONS = ("nodes", "layer_by_layer")
PACKAGES = ("tensorflow", "numpy")
OF_EMULATORS = "profile"
"""SHA-256 of the emulator's profile: the numerics of a card do not depend on it."""
OF_NETWORK = " of "
"""In the names of what a run was held to on a network; runs of one side may have judged different ones."""
LATER = (OF_EMULATORS, "waivers")
"""What counts or not, or is known, only when the device is."""
CURES = {
    "waivers": "judge the older runs again under the waivers of the newer ones (mlu-conformance judge)",
    "margins": "judge the older runs again under the margins of the newer ones (mlu-conformance judge)",
}
REPEAT = "repeat one side as the other was run"


def check_comparable(baseline: Side, candidate: Side) -> None:
    """Demand that all runs were held to the same, on devices of one kind and model.

    Raises:
        UsageError: they were not, a run stands on both sides, or runs of one side differ in what is judged.
    """
    _check_apart(baseline, candidate)
    runs = [*baseline.runs, *candidate.runs]
    for run in runs:
        _check_itself(run)
    for run in runs[1:]:
        _check_same(_held(runs[0]), _held(run), runs[0], run)
    if baseline.networks != candidate.networks:
        raise UsageError(
            f"baseline {baseline.path} judged {_listed(baseline.networks)}, but candidate {candidate.path} "
            f"{_listed(candidate.networks)}; {REPEAT}"
        )
    for side in (baseline, candidate):
        for run in side.runs[1:]:
            _check_same(
                _stack(side.runs[0]), _stack(run), side.runs[0], run, cure="a side is one state of a host"
            )


def check_held_to(runs: Sequence[StoredRun], held_to: Mapping[str, str]) -> None:
    """Demand before a run that it will be held to the same as these; what its device decides comes later.

    Args:
        runs: of the baseline.
        held_to: SHA-256 of what decides a verdict, by what it is.

    Raises:
        UsageError: it will not.
    """
    for run in runs:
        _check_itself(run)
        theirs = run.environment.held_to
        for what in dict.fromkeys([*theirs, *held_to]):
            if what not in LATER and theirs.get(what) != held_to.get(what):
                before, now = _shown(theirs.get(what)), _shown(held_to.get(what))
                raise UsageError(
                    f"this run cannot be held against baseline {run.path}: {what} differs ({before} there, "
                    f"{now} here); repeat the baseline"
                )


def judged_differences(baseline: Side, candidate: Side) -> list[Difference]:
    """Return what differs between the sides and may."""
    sides = [[_stack(run) | _place(run) for run in side.runs] for side in (baseline, candidate)]
    found = []
    for what in dict.fromkeys(name for side in sides for run in side for name in run):
        before, after = (_values(run.get(what) for run in side) for side in sides)
        if before != after:
            found.append(Difference(what=what, baseline=before, candidate=after))
    return found


def _check_apart(baseline: Side, candidate: Side) -> None:
    if baseline.path.resolve() == candidate.path.resolve():
        raise UsageError(f"baseline and candidate are both {baseline.path}; name two different ones")
    digests = {run.sha256: run for run in baseline.runs}
    for run in candidate.runs:
        same = digests.get(run.sha256)
        if same is not None and same.environment.started == run.environment.started:
            raise UsageError(
                f"candidate {run.path} is the same run as baseline {same.path}; name two different ones"
            )
    for side in (baseline, candidate):
        for first, second in itertools.combinations(side.runs, 2):
            if (first.sha256, first.environment.started) == (second.sha256, second.environment.started):
                raise UsageError(
                    f"{first.path} and {second.path} of the {side.name} are one run, which counts once; "
                    "remove one of them"
                )


def _check_itself(run: StoredRun) -> None:
    """Demand that a run says what it was held to, and that its devices are of one kind."""
    judged = run.environment.networks or OPERATORS in run.environment.held_to
    if not run.environment.held_to or not judged:
        raise UsageError(
            f"run {run.path} does not say what it was held to: an older version of this suite made it; "
            "repeat the run"
        )
    for sentence in differences(run.environment.devices):
        raise UsageError(f"run {run.path}: {sentence}")


def _check_same(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], first: StoredRun, other: StoredRun, cure: str = REPEAT
) -> None:
    for what in dict.fromkeys([*ours, *theirs]):
        of_one_network = OF_NETWORK in what and not (what in ours and what in theirs)
        if not of_one_network and ours.get(what) != theirs.get(what):
            raise UsageError(
                f"runs {first.path} and {other.path} cannot be compared: {what} differs "
                f"({_shown(ours.get(what))} and {_shown(theirs.get(what))}); {CURES.get(what, cure)}"
            )


def _held(run: StoredRun) -> dict[str, Any]:
    """Return what every run must have in common; of networks, those that it judged."""
    environment = run.environment
    device = environment.device
    held = {name: value for name, value in environment.held_to.items() if name != OF_EMULATORS}
    if device.get("simulated"):
        held |= {f"{OF_EMULATORS} file": environment.held_to.get(OF_EMULATORS, "")}
    return {
        "version of mlu-conformance": environment.version,
        **{f"{name} of the device": device.get(name) for name in DEVICE},
        **{f"--{name.replace('_', '-')}": environment.options.get(name) for name in OPTIONS},
        **held,
    }


def _stack(run: StoredRun) -> dict[str, Any]:
    """Return what is one state of a host: what an upgrade changes."""
    environment = run.environment
    commit = environment.commit
    return {
        **{name: environment.device.get(name, "") for name in STACK},
        **{name: environment.packages.get(name) or "" for name in PACKAGES},
        "commit of mlu-conformance": ""
        if commit is None
        else commit.sha[:12] + (" and changes" if commit.dirty else ""),
    }


def _place(run: StoredRun) -> dict[str, Any]:
    machine = run.environment.machine
    return {"host": f"{machine.platform}, {machine.cpu}", "python": run.environment.python}


def _values(values: Iterable[Any]) -> list[str]:
    return sorted({str(value or "none") for value in values})


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "no network"


def _shown(value: object) -> str:
    """Return a value for a sentence; of a SHA-256 the first digits."""
    text = "none" if value in (None, "") else str(value)
    return text[:12] if len(text) == 64 else text
