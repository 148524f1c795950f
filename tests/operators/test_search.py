"""The search: what it draws, what it compiles, what it survives, what it remembers."""

import functools

import numpy as np
import pytest
from operators.broken_operators import BrokenDevice, broken
from support.right_device import right_device

from conformance import locations
from conformance.devices.base import DeviceError, DeviceLost
from conformance.errors import UsageError
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import WaiverLedger
from conformance.operators.covered import covered, drawn_batches, not_covered
from conformance.operators.judged_cases import CaseJudge
from conformance.operators.judged_operators import JudgedOperators
from conformance.operators.search import Search
from conformance.operators.table import TESTS
from conformance.precision import parse_precision

PRECISION = parse_precision("int8-fp32")
NAMES = ("Relu", "Tanh", "Transpose", "ConcatV2")


def judge_of(device):
    return CaseJudge(device, read_margins(locations.MARGINS), WaiverLedger(), model="ideal")


def search_of(device, *, examples=2, **options):
    judge = judge_of(device)
    judging = functools.partial(_judging, judge)
    return Search(judging, lambda found: judge.again(found, PRECISION), examples, **options), judge


def _judging(judge, cases, laws):
    return judge.judged(cases, PRECISION, laws)


class BreaksAt(BrokenDevice):
    """Raises where a graph has an operator."""

    def __init__(self, op, error=DeviceError):
        super().__init__()
        self.op, self.error = op, error

    def open(self, graph, fetches, **options):
        if any(node.op == self.op for node in graph.nodes.values()):
            raise self.error("the card is hot")
        return super().open(graph, fetches, **options)


def test_the_same_cases_are_drawn_every_time_and_cover_every_operator():
    first, second = drawn_batches(8), drawn_batches(8)
    assert first == second
    assert {case.name for batch in first for case in batch} == set(TESTS)


def test_a_batch_is_compiled_once_and_a_right_device_passes():
    search, judge = search_of(BrokenDevice(), examples=3)
    found = search.run(NAMES)
    assert not found.failing
    assert judge.compiled[PRECISION] == found.batches + 2  # the first of them again, and layer by layer
    assert judge.cases[PRECISION] == len(found.judged) + 2 * len(NAMES)


def test_what_breaks_the_device_is_found_and_shrunk_and_nothing_else_is_blamed():
    search, _ = search_of(BreaksAt("Tanh"))
    found = search.run(NAMES)
    assert found.failing == list(found.minimal) == ["Tanh"]
    assert found.minimal["Tanh"].case.elements == 1
    assert found.minimal["Tanh"].finding.outcome == "broken"


def test_other_bits_when_compiled_again_deviate_though_both_are_right():
    class Unsteady(BrokenDevice):
        compiled = 0

        def open(self, graph, fetches, **options):
            self.compiled += 1
            turn = self.compiled
            self.after = lambda y: np.nextafter(np.float32(y), np.float32(9)) if turn == 2 else y
            return super().open(graph, fetches, **options)

    search, _ = search_of(Unsteady(only="Tanh"))
    found = search.run(NAMES)
    assert found.failing == ["Tanh"]
    assert "compiled again" in found.minimal["Tanh"].finding.verdict.reasons[-1]


def test_a_device_that_is_lost_ends_the_search():
    search, _ = search_of(BreaksAt("Tanh", DeviceLost))
    with pytest.raises(DeviceLost):
        search.run(NAMES)


def test_what_failed_before_is_tried_first(tmp_path):
    first, _ = search_of(broken("Relu"), database=tmp_path)
    minimal = first.run(("Relu", "Tanh")).minimal["Relu"].case
    again, _ = search_of(BrokenDevice(), database=tmp_path)
    judged = list(again.run(("Relu", "Tanh")).judged)
    assert judged[0].name == "Relu"
    assert minimal in judged[:5]


def test_an_operator_that_was_never_drawn_has_no_verdict():
    operators = JudgedOperators(judge_of(BrokenDevice()), ["Relu"], examples=1)
    operators._searched = {}
    with pytest.raises(UsageError, match="no case of Abs was drawn"):
        operators._finding("Abs", PRECISION, Search(lambda *_: [], list, 1).found)


def test_what_is_covered_is_told():
    rows = {row.name: row for row in covered()}
    assert rows["Mean"].limits["int8-fp16"]
    assert not rows["Mean"].limits["int8-fp32"]
    assert (rows["LRN"].tested, rows["LRN"].modelled) == (True, ())
    assert not rows["TopK"].tested
    assert len(rows["Conv2D"].modelled) == 4


def test_what_of_a_network_is_covered_by_nothing_is_told(network):
    told = list(not_covered(network.store.network.graph))
    assert all(": " in sentence for sentence in told)


def test_what_is_not_modelled_of_one_case_says_nothing_of_the_others():
    """Found by a run on the ideal profile: 400 of 464 results were unmodelled because of one crop."""
    names = ("CropAndResize", "Relu")
    cases = {case.name: case for batch in drawn_batches(8) for case in batch if case.name in names}
    found = judge_of(right_device()).judged(list(cases.values()), PRECISION)
    outcomes = {item.case.name: item.finding.outcome for item in found}
    assert outcomes == {"CropAndResize": "unmodelled", "Relu": "conforms"}
