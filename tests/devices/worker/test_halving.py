"""Halving: for any graph and any culprits, these are found, all else has results, and few parts are run."""

from __future__ import annotations

import dataclasses
import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.devices.base import DeviceLost, Unsupported
from conformance.devices.worker.halving import MOST_ALONE, SurvivingSession
from conformance.errors import DeviceError, UsageError
from conformance.graph.editing import placeholder, plain
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow

FEEDS = {"x": np.ones(1, np.float32)}


def graph_of(parents):
    """Return a graph with these nodes, each with its parents, in the order of the mapping."""
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef()
    graph_def.node.append(placeholder("x", tf.float32, (1,)))
    for name, needs in parents.items():
        node = plain(name, "AddN", ["x", *needs], T=tf.float32)
        node.attr["N"].i = 1 + len(needs)
        graph_def.node.append(node)
    return FrozenGraph.of(graph_def, list(parents))


def chain(length):
    return {f"n{index}": [f"n{index - 1}"] if index else [] for index in range(length)}


def independent(length):
    return {f"n{index}": [] for index in range(length)}


@dataclasses.dataclass
class Card:
    """Breaks as it is told, and counts.

    Attributes:
        breaks: given a part and "open" or "run", what to raise, or None.
        says: what each part says of itself: notes, problems, incidents.
    """

    breaks: object = lambda *_: None
    says: dict = dataclasses.field(default_factory=dict)
    parts: list = dataclasses.field(default_factory=list)
    opened: int = 0
    runs: int = 0
    failures: int = 0

    def part(self, graph, fetches):
        self.parts.append(FakePart(self, graph, tuple(fetches)))
        return self.parts[-1]

    @property
    def left_open(self):
        return [part.fetches for part in self.parts if part.is_open]


class FakePart:
    def __init__(self, card, graph, fetches):
        self.card, self.graph, self.fetches, self.is_open = card, graph, fetches, False
        self.notes, self.problems, self.incidents = (), {}, ()

    def open(self):
        self._break("open")
        self.card.opened += not self.is_open
        self.is_open = True

    def run(self, feeds):
        self.open()
        self.card.runs += 1
        self._break("run", feeds)
        vars(self).update(self.card.says)
        return {name: np.array([len(name)]) for name in self.fetches}, 0.5

    def close(self):
        was_open, self.is_open = self.is_open, False
        if was_open:
            self._break("close")

    def _break(self, at, feeds=None):
        error = self.card.breaks(self, at, feeds)
        if error is not None:
            self.card.failures += 1
            raise error


def killers(*names, at="run", error=DeviceError, only_fetched=False):
    """Return a card that breaks when one of these is executed, or only when it is fetched."""

    def breaks(part, when, _):
        there = set(part.fetches) if only_fetched else set(part.graph.nodes)
        return error("was ended by SIGSEGV") if when == at and there & set(names) else None

    return Card(breaks)


def needing(parents, names):
    """Return what needs any of these nodes, by a traversal of its own."""
    edges = nx.DiGraph([(parent, name) for name, needs in parents.items() for parent in needs])
    return {one for name in names if name in edges for one in nx.descendants(edges, name)}


@st.composite
def networks(draw):
    """Draw a graph, the fetched nodes in any order, and some of them that break the device."""
    size = draw(st.integers(1, 24))
    parents = {
        f"n{index}": [f"n{parent}" for parent in draw(st.sets(st.integers(0, index - 1), max_size=2))]
        if index
        else []
        for index in range(size)
    }
    order = draw(st.permutations(list(parents)))
    fetches = draw(st.permutations(draw(st.lists(st.sampled_from(order), min_size=1, unique=True))))
    culprits = draw(st.sets(st.sampled_from(fetches), max_size=MOST_ALONE - 1))
    return {name: parents[name] for name in order}, fetches, culprits


@settings(deadline=None, max_examples=150)
@given(networks(), st.sampled_from(["open", "run"]), st.booleans(), st.integers(1, 3))
def test_exactly_the_culprits_and_what_needs_them_have_no_results(network, at, only_fetched, samples):
    parents, fetches, culprits = network
    card = killers(*culprits, at=at, only_fetched=only_fetched)
    with SurvivingSession(graph_of(parents), fetches, card.part) as session:
        for _ in range(samples):
            results = session.run(FEEDS)
        lost = (culprits | needing(parents, culprits)) & set(fetches)
        assert session.problems.keys() == lost
        assert results.keys() == set(fetches) - lost
    assert session.incidents == []
    assert card.left_open == []
    assert {name for name, error in session.problems.items() if str(error).endswith("SIGSEGV")} == lost
    for name in lost - culprits:
        assert str(session.problems[name]).startswith("not run, because it needs n")
    halvings = math.ceil(math.log2(len(fetches))) + 1 if fetches else 1
    assert card.failures <= len(culprits) * halvings
    assert len(card.parts) <= 1 + (3 * len(culprits) + 1) * halvings


