"""Build ``fixtures/networks/lstm``: the frozen LSTM that adds, its loop unrolled, its inputs and the truth.

The graph is written node by node as a TensorFlow 1 program with ``tf.unstack`` and one cell per step would
create it. Frozen variables have no content: ``weights.npz``, which ``tools/train_lstm.py`` makes, fills them.
Names carry the step: ``lstm/step_007/c`` is the cell state after the eighth step, ``…/h`` the hidden state,
``…/answer`` the sum so far, ``…/gates/MatMul`` the product in fixed point.

Run ``python tools/build_lstm.py``; two runs write the same bytes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from graph_writer import GraphDef, GraphWriter, serialize
from lstm.adding import drawn
from lstm.network import BATCH, FEATURES, SHAPES, STEPS, UNITS

from conformance.errors import ConformanceError
from conformance.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NETWORK = Path(__file__).resolve().parents[1] / "fixtures/networks/lstm"
SAMPLE_SEEDS = (2_000_000_011, 2_000_000_033)
"""What the samples are drawn from; neither training nor the judging of the weights uses them."""


def build() -> GraphDef:
    """Return the frozen network: input ``x``, outputs ``answer`` and ``answers``, one for each step."""
    g = GraphWriter()
    x = g.placeholder("x", (BATCH, STEPS, FEATURES))
    variables = {name: g.variable(name, shape) for name, shape in SHAPES.items()}
    c = h = g.zeros("lstm/zeros", (BATCH, UNITS))
    axis = g.constant("lstm/axis", 1)
    unstacked = g.float_node("lstm/unstack", "Unpack", [x], num=STEPS, axis=1)
    answers = []
    for step in range(STEPS):
        now = f"{unstacked}:{step}" if step else unstacked
        c, h = cell(g, f"lstm/step_{step:03}", now, (c, h), axis, variables)
        answers.append(head(g, f"lstm/step_{step:03}/answer", h, variables))
    g.float_node("answers", "ConcatV2", [*answers, g.constant("answers/axis", 1)], N=STEPS)
    g.float_node("answer", "Identity", [answers[-1]])
    return g.graph


def cell(
    g: GraphWriter, scope: str, now: str, state: tuple[str, str], axis: str, variables: dict[str, str]
) -> tuple[str, str]:
    """Append one step; state and result are the cell state c and the hidden state h."""
    c, h = state
    joined = g.float_node(f"{scope}/gates/concat", "ConcatV2", [now, h, axis], N=2)
    product = g.float_node(f"{scope}/gates/MatMul", "MatMul", [joined, variables["lstm/kernel"]])
    gates = g.float_node(f"{scope}/gates/BiasAdd", "BiasAdd", [product, variables["lstm/bias"]])
    split = g.float_node(f"{scope}/gates/split", "Split", [axis, gates], num_split=4)
    take_in = g.float_node(f"{scope}/input_gate", "Sigmoid", [split])
    candidate = g.float_node(f"{scope}/candidate", "Tanh", [f"{split}:1"])
    keep = g.float_node(f"{scope}/forget_gate", "Sigmoid", [f"{split}:2"])
    hand_out = g.float_node(f"{scope}/output_gate", "Sigmoid", [f"{split}:3"])
    kept = g.float_node(f"{scope}/kept", "Mul", [c, keep])
    added = g.float_node(f"{scope}/added", "Mul", [take_in, candidate])
    c = g.float_node(f"{scope}/c", "Add", [kept, added])
    squashed = g.float_node(f"{scope}/c_tanh", "Tanh", [c])
    return c, g.float_node(f"{scope}/h", "Mul", [squashed, hand_out])


def head(g: GraphWriter, scope: str, h: str, variables: dict[str, str]) -> str:
    """Append what reads the answer off a hidden state."""
    product = g.float_node(f"{scope}/MatMul", "MatMul", [h, variables["answer/kernel"]])
    return g.float_node(scope, "BiasAdd", [product, variables["answer/bias"]])


def files() -> Iterator[tuple[str, np.ndarray]]:
    """Yield name and content of every input and of the truth beside it."""
    for sample, seed in enumerate(SAMPLE_SEEDS, start=1):
        sequences = drawn(seed, BATCH, STEPS)
        yield f"inputs/sequences-{sample}.npy", sequences.x
        yield f"inputs/truth-{sample}.npy", sequences.answers


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=NETWORK, help="directory of the network")
    options = parser.parse_args(arguments)
    graph = build()
    data = serialize(graph)
    write_atomically(options.output / "graph.pb", lambda file: file.write(data))
    print(f"{options.output / 'graph.pb'}: {len(graph.node)} nodes, {len(data)} bytes")
    for name, array in files():
        stored = np.ascontiguousarray(array, "<f4")
        write_atomically(options.output / name, lambda file, stored=stored: np.save(file, stored))
        print(f"{options.output / name}: {stored.shape}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"build_lstm: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
