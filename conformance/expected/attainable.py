"""Attainable errors: what an ideal device of each precision adds at each node, from which bounds are derived.

The ideal device is the emulator under the ``ideal`` profile: exact arithmetic and one correct rounding per
operator. Every node is fed with the goldens of the nearest key nodes before it, so the error is its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.errors import GoldenError
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.expected.terms import TermSums, term_sums
from conformance.files import read_json, write_json_table_atomically
from conformance.graph.cut import cut
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.operators import MOVEMENT, SOURCES
from conformance.judging.bounds import Attainable
from conformance.judging.comparison import attained
from conformance.precision import PRECISIONS, FixedBits, Precision
from conformance.quantization.parameter_file import scales_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from conformance.devices.emulator.profile import Profile
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import FrozenGraph
    from conformance.quantization.parameter_file import QuantizationScales

FILE = "attainable.json"
GROUP = 30
"""Nodes fetched in one run, large or small: bounds memory."""
GROUP_ELEMENTS = 2**22
"""More nodes than that are fetched as long as they have no more elements than this together."""


class AttainableFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``attainable.json``.

    Attributes:
        graph_sha256, input_sha256: the network that it belongs to.
        scales_sha256: the quantisation scales that it was made with, by ``int8`` and ``int16``.
        operators: the operator whose margin holds, per node.
        nodes: attainable errors, by node and precision.
    """

    graph_sha256: str
    input_sha256: str
    scales_sha256: dict[str, str]
    operators: dict[str, str]
    nodes: dict[str, dict[str, Attainable]]


