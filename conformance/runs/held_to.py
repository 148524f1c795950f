"""Fingerprints of what decides a verdict beside the device: the same on every host that judges a shard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.files import sha256

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from conformance.expected.expectations import Expectations
    from conformance.options import Settings


def held_to(settings: Settings, expectations: Mapping[str, Expectations]) -> dict[str, str]:
    """Return the SHA-256 of graphs, goldens, scales, bounds, waivers and so on, by what they are.

    Paths do not count: a host may have the same files elsewhere.

    Args:
        settings: of the run.
        expectations: by network; what they need is there.

    Raises:
        ConformanceError, OSError: a file cannot be read.
    """
    found: dict[str, str] = {}
    for name, expected in expectations.items():
        found |= {f"{what} of {name}": digest for what, digest in _of_network(expected).items()}
    waivers = [settings.waivers] if settings.waivers else sorted(locations.WAIVERS.glob("*.toml"))
    waivers = [] if settings.no_waivers else waivers
    word = settings.profile.partition(",")[0]
    profile = Path(word) if word.endswith(".toml") else locations.DEVICES / f"{word}.toml"
    return found | {
        "waivers": _of_files(waivers),
        "margins": _of_files([locations.MARGINS]),
        "profile": _of_files([profile] if profile.is_file() else []),
    }


def _of_network(expected: Expectations) -> dict[str, str]:
    network, manifest = expected.network, expected.store.manifest
    made_from, bounds = manifest.provenance, expected.attainable
    truths = [
        network.directory / file
        for output in network.outputs
        if output.answers
        for file in output.answers.truth
    ]
    return {
        "graph": made_from.graph_sha256,
        "inputs": made_from.input_sha256,
        "goldens": _of_values(manifest.nodes),
        **{f"{width} scales": found for width, found in sorted(expected.attainable.scales_sha256.items())},
        "bounds": _of_values([bounds.operators, bounds.nodes, bounds.right, bounds.fused]),
        "description": _of_values(network.description),
        "truths": _of_files(truths),
    }


def _of_values(values: object) -> str:
    return sha256(msgspec.json.encode(values))


def _of_files(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, one after the other."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
