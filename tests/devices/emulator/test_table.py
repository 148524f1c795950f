"""The table of operators and the emulator agree on what is modelled, in both directions."""

from typing import get_args

import numpy as np
import pytest
from support.emulation import frozen, placeholder, run

from conformance.devices.emulator.reductions import Reductions
from conformance.devices.emulator.rewrite import _Rewriter
from conformance.devices.emulator.switched_operators import SwitchedOperators
from conformance.graph.operators import OPERATORS, PRODUCT_SUMS, Emulation, known

X = np.random.default_rng(7).uniform(0.1, 1, (2, 4, 4, 3)).astype(np.float32)


def test_every_kind_of_emulation_has_a_rewriting():
    assert set(_Rewriter.of_emulation) == {*get_args(Emulation), None}


def test_every_running_sum_has_a_rewriting_and_the_other_way_round():
    assert set(Reductions.of_operator) == {
        op for op, entry in OPERATORS.items() if entry.emulation == "running sum"
    }


def test_an_operator_with_a_rewriting_of_its_own_is_modelled():
    """But for CropAndResize: a switch says what of its attributes counts, and nothing how it interpolates."""
    unmodelled = [op for op in SwitchedOperators.of_operator if known(op).emulation is None]
    assert unmodelled == ["CropAndResize"]


def reported(build, *names):
    """Return which of the nodes called after their operators the emulator reports as not modelled."""
    _, notes = run(frozen(build, *names), {"x": X}, "int8-fp32", request="ideal")
    return {note.rpartition(": ")[2] for note in notes}


def test_every_sum_of_products_is_modelled():
    def build(tf):
        x = placeholder(tf, shape=X.shape)
        ones = np.ones((2, 2, 3, 3), np.float32)
        raw, about = tf.raw_ops, {"strides": [1, 1, 1, 1], "padding": "SAME"}
        raw.Conv2D(input=x, filter=ones, name="Conv2D", **about)
        raw.DepthwiseConv2dNative(input=x, filter=ones, name="DepthwiseConv2dNative", **about)
        raw.Conv2DBackpropInput(
            input_sizes=X.shape, filter=ones, out_backprop=x, name="Conv2DBackpropInput", **about
        )
        raw.Conv3D(input=x[None], filter=ones[None], strides=[1] * 5, padding="SAME", name="Conv3D")
        raw.MatMul(a=x[0, 0], b=ones[0, 0], name="MatMul")
        raw.BatchMatMul(x=x, y=np.ones((2, 4, 3, 5), np.float32), name="BatchMatMul")
        raw.BatchMatMulV2(x=x, y=ones[0, 0], adj_y=True, name="BatchMatMulV2")

    assert reported(build, *PRODUCT_SUMS) == set()


@pytest.mark.parametrize(
    "op", sorted(op for op, entry in OPERATORS.items() if entry.margin_class == "activation")
)
def test_an_activation_is_reported_unless_it_is_modelled(op):
    def build(tf):
        x = placeholder(tf, shape=X.shape)
        inputs = {
            "Pow": {"x": x, "y": 1.5},
            **{key: {"logits": x} for key in ("Softmax", "LogSoftmax")},
            **{key: {"features": x} for key in ("Elu", "Selu", "Softplus", "Softsign")},
        }
        getattr(tf.raw_ops, op)(**inputs.get(op, {"x": x}), name=op)

    assert reported(build, op) == (set() if known(op).emulation else {op})
