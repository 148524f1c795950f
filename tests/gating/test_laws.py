"""Laws of transitions and drift, whatever the runs hold."""

import types
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from support.made_runs import own

from conformance.gating.drift import drifts
from conformance.gating.outcomes import GRAVITY, transitions
from conformance.gating.reproducibility import irreproducible
from conformance.gating.sides import Side

NODES = ("a", "b", "c")
OUTCOMES = ("conforms", "waived", "deviates", "broken", "unsupported")


def made(node, outcome, error):
    bare = {"metrics": None, "needed": None, "sha256": []} if outcome in ("broken", "unsupported") else {}
    return own(node, "Mean", "int8-fp16", error=error, outcome=outcome, **bare)


RECORDS = st.builds(
    lambda outcome, error: (outcome, error), st.sampled_from(OUTCOMES), st.sampled_from((0.5, 0.7, 5.0))
)
RUNS = st.lists(st.dictionaries(st.sampled_from(NODES), RECORDS, min_size=1), min_size=1, max_size=3)


def side(name, runs):
    """Return a side of runs that are not on disk."""
    return Side(
        name,
        Path(name),
        [
            types.SimpleNamespace(
                path=Path(f"{name}/{place}"),
                records=[made(node, *record) for node, record in run.items()],
                environment=types.SimpleNamespace(networks=[types.SimpleNamespace(name="n")]),
                cards=[""],
            )
            for place, run in enumerate(runs)
        ],
    )


@given(RUNS, RUNS)
def test_every_case_has_at_most_one_transition_and_all_are_in_order(before, after):
    found = transitions(side("baseline", before), side("candidate", after))
    assert len({item.case for item in found}) == len(found)
    places = [GRAVITY.index(item.change) for item in found]
    assert places == sorted(places)
    for item in found:
        assert (item.decides == "nothing") <= (item.change in ("appeared", "fixed", "still failing"))
        assert item.said.startswith(item.case)


@given(RUNS)
def test_a_candidate_like_its_baseline_is_never_to_blame_but_for_what_is_unstable(runs):
    found = transitions(side("baseline", runs), side("candidate", runs))
    assert {item.change for item in found} <= {"still failing", "unstable", "disappeared"}
    everywhere = set.intersection(*(set(run) for run in runs))
    assert {item.node for item in found if item.change == "disappeared"}.isdisjoint(everywhere)


@given(
    st.dictionaries(st.sampled_from(NODES), RECORDS, min_size=1),
    st.dictionaries(st.sampled_from(NODES), RECORDS),
)
def test_what_passes_in_the_baseline_and_not_in_the_candidate_is_always_found(before, after):
    after = before | after
    found = {item.node: item for item in transitions(side("baseline", [before]), side("candidate", [after]))}
    for node, (outcome, _) in before.items():
        if outcome == "conforms" and after[node][0] != "conforms":
            assert (found[node].change, found[node].decides) == ("regressed", "accuracy")
        if outcome == after[node][0] == "conforms":
            assert node not in found


@given(RUNS, RUNS)
def test_drift_turns_its_sign_when_the_sides_are_swapped(before, after):
    one = {item.case: item for item in drifts(side("baseline", before), side("candidate", after))[1]}
    other = {item.case: item for item in drifts(side("baseline", after), side("candidate", before))[1]}
    assert one.keys() == other.keys()
    for case, item in one.items():
        assert item.changed == other[case].changed
        if item.drift is not None:
            assert other[case].drift == -item.drift


@given(RUNS)
def test_equal_bits_neither_drift_nor_are_irreproducible(runs):
    first = [runs[0]] * 3
    sides = side("baseline", first), side("candidate", first)
    assert drifts(*sides)[1] == []
    assert irreproducible(*sides) == []
