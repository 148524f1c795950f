"""Build ``fixtures/networks/beautygan/graph.pb``: the frozen BeautyGAN generator.

It is pruned to its output ``generator/xs`` and written node by node as plain protocol buffers, in the order
in which TensorFlow 1 created the published graph, so that names, order and operator types (``Add``, not
``AddV2``) are those of a frozen TensorFlow 1 model. Frozen variables are ``Const`` nodes of the right shape
without content, which TensorFlow reads as zeros: the file is structure only, and the recipes of
``network.toml`` fill the weights in.

Run ``python tools/build_beautygan.py``; two runs write the same bytes.

Source: names and shapes are those of the published checkpoint of BeautyGAN (Li et al., ACM Multimedia 2018;
TensorFlow 1 model by Honlan), kept in ``published.json``. Strides, resize sizes, epsilon and the concat axis
are recorded by neither names nor shapes; they are inferred.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from graph_writer import GraphDef, GraphWriter, serialize

from conformance.errors import ConformanceError, InfrastructureError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NETWORK = Path(__file__).resolve().parents[1] / "fixtures/networks/beautygan"
IMAGE = (-1, 256, 256, 3)
EPSILON = 1e-6  # of tf.contrib.layers.instance_norm
RESIDUAL_BLOCKS = 6


def convolution(g: GraphWriter, x: str, kernel: tuple[int, int, int], stride: int = 1) -> str:
    """``tf.layers.conv2d`` without bias, SAME padding; ``kernel`` is size, channels in, channels out."""
    scope = g.unique("conv2d")
    size, channels_in, channels_out = kernel
    weights = g.variable(f"{scope}/kernel", [size, size, channels_in, channels_out])
    strides = [1, stride, stride, 1]
    return g.float_node(f"{scope}/Conv2D", "Conv2D", [x, weights], strides=strides, padding="SAME")


def instance_norm(g: GraphWriter, x: str, channels: int) -> str:
    """``tf.contrib.layers.instance_norm`` of TensorFlow 1: moments over H and W, then batch_normalization."""
    scope = g.unique("InstanceNorm")
    beta = g.variable(f"{scope}/beta", [channels])
    gamma = g.variable(f"{scope}/gamma", [channels])
    mean = _mean(g, x, f"{scope}/moments/mean")
    fixed = g.float_node(f"{scope}/moments/StopGradient", "StopGradient", [mean])
    squares = g.float_node(f"{scope}/moments/SquaredDifference", "SquaredDifference", [x, fixed])
    variance = _mean(g, squares, f"{scope}/moments/variance")
    return _normalize(g, f"{scope}/instancenorm", x, (mean, variance), (beta, gamma))


def _mean(g: GraphWriter, x: str, name: str) -> str:
    axes = g.constant(f"{name}/reduction_indices", [1, 2])
    return g.float_node(name, "Mean", [x, axes], keep_dims=True)


def _normalize(g: GraphWriter, scope: str, x: str, moments: tuple[str, str], affine: tuple[str, str]) -> str:
    """``tf.nn.batch_normalization``: moments are mean and variance, affine are beta and gamma."""
    (mean, variance), (beta, gamma) = moments, affine
    epsilon = g.constant(f"{scope}/add/y", EPSILON)
    steadied = g.float_node(f"{scope}/add", "Add", [variance, epsilon])
    inverse = g.float_node(f"{scope}/Rsqrt", "Rsqrt", [steadied])
    scale = g.float_node(f"{scope}/mul", "Mul", [inverse, gamma])
    scaled = g.float_node(f"{scope}/mul_1", "Mul", [x, scale])
    mean_scaled = g.float_node(f"{scope}/mul_2", "Mul", [mean, scale])
    shift = g.float_node(f"{scope}/sub", "Sub", [beta, mean_scaled])
    return g.float_node(f"{scope}/add_1", "Add", [scaled, shift])


def module(g: GraphWriter, x: str, kernel: tuple[int, int, int], stride: int = 1) -> str:
    """Convolution, InstanceNorm, Relu."""
    x = instance_norm(g, convolution(g, x, kernel, stride), kernel[2])
    return g.float_node(g.unique("Relu"), "Relu", [x])


def encoder(g: GraphWriter, image: str) -> str:
    """256 by 256 by 3 to 64 by 64 by 128."""
    x = module(g, image, (7, 3, 32))
    x = module(g, x, (3, 32, 64), stride=2)
    return module(g, x, (3, 64, 128), stride=2)


def residual_block(g: GraphWriter, x: str) -> str:
    """Two convolutions of 256 channels around a shortcut; no Relu after the sum."""
    inside = module(g, x, (3, 256, 256))
    inside = instance_norm(g, convolution(g, inside, (3, 256, 256)), 256)
    return g.float_node(g.unique("add"), "Add", [inside, x])


def upsample(g: GraphWriter, x: str, size: int) -> str:
    """Nearest neighbour to ``size`` by ``size``, ``align_corners`` false."""
    name = g.unique("ResizeNearestNeighbor")
    return g.float_node(name, "ResizeNearestNeighbor", [x, g.constant(f"{name}/size", [size, size])])


def build() -> GraphDef:
    """Return the frozen generator: inputs ``X`` and ``Y``, output ``generator/xs``."""
    g = GraphWriter("generator/")
    bare, style = g.placeholder("X", IMAGE), g.placeholder("Y", IMAGE)
    encoded = [encoder(g, bare), encoder(g, style)]
    name = g.unique("concat")
    axis = g.constant(f"{name}/axis", 3)
    x = g.float_node(name, "ConcatV2", [*encoded, axis], N=len(encoded))
    for _ in range(RESIDUAL_BLOCKS):
        x = residual_block(g, x)
    x = module(g, upsample(g, x, 128), (3, 256, 64))
    x = module(g, upsample(g, x, 256), (3, 64, 32))
    g.float_node("generator/xs", "Tanh", [convolution(g, x, (7, 32, 3))])
    return g.graph


def differences(graph: GraphDef, published: Mapping[str, Any]) -> list[str]:
    """Return one sentence for each way in which ``graph`` is not the published one; none when it is.

    Compared are the names and their order, and the shape of each variable (a Const read by an Identity).
    """
    names = [node.name for node in graph.node]
    wrong = [
        f"node {index} is {name!r}, but should be {wanted!r}"
        for index, (name, wanted) in enumerate(zip(names, published["nodes"], strict=False))
        if name != wanted
    ]
    if len(names) != len(published["nodes"]):
        wrong.append(f"{len(names)} nodes, but should be {len(published['nodes'])}")
    shapes = variable_shapes(graph)
    for name in sorted(shapes.keys() | published["variables"].keys()):
        shape, wanted = shapes.get(name), published["variables"].get(name)
        if shape != wanted:
            wrong.append(f"variable {name!r} has shape {shape}, but should have {wanted}")
    return wrong


def variable_shapes(graph: GraphDef) -> dict[str, list[int]]:
    """Return the shape of every frozen variable: a Const that an Identity named ``…/read`` reads."""
    nodes = {node.name: node for node in graph.node}
    read = [node.input[0] for node in graph.node if node.op == "Identity" and node.name.endswith("/read")]
    return {
        name: [dim.size for dim in nodes[name].attr["value"].tensor.tensor_shape.dim]
        for name in read
        if name in nodes
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, compare with the published names and shapes, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=NETWORK / "graph.pb", help="where the graph goes")
    options = parser.parse_args(arguments)
    graph = build()
    wrong = differences(graph, json.loads((NETWORK / "published.json").read_text(encoding="utf-8")))
    if wrong:
        raise InfrastructureError(f"{options.output} is not written: {wrong[0]} ({len(wrong)} differences)")
    data = serialize(graph)
    write_atomically(options.output, lambda file: file.write(data))
    print(f"{options.output}: {len(graph.node)} nodes, {len(data)} bytes")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"build_beautygan: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
