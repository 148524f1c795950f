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
from conformance.files import read_json, sha256, write_json_table_atomically
from conformance.graph.cut import cut, cut_input
from conformance.graph.editing import copied, plain
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import INPUT_OPERATORS, FrozenGraph, producer
from conformance.graph.lazy_tensorflow import op_definition, tensorflow
from conformance.graph.operators import AVERAGES, DATA_ARGUMENTS, FIXED_POINT, MOVEMENT, SUMS
from conformance.graph.retype import attribute, input_types, to_float64
from conformance.judging.bounds import Attainable, largest_limits, measured_limits
from conformance.numerics.metrics import compare
from conformance.precision import PRECISIONS, FixedBits, Precision
from conformance.quantization.parameter_file import format_scales

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from conformance.devices.emulator.profile import Profile
    from conformance.goldens import GoldenStore
    from conformance.graph.frozen import Node
    from conformance.quantization.parameter_file import QuantizationScales

FILE = "attainable.json"
GROUP = 30
"""Nodes fetched in one run, large or small: bounds memory."""
GROUP_ELEMENTS = 2**22
"""More nodes than that are fetched as long as they have no more elements than this together."""
MAGNITUDE = "magnitude/"
MATMULS = frozenset({"BatchMatMul", "BatchMatMulV2", "MatMul"})


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
    """Return the entries of a node, each in full.

    Raises:
        ValueError: one names a precision that has none of its own.
    """
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


def scales_digest(scales: QuantizationScales) -> str:
    """Return the SHA-256 of scales as their file holds them."""
    return sha256(format_scales(scales).encode())


def check_scales(content: AttainableFile, scales: QuantizationScales, store: GoldenStore) -> None:
    """Check that attainable errors were made with these scales: bounds depend on them.

    Raises:
        GoldenError: they were made with others.
    """
    if content.scales_sha256.get(f"int{scales.bits}") != scales_digest(scales):
        raise GoldenError(
            f"attainable errors {store.path(FILE)} were made with other int{scales.bits} quantisation "
            f"scales than those of {store.network.directory}; {store.remedy}"
        )


def make_attainable(
    store: GoldenStore,
    scales: Mapping[FixedBits, QuantizationScales],
    ideal: Profile,
    report: Callable[[int, int, str], None] = lambda *_: None,
) -> AttainableFile:
    """Run the ideal device on the cut graph at every precision and write ``attainable.json``.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
        ideal: the ideal profile.
        report: called with (done, total, what).
    """
    names = [node.name for node in store.manifest.nodes]
    store.ensure(names)
    sums = _term_sums(store)
    nodes: dict[str, dict[str, Attainable]] = {name: {} for name in names}
    for index, precision in enumerate(PRECISIONS):
        report(index, len(PRECISIONS), f"attainable errors of {store.network.name}")
        for name, attainable in _at_precision(store, precision, scales[precision.fixed_bits], ideal, sums):
            nodes[name][str(precision)] = attainable
    provenance = store.manifest.provenance
    content = AttainableFile(
        provenance.graph_sha256,
        provenance.input_sha256,
        {f"int{bits}": scales_digest(entry) for bits, entry in scales.items()},
        {name: deciding_operator(store.network.graph, name, _shapes(store)) for name in names},
        nodes,
    )
    write_attainable(store.directory / FILE, content)
    store.discard(node.name for node in store.manifest.nodes if not node.reasons)
    report(len(PRECISIONS), len(PRECISIONS), f"attainable errors of {store.network.name}")
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
        if node.op not in MOVEMENT | {"Const"} | INPUT_OPERATORS:
            return str(node.op)
        sources = {producer(tensor): None for tensor in node.input if not tensor.startswith("^")}
        pending += [source for source in sources if source not in key and source not in seen]
        seen.update(sources)
    return str(graph.nodes[name].op)


