"""Operators that reach outside of the graph: into files, the network, Python, or the process itself.

A graph is a program. What it holds runs with the rights of whoever judges it, so a graph with such operators
is refused unless the user trusts it. Of those that TensorFlow calls stateful, all are refused but those that
are known to keep to themselves; of the others, those that are known not to.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.graph.functions import with_called
from conformance.graph.lazy_tensorflow import op_definition

if TYPE_CHECKING:
    from collections.abc import Iterable

    from conformance.graph.frozen import FrozenGraph, Node

REACHES_OUT = re.compile(
    r"""
    Abort
    | .*PyFunc.*
    | (?!Sharded).*File.*  # a sharded name is a text
    | .*Reader.* | .*Dataset.* | .*Iterator.*
    | (Distributed)?Save.* | (DTensor)?Restore.* | MergeV2Checkpoints
    | LoadAndRemapMatrix | GenerateVocabRemapping
    | ImmutableConst       # maps a file into memory
    | (De|En)codeProto.*   # may read a file of descriptors
    | Debug.* | DumpTensor # write to URLs
    | Remote.* | Rpc.*
    """,
    re.VERBOSE,
)
"""Operators that do, whether TensorFlow calls them stateful or not."""

KEEPS_TO_ITSELF = re.compile(
    r"""
    Assert | CheckNumerics(V2)? | Print | GuaranteeConst | Empty | DeepCopy | DeviceIndex
    | _?(Case|If|While) | RiscWhile | StatefulPartitionedCall
    | .*Random.* | Multinomial | (Parameterized)?TruncatedNormal | NonDeterministicInts | Rng.*
    | Stateful(Standard|Truncated)?(Normal|Uniform).* | SampleDistortedBoundingBox.*
    | (?!Fixed).*CandidateSampler # the fixed one reads a file
    | TensorArray.* | Stack(V2|Push.*|Pop.*|Close.*)?
    | .*HashTable.* | LookupTable.* | InitializeTableV2
    | .*Variable.* | Var(Handle|IsInitialized)Op | Resource(Gather|Scatter|Apply|SparseApply|Strided).*
    | CudnnRNN.* | DestroyResourceOp
    """,
    re.VERBOSE,
)
"""Stateful operators that touch nothing outside of the graph, and wait for nothing."""
SHOWN = frozenset({"stdout", "stderr", "log(info)", "log(warning)", "log(error)"})
"""Where PrintV2 may print; anything else is a file."""
NAMED = 3
"""How many nodes a sentence names."""


def refuse_side_effects(graph: FrozenGraph) -> None:
    """Refuse a graph in which a node, or one of a function that is called, reaches outside of it.

    Raises:
        UsageError: one does; names nodes and operators.
    """
    refuse_among(with_called(graph, graph.nodes.values()), graph.source)


def refuse_among(nodes: Iterable[Node], source: str) -> None:
    """Refuse nodes that reach outside of the graph; see :func:`refuse_side_effects`."""
    found = [f"{node.name!r} ({node.op})" for node in nodes if reaches_out(node)]
    if found:
        more = f" and {len(found) - NAMED} more" if found[NAMED:] else ""
        raise UsageError(
            f"{source} is a program that reaches outside of its graph, into files, the network, Python or "
            f"the process itself: node {', '.join(found[:NAMED])}{more}; nothing of it was run; cut "
            "that off, or give --trust-graph if you trust whoever made it"
        )


def reaches_out(node: Node) -> bool:
    """Whether a node's operator touches anything outside of the graph, as far as is known."""
    if node.op == "PrintV2":
        return node.attr["output_stream"].s.decode(errors="replace") not in SHOWN
    definition = op_definition(node.op)
    stateful = definition is not None and definition.is_stateful
    return bool(REACHES_OUT.fullmatch(node.op) or (stateful and not KEEPS_TO_ITSELF.fullmatch(node.op)))
