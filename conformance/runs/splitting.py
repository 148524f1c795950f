"""How a run is split into shards: whole groups of cases, balanced by a cost that is the same on every host.

The cost is a model, not a measurement: it is made of the goldens' manifest alone, without TensorFlow. Its
unit is the time in which the emulator computes one element of a tensor.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

from conformance.evaluation.timing import EMULATED_ROUNDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.goldens import GoldenNode
    from conformance.runs.plan import NetworkPlan

NODE = 2**17
"""What a node costs however small it is, in elements: mostly that it is compiled.

Fitted to the three networks that come along: on two cores of an AMD EPYC, a session with the LSTM's 1503
small nodes took 1.4 s, one with the 265 nodes and 250 million elements of BeautyGAN 1.8 s.
"""
LEAST = 1
"""Cost of what no model knows, and of calibration, which most devices do not offer.

A shard gets it last, so that none holds nothing else unless there are more shards than other groups.
"""


def split(costs: Mapping[str, int], total: int) -> dict[str, int]:
    """Return the shard, from 1, of every group: the dearest first, each to the shard that has least so far.

    The result depends on names and costs alone, not on their order. No two shards differ by more than the
    dearest group; shards are empty only if there are more of them than groups.

    Args:
        costs: of every group, by name; each at least 1.
        total: how many shards there are.

    Source: R. L. Graham, "Bounds on multiprocessing timing anomalies", SIAM J. Appl. Math. 17 (1969).
    """
    loads = [(0, shard) for shard in range(1, min(total, len(costs)) + 1)]
    shards = {}
    for name in sorted(costs, key=lambda name: (-costs[name], name)):
        load, shards[name] = loads[0]
        heapq.heapreplace(loads, (load + costs[name], shards[name]))
    return shards


def group_cost(
    plan: NetworkPlan, mode: str | None, fixed_bits: int, *, timed: bool, rounds: int | None = None
) -> int:
    """Return what it costs to judge a group.

    Args:
        plan: the network.
        mode: of the group, if it has one.
        fixed_bits: width of its fixed-point numbers; wide ones are computed in two halves.
        timed: whether the fused network is timed, too.
        rounds: how often, where the user says so.
    """
    if mode not in ("own", "chained", "fused"):
        return LEAST
    rounds = rounds or EMULATED_ROUNDS
    nodes, judged = plan.manifest.nodes, set(plan.nodes)
    samples = plan.network.samples
    computed = _elements(nodes) * (samples + (rounds if timed else 0)) * (fixed_bits // 8)
    compared = 0 if mode == "fused" else _elements([node for node in nodes if node.name in judged]) * samples
    return NODE * len(nodes) + computed + compared


def _elements(nodes: list[GoldenNode]) -> int:
    """Return how many elements the nodes have on one sample."""
    return sum(math.prod(node.samples[0].shape) for node in nodes)
