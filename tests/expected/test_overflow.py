"""Overflow is a finding: what even an ideal half device cannot hold is masked, counted and told."""

import dataclasses
import functools

import numpy as np
import pytest
from diagnosis.diagnosing import diagnosed, report
from diagnosis.planted_network import margins
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import placeholder
from support.suite_run import run_suite
from support.toy_network import prepared, write_toy

from conformance import cli
from conformance.devices.base import DeviceRequest
from conformance.devices.registry import open_device
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.attainable import read_attainable
from conformance.expected.expectations import Expectations
from conformance.expected.overflow import differing, may_overflow, percent, told
from conformance.precision import PRECISIONS, parse_precision

SHAPE = (1, 4, 5, 2)
LARGE = 7
"""Elements of the input whose squares are beyond the halves: 7 of 40."""
KEY = ("squares", "root", "bounded", "out")


def normed(tf):
    """Squares, their root, and what forgets how large they are."""
    x = placeholder(tf, "x", SHAPE)
    squares = tf.multiply(tf.square(x, name="plain"), 2.0, name="squares")
    root = tf.multiply(tf.sqrt(squares), 0.25, name="root")
    bounded = tf.minimum(squares, 9.0, name="bounded")
    tf.add(tf.tanh(bounded), tf.minimum(root, 3.0), name="out")


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    x = np.random.default_rng(3).uniform(1, 60, SHAPE).astype(np.float32)
    x.reshape(-1)[:LARGE] = 250.0
    more = 'key = ["squares", "root", "bounded"]'
    write = functools.partial(write_toy, build=normed, inputs={"x": [x]}, cosine=0.9, psnr=1.0)

    def written(directory):
        write(directory)
        path = directory / "network.toml"
        path.write_text(path.read_text().replace("[network]", f"[network]\n{more}", 1))

    return prepared(tmp_path_factory.mktemp("overflow"), written, scales=False)


@pytest.fixture(scope="module")
def expected(network):
    return Expectations(network.store, margins())


class Changing:
    """The ideal device, but for some elements of a node's result."""

    def __init__(self, node, place, value, profile="ideal"):
        self._inner = open_device(DeviceRequest("emulator", profile))
        self._node, self._place, self._value = node, place, value

    def info(self):
        return dataclasses.replace(self._inner.info(), kind="changing")

    def open(self, graph, fetches, **options):
        session = self._inner.open(graph, fetches, **options)
        run = session.run

        def changed(feeds):
            results = {name: np.array(value) for name, value in run(feeds).items()}
            if self._node in results:
                results[self._node].reshape(-1)[self._place] = self._value
            return results

        session.run = changed
        return session

    def close(self):
        self._inner.close()


def found(expected, device, precision="int8-fp16"):
    return Evaluation(device, expected, KEY).own(parse_precision(precision))


def test_shares_are_kept_and_of_float32_there_are_none(network):
    shares = read_attainable(network.store).overflow
    assert shares["squares"] == {"int8-fp16": LARGE / 40, "int16-fp16": LARGE / 40}
    assert shares["Sqrt"] == shares["squares"]  # an infinite square has an infinite root, a saturated one not
    assert shares.keys() == {"squares", "Sqrt"}


@pytest.mark.parametrize("overflow", ["inf", "saturate"])
@pytest.mark.parametrize("precision", list(map(str, PRECISIONS)))
def test_right_devices_conform_whatever_they_make_of_it(expected, overflow, precision):
    device = open_device(DeviceRequest("emulator", f"ideal,half_overflow={overflow}"))
    judged = found(expected, device, precision)
    assert {name: item.outcome for name, item in judged.items()} == dict.fromkeys(KEY, "conforms")
    notes = " ".join(judged["squares"].verdict.notes)
    overflows = "squares overflows even on an ideal half device, 18 % of its elements, which are not judged"
    assert (overflows in notes) == precision.endswith("fp16")


@pytest.mark.parametrize("value", [0.0, 8.0, np.nan])
def test_what_is_known_is_judged(expected, value):
    right_there = found(expected, Changing("squares", LARGE - 1, value))
    assert right_there["squares"].outcome == "conforms"
    assert found(expected, Changing("squares", LARGE, value))["squares"].outcome == "deviates"
    assert found(expected, Changing("squares", 0, value), "int8-fp32")["squares"].outcome == "deviates"


def vanishing(tf):
    """A sum in which one element that is infinite spoils all."""
    x = placeholder(tf, "x", SHAPE)
    total = tf.reduce_sum(tf.square(x, name="square"), [1, 2], keepdims=True, name="total")
    tf.multiply(x, tf.math.rsqrt(total, name="factor"), name="out")


@pytest.fixture(scope="module")
def vanished(tmp_path_factory):
    x = np.random.default_rng(3).uniform(100, 255, SHAPE).astype(np.float32)
    write = functools.partial(write_toy, build=vanishing, inputs={"x": [x]}, cosine=0.999, psnr=40.0)
    return prepared(tmp_path_factory.mktemp("vanishing"), write, scales=False)


def test_a_node_without_any_right_result_is_not_judged(vanished, tmp_path):
    run = run_suite(tmp_path / "run", network=vanished)
    assert run.code == 0
    outcomes = {(item.node, item.precision): item.outcome for item in run.records}
    assert outcomes["total", "int8-fp16"] == "unmodelled"
    assert outcomes["total", "int8-fp32"] == outcomes["out", "int16-fp32"] == "conforms"
    (record,) = (item for item in run.records if (item.node, item.precision) == ("total", "int8-fp16"))
    assert record.unmodelled == "overflows even on an ideal half device, 100 % of its elements"
    assert "overflow even on an ideal half device, which ends at 65504" in run.text


def test_nodes_golden_and_diagnose_name_it(vanished, capsys):
    golden = ["--golden-dir", str(vanished.goldens), str(vanished.directory)]
    assert cli.main(["prepare", *golden]) == 0
    assert "(100 % of its elements)" in capsys.readouterr().out
    store = vanished.store
    diagnosis = diagnosed(open_device(DeviceRequest("emulator", "ideal")), "int16-fp16", store)
    text = report(diagnosis, store)
    assert "total overflows even on an ideal half device, 100 % of its elements: a half ends at" in text
    assert "overflow even on an ideal half device, which ends at 65504" in text
    assert diagnosis.culprits[0].kind == "precision"
    assert diagnosis.choices[diagnosis.recommended].precision.endswith("fp32")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(width=16), min_size=1, max_size=9))
def test_two_devices_that_agree_have_no_mask_but_where_nothing_is_finite(values):
    array = np.array(values, np.float32)
    mask = differing(array, array)
    assert (mask is None) == bool(np.isfinite(array).all())
    assert mask is None or (mask == ~np.isfinite(array)).all()
    assert may_overflow([array]) == (mask is not None or bool((np.abs(array) >= 65504).any()))


def test_shares_in_words():
    assert [percent(share) for share in (0.001, 0.35, 0.999, 1.0)] == [
        "less than 1 %",
        "35 %",
        "99 %",
        "100 %",
    ]
    shares = {name: {"int8-fp16": 0.5} for name in "abcd"}
    (sentence,) = told(shares, "abcde")
    assert sentence.startswith("at fp16 a (50 % of its elements), b (50 % of its elements), c (50 % of")
    assert "and 1 more overflow even" in sentence
    assert list(told(shares, "e")) == []
