"""Laws beside the reference: what is within every bound and breaks one is caught, what may differ is told."""

import functools

import numpy as np
import pytest
from operators.broken_operators import BrokenDevice
from support.right_device import right_device

from conformance import locations
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import WaiverLedger
from conformance.networks import Network
from conformance.operators.batch import BatchNetwork, BatchStore
from conformance.operators.case import OperatorCase
from conformance.operators.covered import drawn_batches
from conformance.operators.independent import Independent
from conformance.operators.judged_cases import CaseJudge
from conformance.operators.judged_operators import JudgedOperators
from conformance.operators.laws import BATCHES, derived_of
from conformance.operators.operand import Operand
from conformance.operators.table import TESTS, laws_of
from conformance.precision import parse_precision

FULL, HALF = parse_precision("int8-fp32"), parse_precision("int8-fp16")


def judge_of(device, **options):
    return CaseJudge(device, read_margins(locations.MARGINS), WaiverLedger(), model="ideal", **options)


def operators_on(device, *names, directory=None, examples=8, **options):
    judge = judge_of(device, **options)
    return JudgedOperators(judge, names, examples=examples, reproductions=directory)


def a_bit_more(y, where):
    return np.where(where, np.nextafter(np.float32(y), np.float32(np.inf)), y)


def later_samples_off(y):
    return a_bit_more(y, np.arange(y.shape[0]).reshape(-1, *[1] * (y.ndim - 1)) > 0) if y.ndim > 1 else y


def odd_counts_off(y):
    last = y.shape[-1] - 1 if y.ndim else 0
    return a_bit_more(y, np.arange(y.shape[-1]) == last) if last and last % 2 == 0 else y


def some_lengths_off(y):
    """Change results by their number of channels: never the same for the whole and its first half."""
    return a_bit_more(y, y.shape[-1].bit_length() % 2) if y.ndim else y


class Remembering(BrokenDevice):
    """Gives other bits from the second run of a session on."""

    def open(self, graph, fetches, **options):
        runs = []

        def after(y):
            runs.append(y)
            return a_bit_more(y, len(runs) > len(fetches))

        self.after = after
        return super().open(graph, fetches, **options)


class OtherwiseWhen(BrokenDevice):
    """Gives other bits where a graph is compiled in one way: fused or not, or not for the first time."""

    def __init__(self, when, **options):
        super().__init__(**options)
        self.when, self.opened = when, 0

    def open(self, graph, fetches, **options):
        self.opened += 1
        wrong = self.when(self.opened, options.get("fuse", True))
        self.after = functools.partial(a_bit_more, where=wrong)
        return super().open(graph, fetches, **options)


DEVICES = {
    "rows": (lambda: BrokenDevice(after=later_samples_off, only="AddV2"), "(law: rows)"),
    "channels": (lambda: BrokenDevice(after=odd_counts_off, only="AddV2"), "(law: channels)"),
    "halves": (lambda: BrokenDevice(after=some_lengths_off, only="AddV2"), "(law: halves)"),
    "runs": (lambda: Remembering(only="AddV2"), "run 2 of 2 gave other bits"),
    "compilations": (
        lambda: OtherwiseWhen(lambda opened, _: opened == 2, only="AddV2"),
        "gave other bits when the same graph was compiled again",
    ),
    "fused": (
        lambda: OtherwiseWhen(lambda _, fuse: not fuse, only="AddV2"),
        "gave other bits layer by layer",
    ),
}


@pytest.mark.parametrize("law", DEVICES)
def test_a_device_that_breaks_one_law_within_all_bounds_is_caught(law):
    device, sentence = DEVICES[law]
    findings = operators_on(device(), "AddV2", "Maximum", steps_stored=True).at(FULL)
    assert findings["Maximum"].outcome == "conforms"
    assert findings["AddV2"].outcome == "deviates"
    assert any(sentence in reason for reason in findings["AddV2"].verdict.reasons), findings["AddV2"].verdict
    if law != "runs":
        assert findings["AddV2"].metrics is None, "a waiver of large errors would cover it"


@pytest.mark.parametrize("law", ["rows", "channels", "halves"])
def test_it_would_pass_without_the_laws(law, monkeypatch):
    monkeypatch.setattr("conformance.operators.search.laws_of", lambda _: [])
    findings = operators_on(DEVICES[law][0](), "AddV2").at(FULL)
    assert findings["AddV2"].outcome == "conforms"


