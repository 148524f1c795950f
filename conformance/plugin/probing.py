"""The probe of a run: made before anything is judged, kept beside the records, held against every result."""

from __future__ import annotations

import collections
import itertools
from typing import TYPE_CHECKING

from conformance import clock, locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.evaluation.evaluation import Evaluation
from conformance.files import write_json_atomically, write_text_atomically
from conformance.precision import parse_precision
from conformance.probing.probing import probed
from conformance.probing.profile_file import emulated, profile_toml
from conformance.probing.result import PROBE, PROFILE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.devices.base import Device
    from conformance.devices.emulator.profile import Profile
    from conformance.judging.findings import Finding

SHOWN = 4
"""Operators that a note names."""


def probe_of_run(device: Device, profile: str, directory: Path) -> Profile:
    """Probe a device, keep what was found in a run's directory, and return its profile.

    Args:
        device: which is judged.
        profile: as ``--profile`` says: it has the values of switches that are not found.
        directory: of the run.

    Raises:
        UsageError: the profile is wrong.
        DeviceError, InfrastructureError: the device gave nothing, or is gone.
    """
    base = read_profile(profile, locations.DEVICES)
    found = probed(device, base=base.name, today=clock.now().date())
    write_json_atomically(directory / PROBE, found)
    write_text_atomically(directory / PROFILE, profile_toml(found, base, "probe"))
    return emulated(found, base)


class Explaining:
    """Says of every result whether an emulator gives the same bits.

    Args:
        profile: of the emulator: the one that a probe found.
        evaluations: of the device, by network.
    """

    def __init__(self, profile: Profile, evaluations: Mapping[str, Evaluation]) -> None:
        emulator = EmulatorDevice(profile)
        self._evaluations = {
            name: Evaluation(emulator, item.expected, item.nodes, fuse=item.fuse)
            for name, item in evaluations.items()
        }
        self._counts: collections.Counter[tuple[str, bool]] = collections.Counter()

    def __call__(self, finding: Finding) -> bool | None:
        """Return whether it does; None where either of both has no result."""
        case = finding.case
        if not finding.sha256:
            return None
        found = getattr(self._evaluations[case.network], case.mode)(parse_precision(case.precision))
        ours = found[case.node].sha256 if case.node in found else ()
        if not ours:
            return None
        same = all(map(str.__eq__, finding.sha256, ours))
        self._counts[f"{case.op} at {case.precision}", same] += 1
        return same

    @property
    def note(self) -> str:
        """How many results the profile explains, and which it does not, by operator."""
        explained = sum(count for (_, same), count in self._counts.items() if same)
        others = [
            f"{what} ({count} of {count + self._counts[what, True]})"
            for (what, same), count in self._counts.items()
            if not same
        ]
        named = "; ".join(itertools.islice(others, SHOWN))
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        lacks = f"; not explained: {named}{more}" if others else ""
        return (
            f"the profile that the probe found explains {explained} of {self._counts.total()} results{lacks}"
        )
