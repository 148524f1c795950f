"""Attainable errors, from which bounds are derived: their file, ``attainable.json``.

They are what an ideal device of each precision adds at each node, see
:mod:`conformance.expected.ideal_device`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance.errors import GoldenError
from conformance.files import read_json, write_json_table_atomically
from conformance.judging.bounds import Attainable, ErrorValues
from conformance.quantization.parameter_file import scales_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from conformance.goldens import GoldenStore
    from conformance.quantization.parameter_file import QuantizationScales

FILE = "attainable.json"
MOST_BOUNDED = 2000
"""Judgeable nodes up to which all of a network's have bounds in the file. Beyond it only key nodes have; what
is judged besides is made when it is."""


class AttainableFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``attainable.json``.

    Attributes:
        graph_sha256, input_sha256: the network that it belongs to.
        scales_sha256: the quantisation scales that it was made with, by ``int8`` and ``int16``.
        operators: the operator whose margin holds, per node.
        nodes: attainable errors, by node and precision: of all judgeable nodes, or of the key nodes alone.
        ranges: smallest and largest values that documented limits are about, by node and quantity.
        right: digests of right devices' results, by node and precision: one string per sample. Empty in a
            file of an earlier version.
        fused: the largest errors of right devices along the whole network, by output and precision.
        timed: the same on inputs that grew as in timed runs, too.
        overflow: parts of elements that overflow even on an ideal half device, by node and precision, of the
            worst sample; nodes without any are not in it.
    """

    graph_sha256: str
    input_sha256: str
    scales_sha256: dict[str, str]
    operators: dict[str, str]
    nodes: dict[str, dict[str, Attainable]]
    ranges: dict[str, dict[str, tuple[float, float]]] = {}
    right: dict[str, dict[str, list[str]]] = {}
    fused: dict[str, dict[str, ErrorValues]] = {}
    timed: dict[str, dict[str, ErrorValues]] = {}
    overflow: dict[str, dict[str, float]] = {}


class _StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file on disk: where a node has the same at two precisions, the second names the first."""

    graph_sha256: str
    input_sha256: str
    scales_sha256: dict[str, str]
    operators: dict[str, str]
    nodes: dict[str, dict[str, Attainable | str]]
    ranges: dict[str, dict[str, tuple[float, float]]] = {}
    right: dict[str, dict[str, list[str]]] = {}
    fused: dict[str, dict[str, ErrorValues]] = {}
    timed: dict[str, dict[str, ErrorValues]] = {}
    overflow: dict[str, dict[str, float]] | msgspec.UnsetType = msgspec.UNSET


def bounded(store: GoldenStore) -> list[str]:
    """Return the nodes whose attainable errors the file has, producers first."""
    few = len(store.manifest.nodes) <= MOST_BOUNDED
    return [node.name for node in (store.manifest.nodes if few else store.manifest.key)]


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
        stored.graph_sha256,
        stored.input_sha256,
        stored.scales_sha256,
        stored.operators,
        nodes,
        stored.ranges,
        stored.right,
        stored.fused,
        stored.timed,
        stored.overflow or {},
    )
    if (content.graph_sha256, content.input_sha256) != (made_from.graph_sha256, made_from.input_sha256):
        raise GoldenError(f"attainable errors {path} belong to another graph or other inputs; {store.remedy}")
    return content


def write_attainable(path: Path, content: AttainableFile) -> None:
    """Write ``attainable.json``."""
    nodes = {name: _shortened(entries) for name, entries in content.nodes.items()}
    stored = _StoredFile(
        content.graph_sha256,
        content.input_sha256,
        content.scales_sha256,
        content.operators,
        nodes,
        content.ranges,
        content.right,
        content.fused,
        content.timed,
        content.overflow or msgspec.UNSET,
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
