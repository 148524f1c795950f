"""Preparing a network: scales, goldens, bounds, in this order, and only what is missing or stale.

Scales depend on graph and inputs, goldens on graph, inputs and key nodes, bounds on all of these and on the
scales. One check of what is stale serves the commands and ``--weights``.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING, Literal, get_args

import filelock

from conformance import locations
from conformance.devices.emulator.profile import read_profile
from conformance.errors import ConformanceError, InfrastructureError, UsageError
from conformance.expected.attainable import FILE as BOUNDS
from conformance.expected.attainable import bounded, check_scales, read_attainable
from conformance.expected.ideal_device import make_attainable
from conformance.expected.overflow import told
from conformance.expected.scales import (
    MadeScales,
    kept_scales,
    make_scales,
    refuse_installed,
    scales_directory,
    scales_of,
    stale_scales,
)
from conformance.files import write_text_atomically
from conformance.golden_places import MANIFEST
from conformance.graph.selection import key_nodes
from conformance.networks import network_names
from conformance.precision import FIXED_BITS, PRECISIONS
from conformance.quantization.calibration import calibrated_tensors, told_loops
from conformance.quantization.files import scales_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.goldens import GoldenStore

Step = Literal["scales", "goldens", "bounds"]
STEPS: tuple[Step, ...] = get_args(Step)
"""In the order in which they are made."""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What became of a step.

    Attributes:
        step: the step.
        state: ``made``, ``fresh`` (it was there and fits), or ``kept`` (a user's own scales).
        details: what is there now, and why it was made.
    """

    step: Step
    state: Literal["made", "fresh", "kept"]
    details: str


def prepare(store: GoldenStore, only: Sequence[Step] = ()) -> list[Prepared]:
    """Make what is missing or stale of a network's scales, goldens and bounds.

    A parameter file that this project did not calibrate is kept. Two processes at once: the second waits for
    the first, then finds everything made.

    Args:
        store: where the goldens of the network lie.
        only: the steps to make, whether or not they are stale, and no others; empty: all, where stale.

    Raises:
        InfrastructureError: a directory cannot be written.
        UsageError: a user's parameter file does not fit the network, or its name is taken.
        ConformanceError: the network has no goldens or scales on its inputs.
    """
    _check_name(store)
    if "bounds" in only and "scales" not in only:
        scales_of(store)
    if not only and not any(stale(store, step) for step in STEPS):
        return [_left(store, step) for step in STEPS]
    with _alone(store):
        store.reread()
        return [_prepared(store, step, forced=bool(only)) for step in STEPS if step in (only or STEPS)]


def prepare_weights(store: GoldenStore) -> None:
    """Prepare a network with a user's weights; one with its own was prepared by hand, and is left alone."""
    if store.network.weights is not None:
        prepare(store)


def stale(store: GoldenStore, step: Step) -> str:
    """Return why a step must be made, or '' for one that is there and fits everything it depends on.

    Raises:
        UsageError: a user's parameter file does not fit the network.
    """
    if step == "scales":
        return "; ".join(stale_scales(store).values())
    return _stale_goldens(store) if step == "goldens" else _stale_bounds(store)


def _stale_goldens(store: GoldenStore) -> str:
    network = store.network
    try:
        made_from = store.manifest.provenance
    except ConformanceError:
        return "they are damaged" if store.path(MANIFEST).exists() else "there are none"
    if made_from.graph_sha256 != network.graph.sha256:
        return "they are of another graph"
    if made_from.input_sha256 != network.input_sha256:
        return "they are of other inputs"
    known = {node.name: node.reasons for node in store.manifest.key}
    return "" if known == key_nodes(network.graph, network.key) else "they are of other key nodes"


