"""A network's quantisation scales: made by this project's calibration, or a user's own, which are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from conformance import locations
from conformance.errors import InfrastructureError, UsageError
from conformance.precision import FIXED_BITS
from conformance.quantization.calibrated import origin_of, write_calibrated
from conformance.quantization.calibration import (
    calibrate,
    calibrated_tensors,
    largest_magnitudes,
    quantized_tensors,
)
from conformance.quantization.files import read_scales, read_whole, scales_path

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.goldens import GoldenStore
    from conformance.networks import Network
    from conformance.precision import FixedBits
    from conformance.quantization.parameter_file import QuantizationScales


def scales_directory(store: GoldenStore) -> Path:
    """Return where the quantisation scales of a network lie.

    They are beside the network, unless its weights are a user's: then beside its goldens.
    """
    return store.network.directory if store.network.weights is None else store.directory


def refuse_installed(network: Network) -> None:
    """Refuse to write scales of a network that came with an installation.

    Raises:
        UsageError: it did.
    """
    if locations.is_installed(network.directory):
        raise UsageError(
            f"network {network.name!r} came with the installation, which keeps its scales; copy "
            f"{network.directory} and quantise the copy"
        )


def scales_of(store: GoldenStore) -> dict[FixedBits, QuantizationScales]:
    """Return a network's scales by bit width.

    Raises:
        UsageError: a file is missing or does not fit the network.
    """
    directory, graph = scales_directory(store), store.network.graph
    return {bits: read_scales(directory, bits, graph, store.command) for bits in FIXED_BITS}


def stale_scales(store: GoldenStore) -> dict[FixedBits, str]:
    """Return why each parameter file must be calibrated that is not there, or was from something else.

    A file that this project did not calibrate is never stale.

    Raises:
        UsageError: such a file does not fit the network, or a file is malformed.
    """
    if not calibrated_tensors(store.network.graph):
        return {}
    found = {bits: _stale(store, bits) for bits in FIXED_BITS}
    return {bits: why for bits, why in found.items() if why}


def _stale(store: GoldenStore, bits: FixedBits) -> str:
    network, directory = store.network, scales_directory(store)
    path = scales_path(directory, bits)
    if not path.exists():
        return f"{path.name} is missing"
    origin = origin_of(read_whole(path, store.command), directory)
    if origin is None:
        remedy = "put one that fits, or delete it to have it calibrated"
        read_scales(directory, bits, network.graph, store.command, remedy)
        return ""
    if origin.graph_sha256 != network.graph.sha256:
        return f"{path.name} is of another graph"
    return "" if origin.input_sha256 == network.input_sha256 else f"{path.name} is of other inputs"


def kept_scales(store: GoldenStore) -> list[FixedBits]:
    """Return the widths whose parameter file is there, but was not calibrated by this project."""
    directory = scales_directory(store)
    return [
        bits
        for bits in FIXED_BITS
        if quantized_tensors(store.network.graph)
        and (path := scales_path(directory, bits)).exists()
        and origin_of(read_whole(path, store.command), directory) is None
    ]


class MadeScales(NamedTuple):
    """Parameter files that were made.

    Attributes:
        changed: by width, whether its file changed.
        told: what is to be known of scales that no value decides, or ''.
    """

    changed: dict[FixedBits, bool]
    told: str


def make_scales(network: Network, directory: Path, widths: Sequence[FixedBits]) -> MadeScales:
    """Calibrate on all samples and write a parameter file per width; one that would not change stays.

    Raises:
        UsageError: a tensor cannot be calibrated, or an older file is malformed.
        InfrastructureError: the directory cannot be written.
    """
    largest = largest_magnitudes(network.graph, map(network.feeds, range(network.samples)))
    scales = {bits: calibrate(largest, bits) for bits in widths}
    try:
        changed = {
            bits: write_calibrated(
                made, directory, graph_sha256=network.graph.sha256, input_sha256=network.input_sha256
            )
            for bits, made in scales.items()
        }
        return MadeScales(changed, largest.told)
    except OSError as error:
        raise InfrastructureError(
            f"scales of {network.name} cannot be written to {directory}: {error.strerror or error}; copy the "
            "network to a place that can be written"
        ) from error
