"""From a checkpoint, or a graph that is frozen already, to a frozen graph of some outputs, step by step.

Nothing that is pruned is imported.
"""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.freezing.branches import without_dead_branches, without_waiting
from conformance.freezing.checkpoint import Checkpoint
from conformance.freezing.dropout import without_idle_dropout
from conformance.freezing.ends import last_floats
from conformance.freezing.finding import (
    BINARY,
    KERAS,
    META,
    MODELS,
    TEXT,
    GraphFile,
    check_there,
    find_checkpoint,
    graph_of,
    is_saved_model,
    read_graph,
)
from conformance.freezing.finding import VARIABLES as INSIDE_SAVED_MODEL
from conformance.freezing.inputs import check_fed, check_fixed, placeholder_name, with_inputs
from conformance.freezing.keras_model import exported
from conformance.freezing.published import recognised_networks
from conformance.freezing.reachable import loose, pruned
from conformance.freezing.remains import check_order, check_remains, remarks, updates_gone
from conformance.freezing.saved_model import (
    float_outputs,
    frozen_function,
    is_of_tensorflow_2,
    output_tensors,
    read_meta_graph,
    refuse_side_effects_of_loading,
    signature_of,
)
from conformance.freezing.type_inference import inferred_types
from conformance.freezing.variables import VARIABLES, by_value, places, with_values
from conformance.graph.array_files import read_array
from conformance.graph.constants import APART
from conformance.graph.editing import portable
from conformance.graph.frozen import FrozenGraph, output_index, producer
from conformance.graph.graph_file import DamagedGraph, read_mapped
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.own_scales import told_scales
from conformance.graph.side_effects import refuse_side_effects
from conformance.graph.vendor_nodes import with_plain_nodes
from conformance.graph.wholeness import check_order_and_constants

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.dataflow import TensorType

OF_TRAINING = ("_output_shapes", "_gradient_op_type", "_has_manual_control_dependencies")
"""Attributes that serve gradients, order functions, or tell shapes as they were before."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What shall be frozen, and how.

    Attributes:
        outputs: nodes, as ``name`` or ``name:0``, or outputs of a SavedModel's signature; empty: all float
            outputs of the signature, or, of a frozen graph, the last float nodes.
        inputs: tensors to feed; empty: every placeholder that the outputs need.
        fixed: placeholders and their values as text.
        graph: the file with the graph; None: the meta graph beside the checkpoint.
        signature: of a SavedModel; None: the one that has the outputs.
        trusted: whether the graph may reach outside of itself; see :mod:`conformance.graph.side_effects`.
    """

    outputs: Sequence[str]
    inputs: Sequence[str] = ()
    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    graph: Path | None = None
    signature: str | None = None
    trusted: bool = False


@dataclasses.dataclass(frozen=True)
class Frozen:
    """A frozen graph, and what the user should know of it.

    Attributes:
        graph: pruned to the outputs; older versions of TensorFlow read it, too.
        types: of each node's outputs.
        variables: names of the constants that were variables.
        remarks: sentences on what was decided, what went, and what stayed that is of training.
    """

    graph: FrozenGraph
    types: dict[str, list[TensorType]]
    variables: list[str]
    remarks: list[str]


def freeze(path: Path, request: Request) -> Frozen:
    """Return the frozen graph of a checkpoint, SavedModel, Keras file or frozen graph.

    Args:
        path: a directory, a ``checkpoint`` file, a prefix, a SavedModel, a ``.keras`` or ``.h5`` file, or a
            frozen ``.pb`` or ``.pbtxt``, which is cut and pruned.
        request: what to freeze.

    Raises:
        UsageError: files, graph and request do not fit each other; see ``docs/freeze.md``.
    """
    if path.suffix in MODELS:
        check_there(path)
    if path.suffix in KERAS and path.is_file():
        with exported(path) as directory:
            return _of_saved_model(directory, request, str(path))
    if is_saved_model(path):
        return _of_saved_model(path, request, str(path))
    if request.signature is not None:
        raise UsageError(f"--signature {request.signature} means nothing for {path}, which is no SavedModel")
    if path.suffix in (BINARY, TEXT) and path.is_file():
        return _of_frozen(path, request)
    prefix = find_checkpoint(path)
    if not request.outputs:
        raise UsageError(f"the outputs of checkpoint {prefix} are unknown; name them with --output NODE")
    return _of_checkpoint(Checkpoint(prefix), _graph_of(prefix, request.graph), request)


def _graph_of(prefix: Path, given: Path | None) -> GraphFile:
    beside = Path(f"{prefix}{META}")
    if given is None and not beside.is_file():
        raise UsageError(
            f"checkpoint {prefix} has no {beside.name} beside it, so its graph is unknown; give it with "
            "--graph (.meta, .pb or .pbtxt)"
        )
    return read_graph(given or beside)


def _of_frozen(path: Path, request: Request) -> Frozen:
    """Return a frozen graph, pruned, with its inputs as requested."""
    if request.graph is not None:
        raise UsageError(
            f"--graph {request.graph} means nothing for {path}, which is a graph itself; drop it"
        )
    whole = _frozen_already(path)
    check_order_and_constants(whole)
    whole = with_plain_nodes(whole)
    outputs = [_node_of(tensor) for tensor in request.outputs]
    if not outputs:
        fed = map(placeholder_name, request.inputs)
        outputs = last_floats(with_inputs(whole, request.inputs, request.fixed), fed)
    request = dataclasses.replace(request, outputs=outputs)
    graph, notes = _prepared(whole, request)
    variables = [node.name for node in graph.nodes.values() if node.op in VARIABLES]
    if variables:
        raise UsageError(
            f"{path} is not frozen: it has variables, such as {variables[0]!r}, without values; freeze it "
            f"with `mlu-conformance freeze --checkpoint DIR --graph {path}`"
        )
    return _finished(graph, request, _parameters(graph), notes)


