"""Operators that the emulator composes of others: how their steps are stored, as the profile says."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import round_to_float
from conformance.graph.composing import composable
from conformance.graph.compositions import COMPOSITIONS, folded_batch_norm
from conformance.graph.operators import known

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.precision import Precision

    Tensor = Any


def compositions_of(
    graph: FrozenGraph, precision: Precision, profile: Profile, on_host: Collection[str]
) -> dict[str, Callable[[Node, Sequence[Tensor]], Tensor]]:
    """Return what makes the results of the nodes that are composed, by their names.

    Args:
        graph: the network.
        precision: the float type in which steps are stored.
        profile: says which steps are.
        on_host: nodes that the host computes in float32.
    """
    step = functools.partial(round_to_float, float_bits=precision.float_bits, profile=profile)
    return {
        name: functools.partial(_composition, profile=profile, step=step)
        for name in composable(graph)
        if known(graph.nodes[name].op).emulation == "composed" and name not in on_host
    }


def _composition(
    node: Node, inputs: Sequence[Tensor], *, profile: Profile, step: Callable[[Tensor], Tensor]
) -> Tensor:
    batch_norm = node.op.startswith("FusedBatchNorm")
    steps = profile.batch_norm_steps if batch_norm else profile.resize_steps
    compose = folded_batch_norm if steps == "folded" else COMPOSITIONS[node.op]
    return compose(node, inputs, _as_it_is if steps == "exact" else step)


def _as_it_is(step: Tensor) -> Tensor:
    return step
