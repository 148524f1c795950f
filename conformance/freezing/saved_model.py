"""SavedModels: those of TensorFlow 1 hold a graph and a checkpoint, those of TensorFlow 2 functions."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError, near_names
from conformance.files import read_bytes
from conformance.freezing.finding import SAVED_MODELS
from conformance.freezing.function_variables import without_variables
from conformance.graph.editing import copied
from conformance.graph.frozen import producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.side_effects import refuse_among

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from conformance.graph.frozen import FrozenGraph, Node

SERVE = "serve"
DEFAULT = "serving_default"
INITIALISATION = "__saved_model_init_op"
"""A signature that restores state and computes nothing."""
OF_CHECKPOINTS = re.compile(r"__inference__traced_(save|restore)_\d+")
"""Functions that save and restore variables."""


def read_meta_graph(directory: Path) -> Any:
    """Return the graph of a SavedModel that is meant for serving, or its only one.

    Raises:
        UsageError: the file is damaged, or several graphs are there and none is for serving.
    """
    path = next(directory / name for name in SAVED_MODELS if (directory / name).is_file())
    data = read_bytes(path, "SavedModel")
    tensorflow()
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        model = SavedModel.FromString(data) if path.suffix == ".pb" else text_format.Parse(data, SavedModel())
    except (DecodeError, text_format.ParseError, UnicodeDecodeError) as error:
        raise UsageError(f"SavedModel {path} is damaged; export it again") from error
    graphs = list(model.meta_graphs)
    serving = [graph for graph in graphs if SERVE in graph.meta_info_def.tags] or graphs
    if len(serving) != 1:
        raise UsageError(
            f"SavedModel {path} holds {len(serving)} graphs to choose from; export one with tag {SERVE!r}"
        )
    return serving[0]


def is_of_tensorflow_2(meta_graph: Any) -> bool:
    """Return whether a SavedModel holds functions and an object graph, not a graph and a checkpoint."""
    return bool(meta_graph.HasField("object_graph_def"))


def signature_of(meta_graph: Any, outputs: Sequence[str], name: str | None, source: str) -> str | None:
    """Return the signature that has all ``outputs`` by its own names, or None where none has.

    Args:
        meta_graph: of the SavedModel.
        outputs: names of a signature's outputs, or of nodes.
        name: the signature that the user wants, or None.
        source: the SavedModel, for errors.

    Raises:
        UsageError: there is no such signature, or several have these outputs and none is the default.
    """
    known = _signatures(meta_graph)
    if name is not None:
        if name not in known:
            raise UsageError(f"--signature {name} is not in {source}{near_names(name, known)}")
        return name
    fitting = [key for key in known if set(outputs) <= set(meta_graph.signature_def[key].outputs)]
    if len(fitting) > 1 and DEFAULT not in fitting:
        raise UsageError(
            f"{', '.join(outputs)} are outputs of signatures {', '.join(sorted(fitting))} in {source}; "
            "choose one with --signature"
        )
    return DEFAULT if DEFAULT in fitting else next(iter(fitting), None)


def float_outputs(meta_graph: Any, name: str | None, source: str) -> list[str]:
    """Return the names of the float outputs of a signature: the one that is named, the default, or the only.

    Raises:
        UsageError: there are several signatures to choose from, or it has no such output.
    """
    known = _signatures(meta_graph)
    chosen = name or (DEFAULT if DEFAULT in known else known[0] if len(known) == 1 else None)
    if chosen is None:
        raise UsageError(
            f"SavedModel {source} has signatures {', '.join(known) or 'of no name'}; choose one with "
            "--signature, or name the outputs with --output"
        )
    if chosen not in known:
        raise UsageError(f"--signature {chosen} is not in {source}{near_names(chosen, known)}")
    outputs = meta_graph.signature_def[chosen].outputs
    floating = [key for key in sorted(outputs) if tensorflow().as_dtype(outputs[key].dtype).is_floating]
    if not floating:
        names = ", ".join(sorted(outputs)) or "none"
        raise UsageError(
            f"signature {chosen} of {source} has no float output, but {names}; name a float with --output"
        )
    return floating


def _outputs_in_words(meta_graph: Any) -> str:
    """Return ', which has the outputs …', by signature."""
    listed = [
        f"{', '.join(sorted(meta_graph.signature_def[key].outputs)) or 'none'} (signature {key})"
        for key in _signatures(meta_graph)
    ]
    return f"its outputs are {'; '.join(listed)}" if listed else "it has no signature"


def _signatures(meta_graph: Any) -> list[str]:
    return sorted(key for key in meta_graph.signature_def if key != INITIALISATION)


def output_tensors(meta_graph: Any, signature: str | None, outputs: Sequence[str], source: str) -> list[str]:
    """Return the tensors of a TensorFlow 1 graph that are meant: a signature's outputs by name, or nodes.

    Raises:
        UsageError: one is neither.
    """
    declared = meta_graph.signature_def[signature].outputs if signature else {}
    tensors = {name: declared[name].name if name in declared else name for name in outputs}
    _check_outputs(tensors, {node.name for node in meta_graph.graph_def.node}, meta_graph, source)
    return list(tensors.values())


def _check_outputs(tensors: Mapping[str, str], nodes: Container[str], meta_graph: Any, source: str) -> None:
    """Demand that the tensors of all outputs are of nodes that exist."""
    for name, tensor in tensors.items():
        if producer(tensor) not in nodes:
            declared = {key for entry in meta_graph.signature_def.values() for key in entry.outputs}
            near = near_names(name, sorted(declared | {node.name for node in meta_graph.graph_def.node}))
            raise UsageError(
                f"{name!r} is neither a node nor an output of {source}{near}; {_outputs_in_words(meta_graph)}"
            )


def refuse_side_effects_of_loading(meta_graph: Any, source: str) -> None:
    """Refuse a SavedModel of TensorFlow 2 whose functions reach outside of the graph: loading it runs some.

    Those that save and restore its variables, of which every such model has two, are left alone.

    Raises:
        UsageError: one does.
    """
    functions = meta_graph.graph_def.library.function
    others = [item for item in functions if not OF_CHECKPOINTS.fullmatch(item.signature.name)]
    refuse_among((node for function in others for node in function.node_def), source)


def frozen_function(
    directory: Path, meta_graph: Any, outputs: Sequence[str], signature: str | None, source: str
) -> tuple[FrozenGraph, list[str]]:
    """Return the graph of a TensorFlow 2 signature with its variables as constants, and the names of these.

    Calls are inlined, so ``outputs`` may be the signature's own names or nodes of any function in it.

    Raises:
        UsageError: TensorFlow cannot load the model, or it has no such signature.
    """
    chosen = signature or DEFAULT
    known = _signatures(meta_graph)
    if chosen not in known:
        raise UsageError(
            f"no signature of {source} has the outputs {', '.join(outputs)}, and none is the default; "
            f"{_outputs_in_words(meta_graph)}; choose one with --signature"
        )
    with _refusals(source):
        model = tensorflow().saved_model.load(str(directory))  # variables live as long as the model does
        function = model.signatures[chosen]
        graph, results = without_variables(function, source)
    declared = dict(zip(sorted(function.structured_outputs), results, strict=True))
    renamed = {declared[name]: name for name in outputs if name in declared}
    variables = _variable_names(function, {*graph.nodes, *renamed.values()})
    graph = _renamed(graph, {**renamed, **variables})
    _check_outputs({name: name for name in outputs}, graph.nodes, meta_graph, source)
    return graph, list(variables.values())


@contextlib.contextmanager
def _refusals(source: str) -> Iterator[None]:
    """Say in one sentence what TensorFlow finds wrong with a model."""
    tf = tensorflow()
    try:
        yield
    except (OSError, ValueError, RuntimeError, AssertionError, KeyError, tf.errors.OpError) as error:
        first = next(iter(str(error).splitlines()), "")
        raise UsageError(f"TensorFlow cannot load SavedModel {source}: {first}") from error


def _variable_names(function: Any, taken: set[str]) -> dict[str, str]:
    """Return, by the name that a variable has inside a function, its own where no other node has that."""
    handles = {id(variable.handle): variable.name for variable in function.graph.variables}
    names = {}
    for outside, inside in function.graph.captures:
        own = producer(handles.get(id(outside), inside.name))
        names[inside.op.name] = inside.op.name if own in taken else own
        taken = taken | {own}
    return names


def _renamed(graph: FrozenGraph, names: dict[str, str]) -> FrozenGraph:
    """Return the graph with other names for some nodes; a node that is called so already makes way."""
    in_the_way = {name: f"{name}/inside" for name in names.values() if name in graph.nodes}
    renamed = {**in_the_way, **names}

    def rewired(node: Node) -> Node:
        inputs = [_with_producer(tensor, renamed) for tensor in node.input]
        return copied(node, name=renamed.get(node.name, node.name), inputs=inputs)

    arrays = {renamed.get(name, name): array for name, array in graph.arrays.items()}
    return graph.replaced([rewired(node) for node in graph.nodes.values()], arrays=arrays)


def _with_producer(tensor: str, renamed: dict[str, str]) -> str:
    name = producer(tensor)
    return tensor.replace(name, renamed[name], 1) if name in renamed else tensor
