"""Arithmetic that no switch has is described rightly in words: the table of docs/probe.md, row by row."""

import datetime as dt

import pytest
from probing.odd_devices import ODD, Backward, Rsqrt12, Stochastic

from conformance.precision import parse_precision
from conformance.probing.probing import probed

TODAY = dt.date(2026, 1, 2)
FEW = [parse_precision(name) for name in ("int16-fp16", "int16-fp32")]


def probe_of(device):
    return probed(device, base="mlu270", today=TODAY, precisions=FEW)


@pytest.mark.parametrize(("device", "subject", "words"), ODD, ids=[row[0].__name__ for row in ODD])
def test_odd_arithmetic_is_described(device, subject, words):
    found = probe_of(device())
    said = [item.words for item in found.properties if item.subject == subject]
    assert any(words in sentence for sentence in said), said


def test_what_the_profile_cannot_say_is_none_of_the_alternatives():
    found = probe_of(Backward())
    answer = found.answer("reduction_sum")
    assert (answer.state, answer.values) == ("none", [])
    assert "Sum of 64 terms" in answer.observation


def test_few_good_bits_are_no_table():
    said = [item.words for item in probe_of(Rsqrt12()).properties if item.subject == "Rsqrt"]
    assert not any("table" in words for words in said), said


def test_results_that_differ_from_run_to_run_are_told():
    found = probe_of(Stochastic())
    (repeats,) = [item for item in found.properties if item.subject == "run again" and "other" in item.words]
    assert repeats.precisions == ["int16-fp16"]
