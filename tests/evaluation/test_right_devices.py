"""Own results held to right devices, on the small network: faults far below what quantisation costs."""

import numpy as np
import pytest
from support.kept_network import WIDE
from support.right_device import right_device
from support.small_evaluation import evaluate, expectations

from conformance.devices.base import SessionBase
from conformance.devices.cpu import CpuDevice
from conformance.expected.right_devices import OTHER_WAY
from conformance.graph.operators import FIXED_POINT
from conformance.precision import PRECISIONS, parse_precision
from conformance.quantization.parameter_file import QuantizationScales

INT8_FP32 = parse_precision("int8-fp32")


class Wrapped:
    """A right device whose results at one node, or whose scales, are changed."""

    def __init__(self, change=None, scales=None, node=WIDE):
        self._inner, self._change, self._scales, self._node = right_device(), change, scales, node

    def info(self):
        return self._inner.info()

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        if self._scales:
            changed = self._scales(self._node, scales.scales)
            scales = QuantizationScales(scales.bits, {**scales.scales, **changed})
        session = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return WrappedSession(session, self._change, self._node) if self._change else session

    def close(self):
        self._inner.close()


class WrappedSession(SessionBase):
    def __init__(self, session, change, node):
        self._session, self._change, self._node = session, change, node

    @property
    def device_seconds(self):
        return self._session.device_seconds

    def run(self, feeds):
        results = dict(self._session.run(feeds))
        if self._node in results:
            results[self._node] = self._change(results[self._node].copy())
        return results

    def close(self):
        self._session.close()


def stored(value, like):
    """Return what a device of the float type of ``like`` would return."""
    halves = np.array_equal(like.astype(np.float16).astype(np.float32), like)
    return value.astype(np.float16).astype(np.float32) if halves else value.astype(np.float32)


def channel_stronger(value):
    changed = value.astype(np.float64)
    changed[..., 7] *= 1.01
    return stored(changed, value)


def sign_flipped(value):
    value[0, 3, 4, 5] = -value[0, 3, 4, 5]
    return value


def half_sums(value):
    return stored((value * 3).astype(np.float16).astype(np.float64) / 3, value)


FAULTS = {
    "scales 5 % too large": Wrapped(
        scales=lambda node, scales: {key: scales[key] * 1.05 for key in (f"{node}/input", f"{node}/filter")}
    ),
    "one channel 1 % too strong": Wrapped(channel_stronger),
    "a gain of 1e-3": Wrapped(lambda value: stored(value.astype(np.float64) * 1.001, value)),
    "one element off by 1 % of all": Wrapped(
        lambda value: stored(
            np.where(np.arange(value.size).reshape(value.shape) == 777, value + 0.01 * value.std(), value),
            value,
        )
    ),
    "a sign flipped": Wrapped(sign_flipped),
    "partial sums in half": Wrapped(half_sums),
    "an input scale 0.1 % off": Wrapped(
        scales=lambda node, scales: {f"{node}/input": float(np.float32(scales[f"{node}/input"] * 1.001))}
    ),
    "rows shifted": Wrapped(lambda value: np.roll(value, 1, axis=1)),
}


def outcomes(device, precision):
    return {node: item.outcome for node, item in evaluate(device).own(precision).items()}


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_a_fixed_point_node_is_caught_there_and_nowhere_else(fault, precision):
    found = outcomes(FAULTS[fault], precision)
    assert [node for node, outcome in found.items() if outcome != "conforms"] == [WIDE]


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
@pytest.mark.parametrize(
    "switches",
    [
        "",
        f",{OTHER_WAY}",
        ",fixed_point_rounding=half-up,fixed_point_scale=position-scale",
        ",convolution_sums=fp32,reduction_sum=fp32,arithmetic=float32",
    ],
)
def test_a_device_that_is_right_by_another_way_conforms_everywhere(switches, precision):
    assert set(outcomes(right_device(switches), precision).values()) == {"conforms"}


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_float32_deviates_at_every_fixed_point_node_and_the_sentence_says_why(precision):
    found = evaluate(CpuDevice()).own(precision)
    fixed = {node: item for node, item in found.items() if item.case.op in FIXED_POINT}
    assert len(fixed) == 4
    for item in fixed.values():
        assert item.outcome == "deviates"
        assert f"it is more exact than {precision} can be" in item.verdict.reasons[-1]
    if precision.floating == "fp32":
        others = {node: item.outcome for node, item in found.items() if node not in fixed}
        assert set(others.values()) == {"conforms"}


def test_a_record_says_how_far_from_a_right_device_and_what_the_precision_costs():
    verdict = evaluate(Wrapped(channel_stronger)).own(INT8_FP32)[WIDE].verdict
    assert verdict.conformity.channel == 7
    assert verdict.conformity.beyond > 0
    assert verdict.needed.max_abs / verdict.bounds.max_abs == pytest.approx(verdict.conformity.ratio)
    assert verdict.cost == expectations().attains(WIDE, INT8_FP32).errors
    assert verdict.metrics.mse == pytest.approx(verdict.cost.mse, rel=0.2)  # the golden hardly shows it


def test_the_same_bits_as_a_right_device_are_not_looked_into():
    verdict = evaluate(right_device()).own(INT8_FP32)[WIDE].verdict
    assert (verdict.conformity.worst, verdict.conformity.found) == (0.0, None)


def test_without_digests_the_same_is_worked_out():
    evaluation = evaluate(right_device())
    evaluation.expected.right._digests = {}
    found = evaluation.own(INT8_FP32)
    assert {item.outcome for item in found.values()} == {"conforms"}
    assert found[WIDE].verdict.conformity.found is not None


def test_what_other_numbers_a_repeated_run_gives_is_unstable():
    class Restless(Wrapped):
        runs = 0

        def __init__(self):
            super().__init__(self.sometimes)

        def sometimes(self, value):
            self.runs += 1
            return value * np.float32(1.5) if self.runs == 10 else value

    assert outcomes(Restless(), INT8_FP32)[WIDE] == "conforms"
    verdict = evaluate(Restless(), repeat=20).own(INT8_FP32)[WIDE].verdict
    assert verdict.outcome == "deviates"
    assert any("is unstable: run 10 of 20 gave other bits" in reason for reason in verdict.reasons)
    assert {item.outcome for item in evaluate(right_device(), repeat=3).own(INT8_FP32).values()} == {
        "conforms"
    }
