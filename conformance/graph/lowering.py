"""Functions that a graph calls, put in their callers' place: what loops and branches hold is seen then.

A network of TensorFlow 2 has its loops, branches and calls as nodes whose bodies lie in the graph's library.
TensorFlow's own rewriter makes of these what TensorFlow 1 has: nodes of the graph itself, loops of Enter,
Merge, Switch and NextIteration among them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.graph.editing import placeholder
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from conformance.graph.frozen import FrozenGraph, GraphDef, Node

BRANCHING = frozenset({"While", "StatelessWhile", "If", "StatelessIf", "Case", "StatelessCase"})
CALLS = BRANCHING | {"PartitionedCall", "StatefulPartitionedCall"}
LOWERED = "_lower_using_switch_merge"
"""The mark by which TensorFlow knows what to make loops and branches of its first version of."""


def without_functions(graph: FrozenGraph, outputs: Sequence[str]) -> FrozenGraph:
    """Return a graph in which every function stands in the place of the node that calls it.

    Args:
        graph: a whole graph; one without calls is returned as it is.
        outputs: nodes of it that must keep their names.

    Raises:
        UsageError: TensorFlow cannot do it.
    """
    called = CALLS | {function.signature.name for function in graph.library.function}
    if not any(node.op in called for node in graph.nodes.values()):
        return graph
    pruned = graph.prune(outputs)
    return _put_back(pruned, _optimised(pruned, outputs))


def _optimised(graph: FrozenGraph, outputs: Sequence[str]) -> GraphDef:
    """Return what TensorFlow's function optimiser makes of the graph, large constants as placeholders."""
    tf = tensorflow()
    from tensorflow.core.protobuf import config_pb2, meta_graph_pb2, rewriter_config_pb2
    from tensorflow.python.grappler import tf_optimizer

    options = config_pb2.ConfigProto()
    rewriting = options.graph_options.rewrite_options
    rewriting.min_graph_nodes = -1
    rewriting.meta_optimizer_iterations = rewriter_config_pb2.RewriterConfig.ONE
    rewriting.optimizers.append("function")
    try:
        with tf.Graph().as_default() as imported:
            tf.import_graph_def(_without_arrays(graph), name="")
            meta = tf.compat.v1.train.export_meta_graph(graph=imported)
        meta.collection_def["train_op"].CopyFrom(meta_graph_pb2.CollectionDef())
        meta.collection_def["train_op"].node_list.value.extend([*outputs, *graph.inputs])
        _mark(meta.graph_def.node)
        for function in meta.graph_def.library.function:
            _mark(function.node_def)
        made: GraphDef = tf_optimizer.OptimizeGraph(options, meta)
    except (ValueError, tf.errors.OpError) as error:
        line = str(error).partition("\n")[0]
        raise UsageError(f"TensorFlow cannot inline the functions of {graph.source}: {line}") from error
    return made


def _mark(nodes: Iterable[Node]) -> None:
    for node in nodes:
        if node.op in BRANCHING:
            node.attr[LOWERED].b = True


def _without_arrays(graph: FrozenGraph) -> GraphDef:
    graph_def = graph.structure()
    for node in graph_def.node:
        if node.name in graph.arrays:
            node.CopyFrom(placeholder(node.name, node.attr["dtype"].type, graph.arrays[node.name].shape))
    return graph_def


def _put_back(graph: FrozenGraph, made: GraphDef) -> FrozenGraph:
    """Return the rewritten graph with the constants and inputs of the one that it was made of."""
    nodes = [
        graph.nodes[node.name] if node.name in graph.arrays or node.name in graph.inputs else node
        for node in made.node
    ]
    return graph.replaced(nodes, library=made.library)