def _stale_bounds(store: GoldenStore) -> str:
    if not store.path(BOUNDS).exists():
        return "there are none"
    try:
        attainable = read_attainable(store)
    except ConformanceError:
        return "they are damaged, or of other goldens"
    try:
        for scales in scales_of(store).values():
            check_scales(attainable, scales, store)
    except ConformanceError:
        return "they are of other scales"
    made = attainable.nodes.keys()
    if not set(bounded(store)) <= made <= {node.name for node in store.manifest.nodes}:
        return "they are of other nodes"
    whole = attainable.right.keys() == made and attainable.fused and attainable.timed
    return "" if whole else "they are of an earlier version"


def _prepared(store: GoldenStore, step: Step, *, forced: bool) -> Prepared:
    why = stale(store, step)
    if not (why or forced):
        return _left(store, step)
    if step == "goldens":
        (store.directory / BOUNDS).unlink(
            missing_ok=True
        )  # or they would be taken for those of these goldens
        store.create()
    elif step == "bounds":
        make_attainable(store, scales_of(store), read_profile(locations.IDEAL, locations.DEVICES))
    else:
        made = _make_scales(store, forced=forced)
        if made is None:
            return _left(store, step)
        why = "; ".join(filter(None, [why, made.told]))
    return Prepared(step, "made", _there(store, step) + (f" ({why})" if why else ""))


def _make_scales(store: GoldenStore, *, forced: bool) -> MadeScales | None:
    """Calibrate for the widths that need it; if forced, for all whose file is not a user's own."""
    network, directory = store.network, scales_directory(store)
    kept = kept_scales(store)
    widths = [bits for bits in FIXED_BITS if bits not in kept] if forced else [*stale_scales(store)]
    if widths and calibrated_tensors(network.graph):
        refuse_installed(network)
        return make_scales(network, directory, widths)
    return None


def _left(store: GoldenStore, step: Step) -> Prepared:
    kept = step == "scales" and kept_scales(store)
    return Prepared(step, "kept" if kept else "fresh", _there(store, step))


def _there(store: GoldenStore, step: Step) -> str:
    """Return in words what there is of a step."""
    if step == "goldens":
        return f"{len(store.manifest.nodes)} nodes, {len(store.manifest.key)} of them key nodes"
    if step == "bounds":
        names = bounded(store)
        overflow = told(read_attainable(store).overflow, names)
        return "; ".join([f"{len(names)} nodes at {len(PRECISIONS)} precisions", *overflow])
    graph, directory = store.network.graph, scales_directory(store)
    tensors, loops = calibrated_tensors(graph), told_loops(graph)
    if not tensors:
        return "; ".join(loops or ["none needed: the network has no convolution or matmul"])
    kept = [scales_path(directory, bits).name for bits in kept_scales(store)]
    own = f"; {' and '.join(kept)} not calibrated by this project: delete to have it made" if kept else ""
    widths = " and ".join(map(str, FIXED_BITS))
    return "; ".join([f"{len(tensors)} tensors at {widths} bits{own}", *loops])


def _check_name(store: GoldenStore) -> None:
    """Demand that goldens of a user's network do not go where those of one of the project's own lie."""
    network = store.network
    own = network.directory.resolve().parent == locations.NETWORKS
    if store.directory != locations.GOLDENS / network.name or own:
        return
    if network.name in network_names(locations.NETWORKS):
        raise UsageError(
            f"network {network.name!r} in {network.directory} is called like one of the project's own, whose "
            "goldens it would replace; give it another name in network.toml, or another --golden-dir"
        )


@contextlib.contextmanager
def _alone(store: GoldenStore) -> Iterator[None]:
    """Be the one process that prepares this network here."""
    try:
        store.directory.mkdir(parents=True, exist_ok=True)
        if store.network.weights is not None:
            write_text_atomically(store.directory / ".gitignore", "*\n")
        with filelock.FileLock(store.directory / ".prepared.lock"):
            yield
    except OSError as error:
        raise InfrastructureError(
            f"goldens of {store.network.name} cannot be written to {store.directory}: "
            f"{error.strerror or error}; choose another place with --golden-dir"
        ) from error
