"""Graphs of one operator each, and on which of them the profile that a probe found explains a device."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance import cli, locations
from conformance.devices.emulator.profile import read_profile
from conformance.goldens import GoldenStore
from conformance.networks import Network
from conformance.precision import parse_precision
from conformance.probing.profile_file import emulated
from conformance.probing.verifying import explained

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.devices.base import Device
    from conformance.probing.result import Probe

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "tests")]

PRECISION = parse_precision("int16-fp32")
SHAPE = (1, 8, 8, 16)
PARTS = "no switch describes how a library approximates it"
ORDER = "lanes or blocks, which no switch has: see Sum and Mean above, bit for bit"
POOL = "its switch rests on that of Sum, which has none of the alternatives"
ZERO = "+0 where others give −0"
MISSING = "this device has none"


@dataclasses.dataclass(frozen=True)
class Operator:
    """One operator in a graph of its own.

    Attributes:
        name: of the row.
        build: returns its node, given TensorFlow and one or two placeholders.
        positive: whether it is fed with positive numbers alone.
        inputs: how many placeholders it has.
        why: what stands in the way where it is not explained.
    """

    name: str
    build: Callable[..., Any]
    positive: bool = False
    inputs: int = 1
    why: str = ""


OPERATORS = (
    Operator("Add", lambda tf, x, y: tf.raw_ops.Add(x=x, y=y, name="out"), inputs=2),
    Operator("Sub", lambda tf, x, y: tf.subtract(x, y, name="out"), inputs=2),
    Operator("Mul", lambda tf, x, y: tf.multiply(x, y, name="out"), inputs=2),
    Operator("RealDiv", lambda tf, x, y: tf.realdiv(x, y, name="out"), positive=True, inputs=2),
    Operator("RealDiv by a constant", lambda tf, x: tf.realdiv(x, tf.constant(3.7), name="out")),
    Operator("Maximum", lambda tf, x, y: tf.maximum(x, y, name="out"), inputs=2),
    Operator("Relu", lambda tf, x: tf.nn.relu(x, name="out")),
    Operator("Round", lambda tf, x: tf.round(x, name="out"), why=ZERO),
    Operator(
        "ResizeNearestNeighbor",
        lambda tf, x: tf.raw_ops.ResizeNearestNeighbor(images=x, size=[12, 20], name="out"),
    ),
    Operator(
        "ResizeBilinear",
        lambda tf, x: tf.raw_ops.ResizeBilinear(images=x, size=[12, 20], name="out"),
        why=MISSING,
    ),
    Operator("Sum", lambda tf, x: tf.reduce_sum(x, [1, 2], name="out"), why=ORDER),
    Operator("Mean", lambda tf, x: tf.reduce_mean(x, [1, 2], name="out"), why=ORDER),
    Operator("AvgPool", lambda tf, x: tf.nn.avg_pool2d(x, 8, 1, "VALID", name="out"), why=POOL),
    Operator(
        "Softmax",
        lambda tf, x: tf.nn.softmax(x, name="out"),
        why="its Exp, which no switch describes, and its sum",
    ),
    Operator("Tanh", lambda tf, x: tf.tanh(x, name="out"), why=PARTS),
    Operator("Exp", lambda tf, x: tf.exp(x, name="out"), why=PARTS),
    Operator("Rsqrt", lambda tf, x: tf.math.rsqrt(x, name="out"), positive=True, why=PARTS),
    Operator("Sqrt", lambda tf, x: tf.sqrt(x, name="out"), positive=True, why=PARTS),
)


def made(operator: Operator, directory: Path) -> GoldenStore:
    """Return the goldens of an operator's graph, made below a directory."""
    from support.toy_network import write_toy

    random, names = np.random.default_rng(5), ("X", "Y")[: operator.inputs]
    low = 0.05 if operator.positive else -4.0
    inputs = {name: [random.uniform(low, 4, SHAPE).astype(np.float32)] for name in names}

    def build(tf: Any) -> None:
        operator.build(tf, *(tf.compat.v1.placeholder(tf.float32, SHAPE, name=name) for name in names))

    network = write_toy(directory / "network", build, inputs, high=100.0)
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = cli.main(["golden", "--golden-dir", str(directory / "goldens"), str(network)])
    if code:
        raise SystemExit(f"goldens of {operator.name}: {said.getvalue()}")
    return GoldenStore(Network(network), directory / "goldens")


def shares(device: Device, probe: Probe, stores: Sequence[GoldenStore]) -> list[float]:
    """Return for each graph which part of a device's results the profile found gives bit for bit."""
    profile = emulated(probe, read_profile("mlu270", locations.DEVICES))
    found = [explained(device, profile, store, [PRECISION]) for store in stores]
    return [item.bits[str(PRECISION)] for item in found]


def operator_table(heads: Sequence[str], columns: Sequence[Sequence[float]]) -> list[str]:
    """Return the table: a row per operator, a column per device."""
    rows = [_row(operator, [column[place] for column in columns]) for place, operator in enumerate(OPERATORS)]
    counted = [f"{sum(share == 1 for share in column)} of {len(column)}" for column in columns]
    return [
        f"| operator | {' | '.join(heads)} | what stands in the way |",
        f"| --- |{' --- |' * (len(heads) + 1)}",
        *rows,
        f"| explained | {' | '.join(counted)} | |",
    ]


def _row(operator: Operator, found: Sequence[float]) -> str:
    cells = ["all" if share == 1 else "none" if share == 0 else f"{100 * share:.1f} %" for share in found]
    why = operator.why if any(share < 1 for share in found) else ""
    return f"| {operator.name} | {' | '.join(cells)} | {why} |"
