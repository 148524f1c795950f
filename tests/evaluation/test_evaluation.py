"""One run per precision and mode judges every node, each fed as its mode demands."""

import msgspec
import numpy as np
import pytest
from support.refusals import refused
from support.right_device import right_device
from support.small_evaluation import evaluate

from conformance.devices.base import DeviceError, DeviceLost, SessionBase, Unsupported
from conformance.errors import GoldenError
from conformance.graph.cut import cut_input
from conformance.precision import PRECISIONS, parse_precision

INT8 = parse_precision("int8-fp16")


class WatchedDevice:
    """Keeps what it is asked for."""

    def __init__(self, change=lambda results: results):
        self._inner = right_device()
        self.opened, self.fed, self.closed, self._change = [], [], 0, change

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        self.opened.append((graph, tuple(fetches), precision, scales, fuse))
        inner = self._inner.open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        return WatchedSession(inner, self)

    def info(self):
        return self._inner.info()

    def close(self):
        self._inner.close()


class WatchedSession(SessionBase):
    device_seconds = 0.5

    def __init__(self, inner, device):
        self._inner, self._device = inner, device

    def run(self, feeds):
        self._device.fed.append(feeds)
        return self._device._change(self._inner.run(feeds))

    def close(self):
        self._inner.close()
        self._device.closed += 1


def test_one_session_and_one_run_per_sample_judge_every_node():
    device = WatchedDevice()
    evaluation = evaluate(device)
    findings = evaluation.own(INT8)
    assert list(findings) == list(evaluation.nodes)
    assert (len(device.opened), len(device.fed), device.closed) == (1, 2, 1)
    assert evaluation.own(INT8) is findings
    assert len(device.fed) == 2
    graph, fetches, precision, scales, fuse = device.opened[0]
    assert (fetches, precision, fuse) == (evaluation.nodes, INT8, True)
    assert scales == evaluation.expected.scales(8)
    assert set(device.fed[0]) == set(graph.inputs)


def test_what_gives_the_same_bits_at_two_widths_is_compared_once(monkeypatch):
    evaluation = evaluate(right_device())
    compared = []
    compare = evaluation.expected.compare
    monkeypatch.setattr(
        evaluation.expected, "compare", lambda node, *rest: compared.append(node) or compare(node, *rest)
    )
    findings = [evaluation.own(parse_precision(name)) for name in ("int8-fp32", "int16-fp32")]
    samples = len(evaluation.samples)
    for node in evaluation.nodes:
        same = findings[0][node].sha256 == findings[1][node].sha256
        assert compared.count(node) == (samples if same else 2 * samples)
        assert all(found[node].verdict.outcome == "conforms" for found in findings)
    assert len(compared) < 2 * samples * len(evaluation.nodes)


def test_results_of_the_same_bytes_are_told_apart_by_their_form():
    wider = WatchedDevice(lambda results: {name: value[..., None] for name, value in results.items()})
    evaluation = evaluate(wider)
    first = evaluation.own(parse_precision("int8-fp32"))
    wider._change = lambda results: results
    second = evaluation.own(parse_precision("int16-fp32"))
    assert {found.verdict.outcome for found in first.values()} == {"deviates"}
    assert {found.verdict.outcome for found in second.values()} == {"conforms"}


def test_own_errors_are_fed_with_goldens():
    device = WatchedDevice()
    evaluation = evaluate(device)
    evaluation.own(INT8)
    for sample in range(2):
        for name in ("norm/mean", "wide/Conv2D"):
            fed = device.fed[sample][cut_input(name)]
            assert np.array_equal(fed, evaluation.store.get(name, sample))
        assert np.array_equal(device.fed[sample]["X"], evaluation.network.feeds(sample)["X"])


def test_chained_and_fused_runs_are_fed_with_the_networks_inputs_alone():
    device = WatchedDevice()
    evaluation = evaluate(device)
    evaluation.chained(INT8)
    evaluation.fused(INT8)
    assert [set(fed) for fed in device.fed] == [{"X", "Y"}] * 4
    assert [fetches for _, fetches, *_ in device.opened] == [evaluation.nodes, ("out",)]


def test_an_error_is_inherited_in_the_chain_but_not_owned_downstream():
    def doubled(results):
        return results | {"bare/Conv2D": 2 * results["bare/Conv2D"]}

    evaluation = evaluate(WatchedDevice(doubled))
    outcomes = {name: finding.verdict.outcome for name, finding in evaluation.own(INT8).items()}
    assert {name for name, outcome in outcomes.items() if outcome == "deviates"} == {"bare/Conv2D"}


def test_only_the_inputs_that_a_selection_needs_are_fed():
    device = WatchedDevice()
    evaluation = evaluate(device, ["style/Conv2D"])
    assert evaluation.chained(INT8)["style/Conv2D"].state == "measured"
    assert [set(fed) for fed in device.fed] == [{"Y"}] * 2


def test_a_finding_says_when_and_what_came_out():
    finding = evaluate(WatchedDevice()).own(INT8)["norm/mean"]
    assert (finding.case.network, finding.case.op, finding.case.mode) == ("small", "Mean", "own")
    assert finding.seconds == 1.0
    assert len(finding.sha256) == 2
    assert finding.verdict.conformity.elements == 16
    assert finding.verdict.cost == evaluate().expected.attains("norm/mean", INT8).errors


