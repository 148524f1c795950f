"""Scales, goldens and bounds of a network with a user's weights, made when they are first needed.

Those of the project's own networks are made by hand and kept in git; these lie beside them, below a name that
the weights are part of, and git ignores them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import filelock

from conformance import locations
from conformance.devices.emulator.profile import read_profile
from conformance.errors import ConformanceError, InfrastructureError
from conformance.expected.attainable import check_scales, make_attainable, read_attainable
from conformance.files import write_text_atomically
from conformance.precision import FIXED_BITS
from conformance.quantization.calibration import calibrate, largest_magnitudes, quantized_tensors
from conformance.quantization.files import read_scales, scales_path, write_scales

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.goldens import GoldenStore


def scales_directory(store: GoldenStore) -> Path:
    """Return where the quantisation scales of a network lie.

    They are beside the network, unless its weights are a user's: then beside its goldens.
    """
    return store.network.directory if store.network.weights is None else store.directory


def prepare(store: GoldenStore) -> bool:
    """Make scales, goldens and attainable errors for a user's weights, unless they are there and fit.

    Two processes at once: the second waits for the first, then finds everything made.

    Returns:
        Whether anything was made; never for a network with its own weights.

    Raises:
        InfrastructureError: the golden directory cannot be written.
        ConformanceError: the network has no goldens or scales on its inputs.
    """
    if store.network.weights is None or _fits(store):
        return False
    try:
        store.directory.mkdir(parents=True, exist_ok=True)
        write_text_atomically(store.directory / ".gitignore", "*\n")
        with filelock.FileLock(store.directory / ".prepared.lock"):
            if _fits(store):
                return False
            _make(store)
    except OSError as error:
        raise InfrastructureError(
            f"goldens of {store.network.name} cannot be written to {store.directory}: "
            f"{error.strerror or error}; choose another place with --golden-dir"
        ) from error
    return True


def _fits(store: GoldenStore) -> bool:
    """Whether everything is there, and was made from this graph, these inputs and these scales."""
    try:
        made_from = store.manifest.provenance
        attainable = read_attainable(store)
        for bits in FIXED_BITS:
            check_scales(attainable, read_scales(store.directory, bits, store.network.graph), store)
    except ConformanceError:
        return False
    now = (store.network.graph.digest, store.network.input_digest)
    return (made_from.graph_sha256, made_from.input_sha256) == now


def _make(store: GoldenStore) -> None:
    graph = store.network.graph
    if quantized_tensors(graph):
        samples = map(store.network.feeds, range(store.network.samples))
        largest = largest_magnitudes(graph, samples)
        for bits in FIXED_BITS:
            write_scales(scales_path(store.directory, bits), calibrate(largest, bits))
    scales = {bits: read_scales(store.directory, bits, graph) for bits in FIXED_BITS}
    store.create()
    make_attainable(store, scales, read_profile(locations.IDEAL, locations.DEVICES), store.report)