class _StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file on disk: where a node has the same at two precisions, the second names the first."""

    graph_sha256: str
    input_sha256: str
    scales_sha256: dict[str, str]
    operators: dict[str, str]
    nodes: dict[str, dict[str, Attainable | str]]


def _shortened(entries: Mapping[str, Attainable]) -> dict[str, Attainable | str]:
    first: dict[Attainable, str] = {}
    return {
        precision: entry if first.setdefault(entry, precision) == precision else first[entry]
        for precision, entry in entries.items()
    }


def _whole(node: str, entries: Mapping[str, Attainable | str]) -> dict[str, Attainable]:
    """Return the entries of a node, each in full."""
    whole = {}
    for precision, entry in entries.items():
        found = entries.get(entry) if isinstance(entry, str) else entry
        if not isinstance(found, Attainable):
            raise ValueError(f"node {node!r} at {precision} is as at {entry!r}, where there is nothing")  # noqa: TRY004 - the file is wrong
        whole[precision] = found
    return whole


def read_attainable(store: GoldenStore) -> AttainableFile:
    """Read the attainable errors that belong to the goldens of ``store``.

    Raises:
        GoldenError: there are none, or they belong to another network or input.
    """
    path, made_from = store.path(FILE), store.manifest.provenance
    if not path.exists():
        raise GoldenError(
            f"network {store.network.name!r} has no attainable errors in {path}; {store.remedy}"
        )
    stored = read_json(path, _StoredFile, "attainable errors")
    try:
        nodes = {name: _whole(name, entries) for name, entries in stored.nodes.items()}
    except ValueError as error:
        raise GoldenError(f"attainable errors {path} are damaged: {error}; {store.remedy}") from error
    content = AttainableFile(
        stored.graph_sha256, stored.input_sha256, stored.scales_sha256, stored.operators, nodes
    )
    if (content.graph_sha256, content.input_sha256) != (made_from.graph_sha256, made_from.input_sha256):
        raise GoldenError(f"attainable errors {path} belong to another graph or other inputs; {store.remedy}")
    return content


def write_attainable(path: Path, content: AttainableFile) -> None:
    """Write ``attainable.json``."""
    nodes = {name: _shortened(entries) for name, entries in content.nodes.items()}
    stored = _StoredFile(
        content.graph_sha256, content.input_sha256, content.scales_sha256, content.operators, nodes
    )
    write_json_table_atomically(path, stored)


def check_scales(content: AttainableFile, scales: QuantizationScales, store: GoldenStore) -> None:
    """Check that attainable errors were made with these scales: bounds depend on them.

    Raises:
        GoldenError: they were made with others.
    """
    if content.scales_sha256.get(f"int{scales.bits}") != scales_sha256(scales):
        raise GoldenError(
            f"attainable errors {store.path(FILE)} were made with other int{scales.bits} quantisation "
            f"scales than those of {store.network.directory}; {store.remedy}"
        )


def make_attainable(
    store: GoldenStore,
    scales: Mapping[FixedBits, QuantizationScales],
    ideal: Profile,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> AttainableFile:
    """Run the ideal device on the cut graph at every precision and write ``attainable.json``.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
        ideal: the ideal profile.
        progress: called with (done, total, what).
    """
    names = [node.name for node in store.manifest.nodes]
    store.ensure(names)
    sums = term_sums(store)
    nodes: dict[str, dict[str, Attainable]] = {name: {} for name in names}
    for index, precision in enumerate(PRECISIONS):
        progress(index, len(PRECISIONS), f"attainable errors of {store.network.name}")
        for name, attainable in _at_precision(store, precision, scales[precision.fixed_bits], ideal, sums):
            nodes[name][str(precision)] = attainable
    provenance = store.manifest.provenance
    content = AttainableFile(
        provenance.graph_sha256,
        provenance.input_sha256,
        {f"int{bits}": scales_sha256(entry) for bits, entry in scales.items()},
        {name: deciding_operator(store.network.graph, name, key_shapes(store)) for name in names},
        nodes,
    )
    write_attainable(store.directory / FILE, content)
    store.discard(node.name for node in store.manifest.nodes if not node.reasons)
    progress(len(PRECISIONS), len(PRECISIONS), f"attainable errors of {store.network.name}")
    return content


def deciding_operator(graph: FrozenGraph, name: str, key: Mapping[str, Sequence[int]]) -> str:
    """Return the operator whose margin holds for a node: its own, or the one that computed what it moves.

    Args:
        graph: the network.
        name: the node.
        key: the nodes whose readers are fed with goldens.
    """
    pending, seen = [name], {name}
    while pending:
        node = graph.nodes[pending.pop(0)]
        if node.op not in MOVEMENT | SOURCES:
            return str(node.op)
        sources = dict.fromkeys(map(producer, data_inputs(node)))
        pending += [source for source in sources if source not in key and source not in seen]
        seen.update(sources)
    return str(graph.nodes[name].op)


def _at_precision(
    store: GoldenStore,
    precision: Precision,
    scales: QuantizationScales,
    ideal: Profile,
    sums: Mapping[str, TermSums],
) -> Iterator[tuple[str, Attainable]]:
    names = [node.name for node in store.manifest.nodes]
    device = EmulatorDevice(ideal)
    for group in _groups(store, names):
        graph = cut(store.network.graph, key_shapes(store), group)
        with device.open(graph, group, precision=precision, scales=scales, fuse=False) as session:
            runs = [
                session.run(golden_feeds(store, graph.inputs, sample))
                for sample in range(store.network.samples)
            ]
        for name in group:
            yield name, _attainable(store, name, [run.pop(name) for run in runs], sums.get(name, TermSums()))


def _groups(store: GoldenStore, names: Sequence[str]) -> Iterator[list[str]]:
    """Yield the nodes that are fetched together: many where they are small, since every run costs."""
    group: list[str] = []
    elements = 0
    for name in names:
        size = math.prod(store.node(name).samples[0].shape)
        if len(group) >= GROUP and elements + size > GROUP_ELEMENTS:
            yield group
            group, elements = [], 0
        group.append(name)
        elements += size
    if group:
        yield group


def _attainable(
    store: GoldenStore, name: str, results: Sequence[np.ndarray[Any, Any]], sums: TermSums
) -> Attainable:
    goldens = [store.get(name, sample) for sample in range(len(results))]
    for result in results:
        if not np.isfinite(result).all():
            raise GoldenError(f"node {name!r} is not finite on an ideal device: a bound cannot be derived")
    return attained(goldens, results, **sums._asdict())