def golden_feeds(store: GoldenStore, inputs: Sequence[str], sample: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return the feeds of a cut graph: network inputs, and goldens for the placeholders of nodes."""
    fed = {cut_input(node.name): node.name for node in store.manifest.nodes}
    return {
        name: store.get(fed[name], sample) if name in fed else store.network.feeds(sample)[name]
        for name in inputs
    }


def _shapes(store: GoldenStore) -> dict[str, list[int]]:
    return {node.name: node.samples[0].shape for node in store.manifest.key}


def _at_precision(
    store: GoldenStore,
    precision: Precision,
    scales: QuantizationScales,
    ideal: Profile,
    sums: Mapping[str, tuple[int, float, float]],
) -> Iterator[tuple[str, Attainable]]:
    names = [node.name for node in store.manifest.nodes]
    device = EmulatorDevice(ideal)
    for group in _groups(store, names):
        graph = cut(store.network.graph, _shapes(store), group)
        with device.open(graph, group, precision=precision, scales=scales, fuse=False) as session:
            runs = [
                session.run(golden_feeds(store, graph.inputs, sample))
                for sample in range(store.network.samples)
            ]
        for name in group:
            yield (
                name,
                _attainable(store, name, [run.pop(name) for run in runs], sums.get(name, (0, 0.0, 0.0))),
            )


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
    store: GoldenStore,
    name: str,
    results: Sequence[np.ndarray[Any, Any]],
    sums: tuple[int, float, float],
) -> Attainable:
    goldens = [store.get(name, sample) for sample in range(len(results))]
    for result in results:
        if not np.isfinite(result).all():
            raise GoldenError(f"node {name!r} is not finite on an ideal device: a bound cannot be derived")
    limits = [
        measured_limits(compare(golden, result), golden_is_zero=not golden.any())
        for golden, result in zip(goldens, results, strict=True)
    ]
    squares = [float(np.mean(np.square(golden, dtype=np.float64))) for golden in goldens]
    return Attainable(
        errors=largest_limits(limits),
        terms=sums[0],
        magnitude=sums[1],
        magnitude_square=sums[2],
        golden_square=min(squares),
        golden_max=max(float(np.abs(golden).max()) for golden in goldens),
    )


def _term_sums(store: GoldenStore) -> dict[str, tuple[int, float, float]]:
    """Return for every summing node (terms, largest Σ|terms|, mean square of Σ|terms|), worst over samples.

    Σ|terms| is what the same operator computes, in float64, on the absolute values of its golden inputs.
    """
    graph, shapes = store.network.graph, _shapes(store)
    names = [node.name for node in store.manifest.nodes if node.op in FIXED_POINT | SUMS | AVERAGES]
    shares = {node.name: _shares(store, node.name) for node in store.manifest.nodes if node.op == "Softmax"}
    if not names:
        return shares
    absolute = _absolute_sums(cut(graph, shapes, names), names)
    run = GraphRunner(absolute, [MAGNITUDE + name for name in names])
    largest = dict.fromkeys(names, 0.0)
    squares = dict.fromkeys(names, 0.0)
    for sample in range(store.network.samples):
        results = run(golden_feeds(store, run.feeds, sample))
        for name in names:
            value = results.pop(MAGNITUDE + name)
            largest[name] = max(largest[name], float(value.max()))
            squares[name] = max(squares[name], float(np.mean(np.square(value))))
    return shares | {name: (_terms(graph, store, name), largest[name], squares[name]) for name in names}


def _shares(store: GoldenStore, name: str) -> tuple[int, float, float]:
    """Return what :func:`_term_sums` returns for a Softmax.

    Its result is a positive term over the sum of all; what the sum is off by, relatively, the result is.
    """
    goldens = [store.get(name, sample) for sample in range(store.network.samples)]
    largest = max(float(golden.max()) for golden in goldens)
    squares = max(float(np.mean(np.square(golden, dtype=np.float64))) for golden in goldens)
    return goldens[0].shape[-1], largest, squares


def _absolute_sums(graph: FrozenGraph, names: Sequence[str]) -> FrozenGraph:
    """Return the float64 graph with, per node, the same operator on the absolutes of its float inputs."""
    wide, _ = to_float64(graph)
    double = tensorflow().float64.as_datatype_enum
    nodes: list[Node] = []
    for name in names:
        data = [tensor for tensor in wide.nodes[name].input if not tensor.startswith("^")]
        inputs = []
        for index, (tensor, dtype) in enumerate(zip(data, input_types(wide.nodes[name]), strict=True)):
            if dtype != double:
                inputs.append(tensor)
                continue
            nodes.append(plain(f"{MAGNITUDE}{name}/abs_{index}", "Abs", [tensor], T="float64"))
            inputs.append(nodes[-1].name)
        nodes.append(copied(wide.nodes[name], name=MAGNITUDE + name, inputs=inputs))
    fetches = [MAGNITUDE + name for name in names]
    return wide.replaced([*wide.graph_def.node, *nodes], outputs=fetches).prune(fetches)


def _terms(graph: FrozenGraph, store: GoldenStore, name: str) -> int:
    """Return how many terms one output of a summing node adds up, at most."""
    node = graph.nodes[name]
    if node.op in SUMS:
        return int(np.prod(_shape(store, node.input[0])) // max(np.prod(_shape(store, name)), 1))
    if node.op in AVERAGES:
        window, shape = attribute(node, "ksize").list.i, _shape(store, node.input[0])
        return int(np.prod(np.minimum(window, shape)))
    filters = graph.constant(node.input[DATA_ARGUMENTS.get(node.op, (0, 1))[1]])
    if filters is None:
        return _terms_of_matmul(store, node)
    transposed = _transposed(node, "adj_y", "transpose_b")
    summed_axes = {
        "DepthwiseConv2dNative": (0, 1),
        "Conv2DBackpropInput": (0, 1, 3),
        **dict.fromkeys(MATMULS, (-1 if transposed else -2,)),
    }.get(node.op, range(filters.ndim - 1))
    return int(np.prod([filters.shape[axis] for axis in summed_axes]))


def _terms_of_matmul(store: GoldenStore, node: Node) -> int:
    """Return the contracted length of a matmul of two computed tensors (of others: of all that it sees)."""
    shape = _shape(store, node.input[0])
    if node.op in MATMULS:
        return shape[-2 if _transposed(node, "adj_x", "transpose_a") else -1]
    return int(np.prod(shape))


def _transposed(node: Node, *keys: str) -> bool:
    """Whether a matmul takes an argument transposed; the attribute's name depends on the operator."""
    declared = {entry.name for entry in op_definition(node.op).attr}
    return any(bool(attribute(node, key).b) for key in keys if key in declared)


def _shape(store: GoldenStore, tensor: str) -> tuple[int, ...]:
    """Return the shape of a golden, an input or a constant."""
    name = producer(tensor)
    if name in store.network.graph.inputs:
        return tuple(store.network.feeds(0)[name].shape)
    value = store.network.graph.constant(tensor)
    return tuple(store.node(name).samples[0].shape if value is None else value.shape)
