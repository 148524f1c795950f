"""Build ``fixtures/networks/mobilenet``: graph, weights and samples of the classifier of drawn shapes.

The frozen graph is written node by node, as TensorFlow 1 names and stores it: a convolution or depthwise
convolution, BiasAdd and Relu6 per layer, then AvgPool, MatMul, BiasAdd and Softmax. ``weights.npz`` has the
filters and biases into which the batch norms of ``trained.npz`` are folded. The samples are pictures that no
training saw, and the numbers of their classes.

Run ``python tools/build_mobilenet.py``; two runs write the same bytes. ``trained.npz`` comes from
``tools/train_mobilenet.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from graph_writer import GraphDef, GraphWriter, serialize
from mobilenet.folding import folded
from mobilenet.layers import CLASSES, FEATURES, LOGITS, SIZE, Layer, layers, trained_shapes
from mobilenet.samples import held_out

from conformance.errors import ConformanceError, UsageError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Array = np.ndarray[Any, Any]

NETWORK = Path(__file__).resolve().parents[1] / "fixtures/networks/mobilenet"
TRAINED = NETWORK / "trained.npz"
SAMPLES = (2, 3)
"""Numbers of the held-out pictures that are the samples: 0 judges a training, 1 is on its sheet."""
PICTURES = 40
"""Of each sample: four of every class."""
SHRUNK = 2 ** sum(layer.stride == 2 for layer in layers())


def convolution(g: GraphWriter, x: str, layer: Layer) -> str:
    """Convolution, BiasAdd and Relu6 of one layer; the batch norm is folded into filter and bias."""
    op, name = ("DepthwiseConv2dNative", "depthwise") if layer.depthwise else ("Conv2D", "Conv2D")
    strides = [1, layer.stride, layer.stride, 1]
    kernel = g.variable(layer.kernel, layer.shape)
    x = g.float_node(f"{layer.name}/{name}", op, [x, kernel], strides=strides, padding="SAME")
    bias = g.variable(f"{layer.name}/biases", [layer.channels_out])
    x = g.float_node(f"{layer.name}/BiasAdd", "BiasAdd", [x, bias])
    return g.float_node(f"{layer.name}/Relu6", "Relu6", [x])


def classifier(g: GraphWriter, x: str) -> str:
    """Global average, fully connected layer, Softmax."""
    window = [1, SIZE // SHRUNK, SIZE // SHRUNK, 1]
    x = g.float_node(f"{LOGITS}/AvgPool", "AvgPool", [x], ksize=window, strides=[1, 1, 1, 1], padding="VALID")
    shape = g.constant(f"{LOGITS}/Reshape/shape", [-1, FEATURES])
    x = g.float_node(f"{LOGITS}/Reshape", "Reshape", [x, shape])
    weights = g.variable(f"{LOGITS}/weights", [FEATURES, CLASSES])
    x = g.float_node(f"{LOGITS}/MatMul", "MatMul", [x, weights])
    bias = g.variable(f"{LOGITS}/biases", [CLASSES])
    x = g.float_node(f"{LOGITS}/BiasAdd", "BiasAdd", [x, bias])
    return g.float_node("MobilenetV1/Predictions/Softmax", "Softmax", [x])


def build() -> GraphDef:
    """Return the frozen classifier: input ``input``, output ``MobilenetV1/Predictions/Softmax``."""
    g = GraphWriter()
    x = g.placeholder("input", [-1, SIZE, SIZE, 3])
    for layer in layers():
        x = convolution(g, x, layer)
    classifier(g, x)
    return g.graph


def trained_variables(path: Path) -> dict[str, Array]:
    """Read what a training wrote.

    Raises:
        UsageError: the file is missing, or not one of this network.
    """
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            values = {name: archive[name] for name in trained_shapes()}
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"trained variables {path} cannot be read ({error}); write them with train_mobilenet.py"
        ) from error
    for name, shape in trained_shapes().items():
        if list(values[name].shape) != shape or not np.isfinite(values[name]).all():
            raise UsageError(
                f"variable {name!r} of {path} has shape {values[name].shape}, but should have {shape} and be "
                "finite"
            )
    return values


def write_samples(folder: Path) -> None:
    """Write pictures and classes of every sample."""
    for index, number in enumerate(SAMPLES, 1):
        batch = held_out(PICTURES, number)
        for name, array in (("pictures", batch.pictures), ("truth", batch.classes.astype(np.uint8))):
            write_atomically(folder / f"{name}-{index}.npy", lambda file, value=array: np.save(file, value))


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, fold, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=NETWORK, help="the folder that gets everything")
    parser.add_argument("--trained", type=Path, default=TRAINED, help="what tools/train_mobilenet.py wrote")
    options = parser.parse_args(arguments)
    weights = folded(trained_variables(options.trained))
    graph = build()
    data = serialize(graph)
    write_atomically(options.output / "graph.pb", lambda file: file.write(data))
    write_atomically(options.output / "weights.npz", lambda file: np.savez(file, **weights))
    write_samples(options.output / "inputs")
    parameters = sum(value.size for value in weights.values())
    print(f"{options.output}: {len(graph.node)} nodes, {parameters} parameters, {len(SAMPLES)} samples")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"build_mobilenet: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
