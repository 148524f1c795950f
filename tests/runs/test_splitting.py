"""The split of a run: every group in one shard, the same on every host, balanced; and the model of costs."""

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.runs.splitting import LEAST, NODE, group_cost, split

COSTS = st.dictionaries(st.text(max_size=3), st.integers(1, 10**12), max_size=30)
TOTALS = st.integers(1, 40)


@given(COSTS, TOTALS)
def test_every_group_is_in_one_shard_that_there_is(costs, total):
    shards = split(costs, total)
    assert shards.keys() == costs.keys()
    assert all(1 <= shard <= total for shard in shards.values())


@given(COSTS, TOTALS, st.randoms())
def test_the_order_of_groups_does_not_matter(costs, total, random):
    names = list(costs)
    random.shuffle(names)
    assert split({name: costs[name] for name in names}, total) == split(costs, total)


@given(COSTS, TOTALS)
def test_loads_differ_by_the_dearest_group_at_most(costs, total):
    loads = dict.fromkeys(range(1, total + 1), 0)
    for name, shard in split(costs, total).items():
        loads[shard] += costs[name]
    assert max(loads.values()) - min(loads.values()) <= max(costs.values(), default=0)


@given(COSTS, TOTALS)
def test_a_shard_is_empty_only_if_there_are_more_shards_than_groups(costs, total):
    assert len(set(split(costs, total).values())) == min(total, len(costs))


def test_no_number_of_shards_is_too_large():
    assert split({"a": 1, "b": 2}, 10**9) == {"b": 1, "a": 2}


def test_groups_that_cost_the_same_go_by_name():
    assert split(dict.fromkeys("dbca", 5), 2) == {"a": 1, "b": 2, "c": 1, "d": 2}


def plan(shapes, judged, samples=2):
    """Return a network with nodes of these shapes, of which some are judged."""
    nodes = [
        types.SimpleNamespace(name=name, samples=[types.SimpleNamespace(shape=shape)])
        for name, shape in shapes.items()
    ]
    return types.SimpleNamespace(
        manifest=types.SimpleNamespace(nodes=nodes),
        nodes=judged,
        network=types.SimpleNamespace(samples=samples),
    )


PLAN = plan({"a": (1, 10, 10, 3), "b": (1, 7), "c": ()}, ["a"])
COMPUTED, JUDGED = 300 + 7 + 1, 300


@pytest.mark.parametrize("mode", ["own", "chained"])
def test_judging_nodes_costs_what_is_computed_and_what_is_compared(mode):
    assert group_cost(PLAN, mode, 8, timed=False) == 3 * NODE + 2 * COMPUTED + 2 * JUDGED
    assert group_cost(PLAN, mode, 16, timed=False) == 3 * NODE + 4 * COMPUTED + 2 * JUDGED


def test_timed_runs_of_one_sample_come_on_top():
    assert group_cost(PLAN, "fused", 8, timed=False) == 3 * NODE + 2 * COMPUTED
    assert group_cost(PLAN, "fused", 8, timed=True) == 3 * NODE + 7 * COMPUTED
    assert group_cost(PLAN, "fused", 8, timed=True, rounds=20) == 3 * NODE + 22 * COMPUTED


@pytest.mark.parametrize("mode", ["calibration", ""])
def test_what_no_model_knows_is_put_into_shards_last(mode):
    assert group_cost(PLAN, mode, 16, timed=False) == LEAST
    costs = {name: group_cost(PLAN, name, 8, timed=False) for name in ("own", "chained", "fused", mode)}
    shards = split(costs, 3)
    assert shards[mode] in {shards[name] for name in ("own", "chained", "fused")}


def test_more_elements_nodes_or_samples_cost_more():
    base = group_cost(PLAN, "own", 8, timed=False)
    for dearer in (
        plan({"a": (1, 10, 10, 4), "b": (1, 7), "c": ()}, ["a"]),
        plan({"a": (1, 10, 10, 3), "b": (1, 7), "c": (), "d": ()}, ["a"]),
        plan({"a": (1, 10, 10, 3), "b": (1, 7), "c": ()}, ["a"], samples=3),
        plan({"a": (1, 10, 10, 3), "b": (1, 7), "c": ()}, ["a", "b"]),
    ):
        assert group_cost(dearer, "own", 8, timed=False) > base