@settings(deadline=None, max_examples=100)
@given(networks(), st.integers(1, 8))
def test_a_failure_of_the_moment_is_never_silent(network, moment):
    parents, fetches, _ = network
    occasions = iter(range(1, 10_000))

    def breaks(_, at, __):
        return DeviceError("gone") if at == "run" and next(occasions) == moment else None

    card = Card(breaks)
    with SurvivingSession(graph_of(parents), fetches, card.part) as session:
        results = [session.run(FEEDS) for _ in range(3)][-1]
    assert results.keys() == set(fetches) - session.problems.keys()
    assert bool(session.incidents or session.problems) == (card.failures > 0)
    assert card.left_open == []


@pytest.mark.parametrize(("most", "smallest"), [(1, 2), (2, 4), (3, 4), (15, 16)])
def test_a_device_that_cannot_do_much_at_once_has_incidents_and_no_culprits(most, smallest):
    card = Card(lambda part, at, _: DeviceError("gone") if at == "run" and len(part.fetches) > most else None)
    names = independent(16)
    with SurvivingSession(graph_of(names), list(names), card.part) as session:
        assert session.run(FEEDS).keys() == names.keys()
    assert session.problems == {}
    sentence = (
        f"the device broke while {smallest} nodes ran at once, and not again when they were halved: gone"
    )
    assert session.incidents == [sentence] * (16 // smallest)


def test_a_culprit_explains_a_failure_but_not_one_that_it_had_no_part_in():
    def breaks(part, at, _):
        return (
            DeviceError("gone")
            if at == "run" and ("n0" in part.graph.nodes or len(part.fetches) > 3)
            else None
        )

    names = independent(8)
    with SurvivingSession(graph_of(names), list(names), Card(breaks).part) as session:
        assert session.run(FEEDS).keys() == names.keys() - {"n0"}
    assert len(session.incidents) == 1
    assert "while 4 nodes ran at once" in session.incidents[0]


def test_an_unsupported_node_does_not_explain_a_crash():
    crashes = iter([DeviceError("gone")])

    def breaks(part, at, _):
        if at != "run":
            return None
        if error := next(crashes, None):
            return error
        return Unsupported("no n0") if "n0" in part.graph.nodes else None

    names = independent(4)
    with SurvivingSession(graph_of(names), list(names), Card(breaks).part) as session:
        assert session.run(FEEDS).keys() == names.keys() - {"n0"}
    assert isinstance(session.problems["n0"], Unsupported)
    assert len(session.incidents) == 1


def test_what_needs_an_unsupported_node_is_unsupported_and_no_incident():
    card = killers("n2", at="run", error=Unsupported)
    parents = chain(5)
    with SurvivingSession(graph_of(parents), list(parents), card.part) as session, pytest.raises(Unsupported):
        session.run(FEEDS)  # all at once: the device declares it of the whole
    crashed = killers("n0", at="open", only_fetched=True)

    def breaks(part, at, feeds):
        refused = Unsupported("no n3") if at == "run" and "n3" in part.graph.nodes else None
        return crashed.breaks(part, at, feeds) or refused

    names = independent(3) | {"n3": [], "n4": ["n3"]}
    with SurvivingSession(graph_of(names), list(names), Card(breaks).part) as session:
        assert session.run(FEEDS).keys() == {"n1", "n2"}
    assert {name for name, error in session.problems.items() if isinstance(error, Unsupported)} == {
        "n3",
        "n4",
    }
    assert session.incidents == []


@pytest.mark.parametrize("error", [Unsupported("no int8"), DeviceLost("lost"), UsageError("no such node")])
def test_what_the_device_says_of_everything_when_it_compiles_is_passed_on(error):
    card = Card(lambda *_: error)
    with pytest.raises(type(error), match=str(error)):
        SurvivingSession(graph_of(chain(4)), ["n0", "n3"], card.part)
    assert len(card.parts) == 1


@pytest.mark.parametrize("moment", [1, 2, 4])
@pytest.mark.parametrize("error", [DeviceLost("lost"), KeyboardInterrupt()])
def test_what_ends_a_run_leaves_no_part_open(error, moment):
    inner = killers("n5")
    runs = iter(range(1, 100))

    def breaks(part, at, feeds):
        if at == "run" and next(runs) == moment:
            return error
        return inner.breaks(part, at, feeds)

    card, names = Card(breaks), independent(8)
    with pytest.raises(type(error)), SurvivingSession(graph_of(names), list(names), card.part) as session:
        session.run(FEEDS)
    assert card.left_open == []


def test_a_device_on_which_nothing_runs_is_not_tried_for_ever():
    names = independent(64)
    card = killers(*names)
    with SurvivingSession(graph_of(names), list(names), card.part) as session:
        assert session.run(FEEDS) == {}
    assert session.problems.keys() == names.keys()
    untried = [error for error in session.problems.values() if "8 others failed one by one" in str(error)]
    assert len(untried) == 64 - MOST_ALONE
    assert session.incidents == []
    assert card.runs <= 2 * MOST_ALONE + 6


def test_where_anything_runs_every_culprit_is_looked_for():
    names = independent(64)
    culprits = [f"n{index}" for index in range(1, 64, 2)]
    with SurvivingSession(graph_of(names), list(names), killers(*culprits).part) as session:
        assert session.run(FEEDS).keys() == names.keys() - set(culprits)


def test_a_culprit_of_the_second_sample_alone_is_found_then():
    def breaks(part, at, feeds):
        return (
            DeviceError("gone") if at == "run" and feeds["x"][0] == 2 and "n1" in part.graph.nodes else None
        )

    parents = chain(4)
    card = Card(breaks)
    with SurvivingSession(graph_of(parents), list(parents), card.part) as session:
        assert session.run(FEEDS).keys() == parents.keys()
        assert session.run({"x": np.array([2.0])}).keys() == {"n0"}
        assert session.run(FEEDS).keys() == {"n0"}
    assert session.problems.keys() == {"n1", "n2", "n3"}
    assert card.left_open == []


def test_a_part_that_is_dropped_in_a_later_run_is_closed():
    def breaks(part, at, feeds):
        too_much = len(part.fetches) > 2
        culprit = at == "run" and feeds["x"][0] == 2 and "n0" in part.graph.nodes
        return DeviceError("gone") if at == "run" and (too_much or culprit) else None

    card, parents = Card(breaks), chain(4)
    session = SurvivingSession(graph_of(parents), list(parents), card.part)
    assert session.run(FEEDS).keys() == parents.keys()
    assert card.left_open == [("n0", "n1"), ("n2", "n3")]
    assert session.run({"x": np.array([2.0])}) == {}
    assert card.left_open == []


def test_good_parts_are_compiled_once_and_kept():
    names = independent(8)
    card = killers("n7")
    with SurvivingSession(graph_of(names), list(names), card.part) as session:
        session.run(FEEDS)
        opened = card.opened
        session.run(FEEDS)
        assert card.opened == opened
        assert session.device_seconds == 0.5 * 3
        assert session.notes == ("compiled in 3 parts",)


def test_what_parts_say_of_themselves_is_said_once():
    card = Card(
        says={"notes": ("stock",), "incidents": ("it smoked",), "problems": {"n1": Unsupported("no")}}
    )
    names = independent(2)
    with SurvivingSession(graph_of(names), list(names), card.part, ["a card"]) as session:
        session.run(FEEDS)
        session.run(FEEDS)
        assert session.notes == ("a card", "stock")
    assert session.incidents == ["it smoked"]
    assert session.problems.keys() == {"n1"}


def test_a_device_that_breaks_when_it_closes_a_session_has_an_incident():
    card = Card(lambda _, at, __: DeviceError("gone") if at == "close" else None)
    names = independent(2)
    with SurvivingSession(graph_of(names), list(names), card.part) as session:
        session.run(FEEDS)
    session.close()
    assert session.incidents == ["the device broke while it closed a session: gone"]


def test_a_culprit_that_depends_on_no_input_is_blamed_like_any_other():
    tf = tensorflow()
    graph = graph_of({"n0": []})
    extra = tf.compat.v1.GraphDef()
    extra.CopyFrom(graph.copied_graph_def())
    extra.node.append(plain("lonely", "NoOp", []))
    extra.node.append(plain("after", "Identity", ["n0", "^lonely"], T=tf.float32))
    graph = FrozenGraph.of(extra, ["n0", "lonely", "after"])
    with SurvivingSession(graph, ["after", "n0", "lonely"], killers("lonely").part) as session:
        assert session.run(FEEDS).keys() == {"n0"}
    assert str(session.problems["after"]).startswith("not run, because it needs lonely")