def test_an_output_is_judged_by_the_networks_own_limits():
    finding = evaluate().fused(INT8)["out"]
    assert finding.state == "judged"
    assert (finding.verdict.acceptance.cosine, finding.verdict.acceptance.psnr) == (0.99, 20.0)
    assert finding.verdict.bounds is None


def test_chained_errors_have_no_bound():
    findings = evaluate().chained(INT8)
    assert {finding.state for finding in findings.values()} == {"measured"}
    assert all(finding.verdict.metrics and finding.verdict.bounds is None for finding in findings.values())


def test_every_case_of_every_precision_has_its_own_name():
    evaluation = evaluate()
    cases = [
        str(evaluation.expected.case(node, precision, "own"))
        for node in evaluation.nodes
        for precision in PRECISIONS
    ]
    assert len(set(cases)) == len(cases) == 60
    assert cases[0] == "small/bare/Conv2D-int8-fp16-own"


def test_a_node_without_attainable_error_has_no_bound():
    evaluation = evaluate()
    expected = evaluation.expected
    expected.attainable = msgspec.structs.replace(expected.attainable, nodes={})
    with refused(r"node 'out' has no attainable error at int8-fp16 .*`mlu-conformance prepare", GoldenError):
        evaluation.expected.bound("out", INT8)


class TroubledDevice(WatchedDevice):
    """Says something of its sessions, at a moment."""

    def __init__(self, at="run", error=None, **said):
        super().__init__()
        self.at, self.error, self.said = at, error, said

    def strike(self, session, at):
        if at == self.at:
            vars(session).update(self.said)
            if self.error is not None:
                raise self.error

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        session = super().open(graph, fetches, precision=precision, scales=scales, fuse=fuse)
        troubled = TroubledSession(session._inner, self)
        self.strike(troubled, "open")
        return troubled


class TroubledSession(WatchedSession):
    def run(self, feeds):
        self._device.strike(self, "run")
        return {name: value for name, value in super().run(feeds).items() if name not in self.problems}

    def close(self):
        super().close()
        self._device.strike(self, "close")


@pytest.mark.parametrize("mode", ["own", "chained"])
def test_a_session_that_goes_on_without_some_fetches_gives_findings_for_each(mode):
    problems = {
        "norm/mean": DeviceError("was ended by SIGSEGV"),
        "joined": Unsupported("no ConcatV2"),
        "no/such/node": DeviceError("whatever"),
    }
    evaluation = evaluate(TroubledDevice(problems=problems))
    findings = getattr(evaluation, mode)(INT8)
    assert list(findings) == list(evaluation.nodes)
    assert (findings["norm/mean"].state, findings["norm/mean"].reason) == ("broken", "was ended by SIGSEGV")
    assert (findings["joined"].state, findings["joined"].reason) == ("unsupported", "no ConcatV2")
    states = {finding.state for name, finding in findings.items() if name not in problems}
    assert states == {"judged" if mode == "own" else "measured"}
    assert evaluation.incidents == []


def test_a_problem_wins_over_a_result():
    device = TroubledDevice("close", problems={"norm/mean": DeviceError("gone when it was closed")})
    assert evaluate(device).own(INT8)["norm/mean"].state == "broken"


@pytest.mark.parametrize("at", ["open", "run", "close"])
def test_incidents_are_remembered_once_whenever_they_happen(at):
    evaluation = evaluate(TroubledDevice(at, incidents=["it smoked"]))
    findings = evaluation.own(INT8)
    evaluation.fused(INT8)
    assert evaluation.incidents == ["it smoked"]
    assert {finding.state for finding in findings.values()} == {"judged"}
    assert evaluation.lost is None


@pytest.mark.parametrize("at", ["open", "run", "close"])
@pytest.mark.parametrize("error", [DeviceLost("3 starts failed"), DeviceError("hot")])
def test_a_device_that_is_lost_is_remembered_and_every_node_is_broken(at, error):
    evaluation = evaluate(TroubledDevice(at, error))
    findings = evaluation.own(INT8)
    assert {(finding.state, finding.reason) for finding in findings.values()} == {("broken", str(error))}
    assert evaluation.lost is (error if isinstance(error, DeviceLost) else None)


@pytest.mark.parametrize("said", [{"problems": 7}, {"problems": ["a"]}, {"incidents": 7}])
def test_what_a_session_says_in_a_way_that_nobody_understands_is_a_problem_of_its_own(said):
    findings = evaluate(TroubledDevice("close", **said)).own(INT8)
    assert {finding.state for finding in findings.values()} == {"broken"}
    assert "the device raised" in findings["out"].reason


@pytest.mark.parametrize(
    ("fuse", "words"), [(True, ("broken at nodes", "fused")), (False, ("layer by layer",) * 2)]
)
def test_layer_by_layer_is_so_in_every_mode(fuse, words):
    device = WatchedDevice()
    evaluation = evaluate(device, fuse=fuse)
    evaluation.own(INT8)
    evaluation.fused(INT8)
    assert [opened[4] for opened in device.opened] == [fuse] * 2
    assert (evaluation.fusion("own"), evaluation.fusion("fused")) == words


def test_a_golden_that_cannot_be_read_is_no_finding():
    evaluation = evaluate()
    evaluation.store.get = lambda *_: (_ for _ in ()).throw(GoldenError("damaged"))
    with refused("damaged", GoldenError):
        evaluation.fused(INT8)
