"""What a record becomes in a graph: words, numbers, names of attributes."""

from typing import get_args

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.emulation import frozen, placeholder, same_bits
from support.records import record as made

from conformance.errors import UsageError
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.judging.bounds import ErrorValues
from conformance.judging.cases import Outcome
from conformance.judging.verdicts import Acceptance, Reached
from conformance.numerics.metrics import Metrics
from conformance.report.annotation import SEVEREST_FIRST, annotated, attributes, in_words

ERRORS = {"cosine_distance": 0.02, "mse": 0.01, "max_abs": 0.31, "worst_channel_mse": 0.04}
BOUNDS = ErrorValues(**ERRORS | {"mse": 1e-6})


def metrics(**changed):
    return Metrics(**{**ERRORS, "worst_channel": 0, "worst_index": [0], **changed})


def record(**changed):
    given = {"case": "n/a-int8-fp16-own", "outcome": "deviates", "device": "emulator"}
    measured = {"metrics": metrics(), "bounds": BOUNDS, "needed": ErrorValues(**ERRORS)}
    return made(**(given | measured | changed))


def conforming(**changed):
    return record(**{"outcome": "conforms", "reasons": [], **changed})


def graph():
    return frozen(lambda tf: tf.tanh(tf.exp(placeholder(tf, shape=(2, 3)), name="e"), name="a"), "a")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (record(), "deviates: 100 x bound, max_abs 0.31, mse 0.01, cosine 0.9800000"),
        (
            record(outcome="waived", waiver="known-1"),
            "waived by known-1: 100 x bound, max_abs 0.31, mse 0.01, cosine 0.9800000",
        ),
        (
            conforming(metrics=metrics(cosine_distance=3.2e-9)),
            "conforms: 100 x bound, max_abs 0.31, mse 0.01, cosine 1 - 3.2e-09",
        ),
        (
            record(outcome="measured", reasons=[], bounds=None, metrics=metrics(cosine_distance=None)),
            "measured: max_abs 0.31, mse 0.01, cosine undefined",
        ),
        (
            conforming(
                bounds=None,
                metrics=metrics(cosine_distance=0.0),
                acceptance=Acceptance(cosine=0.9, psnr=30.0),
                reached=Reached(cosine=1.0, psnr=42.125),
            ),
            "conforms: max_abs 0.31, mse 0.01, cosine 1.0000000, 42.1 dB",
        ),
        (
            record(metrics=None, needed=None, reasons=["a is missing", "b too"]),
            "deviates: a is missing, b too",
        ),
        (
            record(outcome="unsupported", reasons=[], metrics=None, notes=["no kernel"]),
            "unsupported: no kernel",
        ),
        (conforming(metrics=None, bounds=None, needed=None), "conforms"),
    ],
)
def test_in_words(given, words):
    assert in_words(given) == words


def test_one_record():
    assert attributes([record()]) == {
        "_conformance": "SIMULATED emulator: deviates at int8-fp16 own",
        "_conformance_int8_fp16_own": in_words(record()),
        "_conformance_int8_fp16_own_max_abs": 0.31,
        "_conformance_int8_fp16_own_mse": 0.01,
        "_conformance_int8_fp16_own_worst_channel_mse": 0.04,
        "_conformance_int8_fp16_own_cosine_distance": 0.02,
        "_conformance_int8_fp16_own_excess": pytest.approx(100),
        "_conformance_int8_fp16_own_reasons": ["it is wrong"],
    }


def test_what_was_not_measured_has_no_numbers():
    named = "_conformance_int8_fp16_own"
    assert set(attributes([record(metrics=None, needed=None)])) == {"_conformance", named, f"{named}_reasons"}
    assert f"{named}_excess" not in attributes([conforming(bounds=None)])
    assert f"{named}_cosine_distance" not in attributes([record(metrics=metrics(cosine_distance=None))])


def test_the_summary_tells_the_worst_first():
    records = [
        conforming(),
        conforming(precision="int16-fp32", case="1"),
        record(precision="int16-fp16", case="2"),
        record(mode="chained", outcome="broken", case="3"),
        conforming(case="4", device="cambricon", simulated=False),
    ]
    assert attributes(records)["_conformance"] == (
        "SIMULATED emulator, cambricon: broken at int8-fp16 chained; deviates at int16-fp16 own; "
        "conforms at int8-fp16 own, int16-fp32 own"
    )


def test_every_outcome_has_its_place_in_the_summary():
    assert sorted(SEVEREST_FIRST) == sorted(get_args(Outcome))


def test_records_of_one_case_have_attributes_of_their_own():
    fused = conforming(mode="fused", case="n/a-int8-fp16-fused")
    timed = record(mode="fused", case="n/a-int8-fp16-fused-timed")
    found = attributes([fused, timed])
    assert found["_conformance_int8_fp16_fused"] == in_words(fused)
    assert found["_conformance_int8_fp16_fused_timed"] == in_words(timed)
    calibration = conforming(mode="calibration", precision="int8", case="n/a-int8-calibration")
    assert "_conformance_int8_calibration" in attributes([calibration])


def test_other_nodes_stay_as_they_are():
    marked = annotated(graph(), [record()], "run")
    assert not [key for key in marked.nodes["e"].attr if key.startswith("_")]
    assert marked.nodes["a"].attr["_conformance_int8_fp16_own_reasons"].list.s == [b"it is wrong"]
    assert not [key for key in graph().nodes["a"].attr if key.startswith("_")]


FINITE = st.floats(0, allow_nan=False, allow_infinity=False)


@given(errors=st.fixed_dictionaries(dict.fromkeys(ERRORS, FINITE) | {"cosine_distance": st.floats(0, 2)}))
@settings(max_examples=30, deadline=None)
def test_tensorflow_loads_and_computes_the_same_whatever_the_errors_are(errors, tmp_path_factory):
    path = tmp_path_factory.mktemp("annotated") / "a.pb"
    plain = graph()
    annotated(plain, [record(metrics=metrics(**errors))], "run").save(path)
    loaded = load_frozen_graph(path, ["a"])
    feeds = {"x": np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)}
    assert same_bits(GraphRunner(loaded, ["a"])(feeds)["a"], GraphRunner(plain, ["a"])(feeds)["a"])
    for name, value in errors.items():
        found = loaded.nodes["a"].attr[f"_conformance_int8_fp16_own_{name}"].f
        assert found == np.float32(min(value, float(np.finfo(np.float32).max)))


@pytest.mark.parametrize(
    ("records", "sentence"),
    [
        ([], "run r judged nothing, so there is nothing to annotate"),
        ([record(), record(node="ee")], "run r judged node 'ee', which graph does not have"),
        ([record(op="Sigmoid")], "run r judged node 'a' as Sigmoid, but in graph it is Tanh; annotate the"),
    ],
)
def test_records_that_do_not_fit_the_graph(records, sentence):
    with pytest.raises(UsageError) as caught:
        annotated(graph(), records, "r")
    assert str(caught.value).startswith(sentence)


def test_a_digest_of_another_graph():
    annotated(graph(), [record()], "r", graph().sha256)
    with pytest.raises(
        UsageError, match=r"run r judged another graph \(sha256 0123456789ab, graph has .*annotate"
    ):
        annotated(graph(), [record()], "r", "0123456789abcdef")


def test_no_number_of_a_record_is_lost():
    """Every error that a record may hold is an attribute."""
    held = {field.name for field in msgspec.structs.fields(ErrorValues)}
    found = {name.removeprefix("_conformance_int8_fp16_own_") for name in attributes([record()])}
    assert held < found