def _frozen_already(path: Path) -> FrozenGraph:
    """Return the graph of a file, whose large constants are not read where it is a binary GraphDef."""
    if path.suffix == BINARY:
        with contextlib.suppress(DamagedGraph):
            mapped = read_mapped(path)
            if mapped.nodes:
                return mapped
    file = read_graph(path)
    arrays = {node.name: read_array(path, node) for node in file.graph_def.node if APART in node.attr}
    return FrozenGraph.of(file.graph_def, (), source=file.source, arrays=arrays)


def _parameters(graph: FrozenGraph) -> list[str]:
    """Return the constants that may have been variables: floats, more than one."""
    tensors = {node.name: node.attr["value"].tensor for node in graph.nodes.values() if node.op == "Const"}
    floating = {name for name, tensor in tensors.items() if tensorflow().as_dtype(tensor.dtype).is_floating}
    return [name for name, tensor in tensors.items() if name in floating and tensor.tensor_shape.dim]


def _of_saved_model(directory: Path, request: Request, source: str) -> Frozen:
    """Return the frozen graph of a SavedModel, which errors call ``source``."""
    if request.graph is not None:
        raise UsageError(
            f"--graph {request.graph} means nothing for SavedModel {source}, which holds its own"
        )
    meta = read_meta_graph(directory)
    outputs = [_node_of(tensor) for tensor in request.outputs] or float_outputs(
        meta, request.signature, source
    )
    request = dataclasses.replace(request, outputs=outputs)
    signature = signature_of(meta, outputs, request.signature, source)
    if is_of_tensorflow_2(meta):
        if not request.trusted:
            refuse_side_effects_of_loading(meta, source)
        graph, variables = frozen_function(directory, meta, outputs, signature, source)
        graph, notes = _prepared(graph, request)
        return _finished(graph, request, variables, notes)
    file = graph_of(meta, source)
    if file is None:
        raise UsageError(f"SavedModel {source} holds no nodes; export it again")
    tensors = output_tensors(meta, signature, outputs, source)
    checkpoint = Checkpoint(directory / INSIDE_SAVED_MODEL)
    return _of_checkpoint(checkpoint, file, dataclasses.replace(request, outputs=tensors))


def _of_checkpoint(checkpoint: Checkpoint, file: GraphFile, request: Request) -> Frozen:
    """Return the frozen graph of a TensorFlow 1 graph and a checkpoint."""
    whole = by_value(loose(file.graph_def, file.source))
    where = places(whole, file.restore, checkpoint)
    request = dataclasses.replace(request, outputs=[_node_of(tensor) for tensor in request.outputs])
    graph, notes = _prepared(whole, request)
    variables = [node.name for node in graph.nodes.values() if node.op in VARIABLES]
    graph = with_values(graph, checkpoint, where)
    notes += [f"{name}: {found}" for name, found in recognised_networks(checkpoint).items()]
    return _finished(graph, request, variables, notes)


def _node_of(tensor: str) -> str:
    """Return the node of an output, whose first tensor it must be."""
    if output_index(tensor):
        raise UsageError(
            f"--output {tensor}: only the first output of a node can be frozen; give NAME or NAME:0"
        )
    return producer(tensor)


def _prepared(graph: FrozenGraph, request: Request) -> tuple[FrozenGraph, list[str]]:
    """Return what the outputs need without what training alone needs, as far as that can be decided."""
    outputs = request.outputs
    training = pruned(with_inputs(graph, request.inputs, request.fixed), outputs, waiting=True)
    check_fixed(training, request.fixed)
    decided = without_dead_branches(training)
    for name in outputs:
        if name not in decided.graph.nodes:
            raise UsageError(f"output {name!r} of {graph.source} lies in a branch that is never taken")
    kept = pruned(without_waiting(decided.graph), outputs, waiting=True)  # what is left binds to a loop
    kept.replaced(kept.nodes.values(), outputs=outputs)  # demands that every operator is known
    kept, idle = without_idle_dropout(kept)
    kept = pruned(kept, outputs, waiting=True)
    check_order(decided.graph, kept)
    notes = [f"{tensor} is {value}: the other branch is gone" for tensor, value in decided.conditions.items()]
    notes += [f"dropout {name} keeps everything: it is gone" for name in idle]
    return kept, notes + updates_gone(training, kept)


def _finished(graph: FrozenGraph, request: Request, variables: Iterable[str], notes: list[str]) -> Frozen:
    """Return the graph once it is known to be whole, in the form that older versions read."""
    check_remains(graph)
    check_fed(graph, request.inputs)
    if not request.trusted:
        refuse_side_effects(graph)
    frozen = portable(graph.replaced(graph.nodes.values(), outputs=request.outputs))
    for node in frozen.nodes.values():
        for key in OF_TRAINING:
            node.attr.pop(key, None)
    names = [name for name in variables if name in frozen.nodes]
    return Frozen(frozen, inferred_types(frozen), names, notes + told_scales(frozen) + remarks(frozen))
