"""New waivers: they cover what deviates, all of it and nothing else, whatever deviates how."""

import datetime as dt
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import record
from support.refusals import refused
from support.waivers import waiver

from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Acceptance, Reached
from conformance.judging.waivers import WaiverLedger, read_waivers
from conformance.numerics.metrics import Metrics
from conformance.runs.records import finding_of, record_of
from conformance.runs.waiver_evidence import case_of
from conformance.runs.waiving import proposals, waiver_text

LIMITS = ErrorValues(0.01, 0.01, 0.1, 0.01)
METRICS = Metrics(0.0, 0.0, 0.0, 0.0, 0, [0])
PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")


def own(node="a", times=3.0, precision="int8-fp16", **changes):
    needed = ErrorValues(0.0, 0.0, 0.1 * times, 0.0)
    outcome = "deviates" if times > 1 else "conforms"
    named = {"case": f"{node} {precision}", "node": node, "precision": precision, "metrics": METRICS}
    return record(outcome, **(named | {"bounds": LIMITS, "needed": needed} | changes))


def fused(cosine=0.5, psnr=9.0, precision="int8-fp16", **changes):
    about = {"case": f"out {precision} fused", "node": "out", "mode": "fused", "precision": precision}
    found = Reached(cosine=cosine, psnr=psnr)
    about |= {"acceptance": Acceptance(cosine=0.99), "reached": found, "metrics": METRICS}
    return record("deviates" if cosine < 0.99 else "conforms", **(about | changes))


def proposed(*records, present=(), profile=""):
    return proposals(records, list(present), profile)


def filled(made):
    """Return waivers as a run reads them after a person has filled them in."""
    text = "\n\n".join("\n".join(waiver_text(item.waiver)) for item in made)
    text = text.replace('owner = ""', 'owner = "a person"').replace('expires = ""', "expires = 2030-01-01")
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "waivers.toml").write_text(text, encoding="utf-8")
        return read_waivers(Path(directory) / "waivers.toml")


NODES = st.sampled_from(["conv", "conv_1", "a/b", "c[0]", "d*", "e?", 'say "x"', "über\\x"])
CASES = st.dictionaries(
    st.tuples(NODES, st.sampled_from(["Mean", "Tanh"]), st.sampled_from(PRECISIONS)),
    st.sampled_from([0.5, 1.5, 3.0, 40.0, 2e5]),
    min_size=1,
    max_size=20,
)


@given(CASES)
def test_waivers_cover_what_deviates_and_nothing_else(found):
    operators = {node: op for node, op, _ in found}
    records = [
        own(node, times, precision, op=operators[node], case=f"{node}{precision}")
        for (node, precision), times in {
            (node, name): times for (node, _, name), times in found.items()
        }.items()
    ]
    made = proposed(*records)
    assert made.beyond == []
    if not made.made:
        assert all(item.outcome == "conforms" for item in records)
        return
    waivers = filled(made.made)
    ledger = WaiverLedger(waivers)
    for item in records:
        again = record_of(finding_of(item), ledger, simulated=True, case_id=item.case)
        assert again.outcome == ("waived" if item.outcome == "deviates" else "conforms")
        assert (again.waiver is None) == (again.outcome == "conforms")
    assert [waiver.idle_entries(map(case_of, records)) for waiver in waivers] == [[]] * len(waivers)


def test_one_waiver_for_nodes_that_deviate_alike():
    (made,) = proposed(own("a"), own("b"), own("a", 4.0, "int16-fp16"), own("b", 4.0, "int16-fp16")).made
    assert (made.waiver.nodes, made.waiver.precisions) == (["a", "b"], ["int8-fp16", "int16-fp16"])
    assert made.waiver.evidence == (
        "2 of 2 judged Tanh nodes deviate at int8-fp16 and int16-fp16, by 3 to 4 times their bound."
    )
    assert made.waiver.at_most == pytest.approx(8.0, rel=0.01)


def test_small_and_large_errors_have_waivers_of_their_own():
    made = proposed(own("a", 3.0), own("b", 300.0)).made
    assert [(item.waiver.nodes, item.waiver.id) for item in made] == [
        (["a"], "n-tanh-own"), (["b"], "n-tanh-own-2"),
    ]  # fmt: skip


def test_an_output_has_a_floor_and_its_timed_twin_the_same():
    (made,) = proposed(fused(), fused(case="out int8-fp16 fused-timed")).made
    assert (made.waiver.modes, made.waiver.at_most, len(made.records)) == (["fused"], None, 2)
    assert 0 < made.waiver.at_least.cosine < 0.5
    assert made.waiver.evidence.startswith("Reached: cosine 0.50000, 9.0 dB at int8-fp16.")


def test_calibration_has_evidence_too():
    (made,) = proposed(own(precision="int8", mode="calibration")).made
    assert made.waiver.evidence == "Scales that deviate: 1, by up to 3 times their bound."


def test_a_result_that_is_too_exact_has_a_ceiling_all_the_same():
    exact = msgspec.structs.replace(own(times=3.0), needed=ErrorValues(0.0, 0.0, 0.01, 0.0))
    (made,) = proposed(exact).made
    assert made.waiver.at_most == 2.0


def test_what_no_waiver_covers_is_named():
    records = (
        record("broken", case="crash"),
        record("deviates", case="nan", node="b"),
        fused(case="once"),
        fused(0.999, case="twice"),
        own("bound 0", bounds=ErrorValues(0, 0, 0, 0), needed=ErrorValues(1.5, 1, 1, 1), case="farther"),
    )
    found = proposed(*records)
    assert found.made == []
    assert [sentence.partition(":")[0] for sentence in found.beyond] == ["crash", "nan", "once", "farther"]
    assert "another result of it conforms" in found.beyond[2]


def test_what_a_present_waiver_should_cover_is_no_case_for_a_new_one():
    present = waiver(nodes=["a"], operators=None, precisions=["*"], at_most=2.0)
    said = "waiver 'means' does not cover this: it covers errors of up to 2 times their bound"
    found = proposed(own("a", reasons=["x", said]), own("b"), present=[present])
    assert ([item.waiver.nodes for item in found.made], found.beyond) == ([["b"]], [f"a int8-fp16: {said}"])


def test_ids_are_new_and_profiles_are_named():
    (made,) = proposed(own(), present=[waiver(id="n-tanh-own")], profile="mlu270").made
    assert (made.waiver.id, made.waiver.profile) == ("n-tanh-own-2", "mlu270")


@pytest.mark.parametrize(("name", "asked"), [("owner", "who gets"), ("expires", "the last day on which")])
def test_a_run_refuses_what_nobody_filled_in(tmp_path, name, asked):
    (made,) = proposed(own()).made
    text = "\n".join(waiver_text(made.waiver))
    other, value = ("expires", "2030-01-01") if name == "owner" else ("owner", '"a person"')
    (tmp_path / "waivers.toml").write_text(text.replace(f'{other} = ""', f"{other} = {value}"))
    with refused(f"waiver 'n-tanh-own' in .*waivers.toml has an empty {name}; write {asked}"):
        read_waivers(tmp_path / "waivers.toml")


def test_a_waiver_says_for_how_long():
    (made,) = proposed(own()).made
    (read,) = filled([made])
    assert read == msgspec.structs.replace(made.waiver, owner="a person", expires=dt.date(2030, 1, 1))
