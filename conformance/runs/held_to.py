"""Fingerprints of what decides a verdict beside the device: the same on every host that judges a shard."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conformance import locations
from conformance.files import sha256
from conformance.judging.cases import OPERATORS
from conformance.machine import installed_version

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.expected.attainable import AttainableFile
    from conformance.expected.expectations import Expectations
    from conformance.settings import Settings


BOUNDS = "bounds"
"""What the attainable errors of a network are called."""


def held_to(
    settings: Settings, expectations: Mapping[str, Expectations], operators: Sequence[str] = ()
) -> dict[str, str]:
    """Return the SHA-256 of graphs, goldens, scales, bounds, waivers and so on, by what they are.

    Paths do not count: a host may have the same files elsewhere.

    Args:
        settings: of the run.
        expectations: by network; what they need is there.
        operators: names of those that are judged by themselves.

    Raises:
        ConformanceError, OSError: a file cannot be read.
    """
    found: dict[str, str] = {}
    for name, expected in expectations.items():
        found |= {f"{what} of {name}": digest for what, digest in _of_network(expected).items()}
    if operators:
        version = installed_version("hypothesis")  # another one draws other cases
        found[OPERATORS] = values_sha256([list(operators), settings.examples, version])
    waivers = [settings.waivers] if settings.waivers else sorted(locations.WAIVERS.glob("*.toml"))
    waivers = [] if settings.no_waivers else waivers
    word = settings.profile.partition(",")[0]
    profile = Path(word) if word.endswith(".toml") else locations.DEVICES / f"{word}.toml"
    return found | {
        "waivers": files_sha256(waivers),
        "margins": files_sha256([locations.MARGINS]),
        "profile": files_sha256([profile] if profile.is_file() else []),
    }


def _of_network(expected: Expectations) -> dict[str, str]:
    network, manifest = expected.network, expected.store.manifest
    made_from = manifest.provenance
    truths = [
        network.directory / file
        for output in network.outputs
        if output.answers
        for file in output.answers.truth
    ]
    return {
        "graph": made_from.graph_sha256,
        "inputs": made_from.input_sha256,
        "goldens": values_sha256(manifest.nodes),
        **{f"{width} scales": found for width, found in sorted(expected.attainable.scales_sha256.items())},
        BOUNDS: bounds_sha256(expected.attainable),
        "description": values_sha256(network.description),
        "truths": files_sha256(truths),
    }


def bounds_sha256(attainable: AttainableFile) -> str:
    """Return the SHA-256 of what bounds are derived from, beside the margins."""
    known = [attainable.operators, attainable.nodes, attainable.right, attainable.fused, attainable.timed]
    return values_sha256([*known, *([attainable.overflow] if attainable.overflow else [])])


def values_sha256(values: object) -> str:
    """Return the SHA-256 of values, as JSON."""
    return sha256(msgspec.json.encode(values))


def files_sha256(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the contents of files, one after the other."""
    total = hashlib.sha256()
    for path in paths:
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