def test_what_breaks_a_law_is_shrunk_and_handed_on_with_both_results(tmp_path):
    device = BrokenDevice(after=odd_counts_off, only="AddV2")
    finding = operators_on(device, "AddV2", directory=tmp_path).at(FULL)["AddV2"]
    assert any("not when it is run alone" in reason for reason in finding.verdict.reasons) is False
    network = Network(tmp_path / "addv2-int8-fp32")
    assert len(network.outputs) == 2
    assert all(np.size(values) <= 3 for values in network.feeds(0).values())


def test_bits_of_functions_and_sums_may_differ_and_are_told():
    device = BrokenDevice(after=later_samples_off, only="Tanh")
    operators = operators_on(device, "Tanh", "AddV2")
    assert {finding.outcome for finding in operators.at(FULL).values()} == {"conforms"}
    assert "law of rows: other bits, within what right devices may give: Tanh" in operators.notes


def test_steps_that_a_fused_segment_does_not_store_are_told_unless_the_profile_stores_them():
    wide = right_device(",fused_intermediates=fp32")
    operators = operators_on(wide, "AddV2/chain", "AddV2")
    assert {finding.outcome for finding in operators.at(HALF).values()} == {"conforms"}
    assert "law of fused: other bits, within what right devices may give: AddV2/chain" in operators.notes
    demanded = operators_on(right_device(",fused_intermediates=fp32"), "AddV2/chain", steps_stored=True)
    assert demanded.at(HALF)["AddV2/chain"].outcome == "deviates"


def test_a_device_that_breaks_in_a_large_batch_alone_fails():
    class Full(BrokenDevice):
        def open(self, graph, fetches, **options):
            shapes = [node.attr["shape"].shape for node in graph.nodes.values() if node.op == "Placeholder"]
            if any(shape.dim and shape.dim[0].size >= 5 for shape in shapes):
                raise RuntimeError("no room")
            return super().open(graph, fetches, **options)

    case = OperatorCase("Tanh", (Operand((2, 3), "uniform"),))
    judge = judge_of(Full())
    assert not judge.judged([case], FULL)[0].fails
    assert judge.judged([case], FULL, {case: laws_of(case)})[0].fails


def test_cases_take_turns_with_both_halves():
    halves = {
        item.indices
        for seed in range(2)
        for item in laws_of(OperatorCase("Tanh", (Operand((2, 3), "uniform", seed),)))
        if item.law == "halves"
    }
    assert halves == {(0,), (1, 2)}


def drawn():
    return [case for batch in drawn_batches(8) for case in batch]


def test_references_keep_the_laws_of_every_operator_that_has_any():
    pairs = [(case, item) for case in drawn() for item in laws_of(case)]
    assert {case.name for case, _ in pairs} == {name for name, test in TESTS.items() if test.independent}
    sizes = {len(item.indices) for case, item in pairs if item.law == "rows"}
    assert sizes == set(BATCHES) == {1, 2, 5, 16}
    some = dict.fromkeys(pairs[::4])
    cases = list(dict.fromkeys(case for pair in some for case in (pair[0], pair[1].case)))
    network = BatchNetwork(cases)
    store, names = BatchStore(network), dict(zip(cases, network.nodes, strict=True))
    for case, item in some:
        whole, part = (store.get(names[each], 0) for each in (case, item.case))
        np.testing.assert_allclose(part, np.take(whole, item.indices, item.axis), rtol=1e-5, atol=1e-6)


def test_what_is_taken_keeps_the_scale_of_the_whole():
    case = OperatorCase("MatMul", (Operand((2, 3), "normal"), Operand((3, 4), "outlier", stored=True)))
    case = OperatorCase(case.name, case.operands, (("transpose_a", False), ("transpose_b", False)))
    parts = [item.case for item in laws_of(case)]
    network = BatchNetwork([case, *parts])
    scales = network.scales(8).scales
    for which in ("input", "filter"):
        assert len({scales[f"{node}/{which}"] for node in network.nodes}) == 1


def test_an_axis_that_is_reduced_or_turned_has_no_laws():
    reduced = OperatorCase("Sum", (Operand((2, 3)),), (("axes", (-1,)), ("keep_dims", False)))
    assert {item.law for item in laws_of(reduced)} == {"rows"}
    turned = OperatorCase(
        "MatMul", (Operand((3, 2)), Operand((3, 4))), (("transpose_a", True), ("transpose_b", False))
    )
    assert {item.law for item in laws_of(turned)} == {"channels", "halves"}
    assert not laws_of(OperatorCase("Tanh", (Operand(()),)))


def test_equal_operands_are_told_apart_by_their_place():
    operand = Operand((2, 2))
    case = OperatorCase("AddV2", (operand, operand))
    (first, *_) = derived_of(case, (Independent("rows", 0, (0, None)),))
    assert first.case.operands[1] is operand
