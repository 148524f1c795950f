"""The waivers of a run: which apply, and which are wrong whatever the device does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance import locations
from conformance.graph.operators import PRODUCT_SUMS
from conformance.judging.cases import OPERATORS, Case
from conformance.judging.waivers import applicable, expired, match, read_waivers, unknown_networks, unmatched
from conformance.networks import network_names
from conformance.precision import FIXED_BITS, PRECISIONS

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator
    from pathlib import Path

    from conformance.devices.base import DeviceInfo
    from conformance.goldens import GoldenNode, Manifest
    from conformance.judging.cases import Mode
    from conformance.judging.waivers import Waiver
    from conformance.networks import Network
    from conformance.runs.plan import NetworkPlan
    from conformance.settings import Settings


def waivers_of(plan: NetworkPlan, info: DeviceInfo) -> list[Waiver]:
    """Return the waivers of the plan's network on this device.

    Raises:
        UsageError: the file is missing or malformed, or two waivers match one case.
    """
    path = _path(plan.settings, info)
    if path is None:
        return []
    waivers = applicable(
        read_waivers(path), network=plan.network.name, profile=plain_profile(info.profile) or None
    )
    for case in cases(plan):
        match(waivers, case)
    return waivers


def waiver_problems(plan: NetworkPlan, info: DeviceInfo, waivers: list[Waiver], today: dt.date) -> list[str]:
    """Return a sentence per waiver that has expired, or that matches nothing that is known."""
    sentences = [*expired(waivers, today), *unmatched(waivers, cases(plan))]
    path = _path(plan.settings, info)
    if path is not None and path.parent == locations.WAIVERS:
        known = [plan.network.name, OPERATORS, *network_names(locations.NETWORKS)]
        sentences += unknown_networks(read_waivers(path), known)
    return sentences


def operator_waivers(settings: Settings, info: DeviceInfo) -> list[Waiver]:
    """Return the waivers of operators that are tested by themselves.

    Raises:
        UsageError: the file is missing or malformed.
    """
    path = _path(settings, info)
    if path is None:
        return []
    return applicable(read_waivers(path), network=OPERATORS, profile=plain_profile(info.profile) or None)


def cases(plan: NetworkPlan) -> Iterator[Case]:
    """Yield every case that could be judged for the plan's network, whatever was selected."""
    return known_cases(plan.network, plan.manifest)


def known_cases(network: Network, manifest: Manifest) -> Iterator[Case]:
    """Yield every case that could be judged for a network with this manifest of goldens."""
    outputs = {output.name for output in network.outputs}
    for node in manifest.nodes:
        modes: tuple[Mode, ...] = ("own", "chained", "fused") if node.name in outputs else ("own", "chained")
        for precision in map(str, PRECISIONS):
            for mode in modes:
                yield _case(network.name, node, precision, mode)
        if node.op in PRODUCT_SUMS:
            for bits in FIXED_BITS:
                yield _case(network.name, node, f"int{bits}", "calibration")


def _case(network: str, node: GoldenNode, precision: str, mode: Mode) -> Case:
    return Case(network=network, node=node.name, op=node.op, precision=precision, mode=mode)


def _path(settings: Settings, info: DeviceInfo) -> Path | None:
    """Return the waiver file: the user's, else that of the profile or device if there is one."""
    if settings.no_waivers:
        return None
    return settings.waivers or default_waivers(info.profile, info.kind)


def default_waivers(profile: str, kind: str) -> Path | None:
    """Return the project's waiver file for a profile, or a device without one; None where there is none."""
    path = locations.WAIVERS / f"{plain_profile(profile) or kind}.toml"
    return path if path.exists() else None


def plain_profile(profile: str) -> str:
    """Return a profile's name without the switches that were turned."""
    return profile.partition(",")[0]
