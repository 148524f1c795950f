"""Naive calibration: the extremes of every fixed-point input and filter, over all samples."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError
from conformance.graph.composing import reference_graph
from conformance.graph.dataflow import unobservable
from conformance.graph.editing import reduced
from conformance.graph.execution import GraphRunner
from conformance.graph.functions import with_called
from conformance.graph.operators import FIXED_POINT, FLOAT_PRODUCTS, PRODUCT_SUMS, known
from conformance.graph.own_scales import own_scales
from conformance.quantization.parameter_file import QuantizationScales, as_written, check_against
from conformance.quantization.scale_rules import LARGEST, RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.quantization.scale_rules import End

RANGE_PREFIX = "calibration/"
SHOWN = 3
"""How many operators a sentence names."""
OF_ZEROS = 1.0
"""The largest magnitude for which zeros are scaled."""
ENDS = {"/low": "Min", "/high": "Max"}
"""The extremes of a tensor: what their nodes are called, and their operators."""


class Magnitudes(dict[str, float]):
    """The largest magnitude of every quantised tensor, by its key in the parameter file.

    Attributes:
        own: scales that the graph itself brings along, by width and key: these are not calibrated.
        negative: keys of tensors whose largest magnitude is that of a negative value alone.
    """

    own: Mapping[int, Mapping[str, float]] = MappingProxyType({})
    negative: frozenset[str] = frozenset()

    @property
    def zero(self) -> tuple[str, ...]:
        """Keys of tensors that are zero on all samples."""
        return tuple(key for key, value in self.items() if value == 0)

    @property
    def told(self) -> str:
        """What is to be known of scales that no value decides, or ''."""
        if not self.zero:
            return ""
        more = f" and {len(self.zero) - 1} more" if self.zero[1:] else ""
        return f"{self.zero[0]}{more} zero on all samples: a scale for values up to {OF_ZEROS:g}"


def quantized_tensors(graph: FrozenGraph, operators: frozenset[str] = PRODUCT_SUMS) -> dict[str, str]:
    """Return the tensor behind each key of the parameter file: ``<node>/input`` and ``<node>/filter``.

    Args:
        graph: the network.
        operators: whose tensors.
    """
    tensors = {}
    for node in graph.nodes.values():
        if node.op in operators:
            for which, position in zip(("input", "filter"), known(node.op).data_arguments, strict=True):
                tensors[f"{node.name}/{which}"] = node.input[position]
    return tensors


def hidden_operators(graph: FrozenGraph) -> list[str]:
    """Return the fixed-point operators inside TensorFlow 1 loops and branches, in graph order.

    Their values cannot be seen, so that they cannot be calibrated, and Cambricon's fork of TensorFlow leaves
    them to the host, which computes them in float. A parameter file of the user's own may have their scales.
    """
    hidden = unobservable(graph)
    return [name for name, node in graph.nodes.items() if name in hidden and node.op in PRODUCT_SUMS]


def calibrated_tensors(graph: FrozenGraph) -> dict[str, str]:
    """Return the tensor behind each key of a parameter file that is calibrated; others cannot be seen."""
    hidden = set(hidden_operators(graph))
    return {
        key: tensor
        for key, tensor in quantized_tensors(graph).items()
        if key.rpartition("/")[0] not in hidden
    }


def told_loops(graph: FrozenGraph) -> list[str]:
    """Return what is to be known of the fixed-point operators in loops and branches, as sentences."""
    told = []
    if hidden := hidden_operators(graph):
        told.append(
            f"{_listed(hidden)} inside a TensorFlow 1 loop or branch: not quantised, but computed in float "
            "on the host, as Cambricon's fork of TensorFlow does; unroll the loop to have it in fixed point"
        )
    if callers := _callers(graph):
        told.append(
            f"{_listed(callers)} with a convolution or matmul inside: not quantised, but computed in float, "
            "and not modelled; unroll the loop or inline the function to have it in fixed point"
        )
    return told


def _callers(graph: FrozenGraph) -> list[str]:
    """Return the nodes that call functions with fixed-point operators, such as a loop of TensorFlow 2."""
    return [
        f"{name} ({node.op})"
        for name, node in (graph.nodes.items() if graph.library.function else ())
        if node.op not in PRODUCT_SUMS and any(part.op in FIXED_POINT for part in with_called(graph, [node]))
    ]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if names[SHOWN:] else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def check_scales(
    scales: QuantizationScales, graph: FrozenGraph, source: str, remedy: str = "calibrate again"
) -> None:
    """Check that there is a scale for every fixed-point tensor of the graph and for no other.

    A depthwise convolution may go without: not every stack takes it in fixed point. So may what lies inside a
    TensorFlow 1 loop or branch.

    Args:
        scales: what was read.
        graph: the network.
        source: where ``scales`` come from, for the errors.
        remedy: what to do, for the errors.

    Raises:
        UsageError: a scale belongs to no tensor of the graph, or a tensor has none; the error names the line.
    """
    must = calibrated_tensors(graph).keys() - quantized_tensors(graph, FLOAT_PRODUCTS).keys()
    check_against(
        scales,
        [key for key in quantized_tensors(graph) if key in must or key in scales.scales],
        source,
        remedy,
    )


def largest_magnitudes(
    graph: FrozenGraph, samples: Iterable[Mapping[str, np.ndarray[Any, Any]]]
) -> Magnitudes:
    """Return max|x| of each quantised tensor over ``samples``, computed in float64 on the CPU.

    Args:
        graph: the network.
        samples: feeds, one mapping per sample.
    """
    tensors = calibrated_tensors(graph)
    if not tensors:
        return Magnitudes()
    wide, _ = reference_graph(graph)
    ranges = [node for key, tensor in tensors.items() for node in _range_nodes(key, tensor)]
    fetches = [f"{RANGE_PREFIX}{key}{end}" for key in tensors for end in ENDS]
    measuring = wide.replaced([*wide.nodes.values(), *ranges], outputs=fetches).prune(fetches)
    run = GraphRunner(measuring, fetches)
    extremes = dict.fromkeys(tensors, (0.0, 0.0))
    for feeds in samples:
        results = run({name: feeds[name] for name in run.feeds})
        # NumPy's maximum, unlike Python's, hands on a NaN
        for key, (low, high) in extremes.items():
            found = [results[f"{RANGE_PREFIX}{key}{end}"] for end in ENDS]
            extremes[key] = float(np.minimum(low, found[0])), float(np.maximum(high, found[1]))
    largest = Magnitudes({key: float(np.maximum(high, -low)) for key, (low, high) in extremes.items()})
    largest.negative = frozenset(key for key, (low, high) in extremes.items() if -low > high)
    largest.own = own_scales(graph)
    return largest


def calibrate(largest: Mapping[str, float], bits: int, rule: str = LARGEST) -> QuantizationScales:
    """Return the naive scales, to the digits that the parameter file keeps.

    Where the graph itself brought a scale of this width along, that is the scale. A tensor that is zero
    on all samples (the first state of a loop, what a ReLU shut off) is zero at every scale: it has that of
    values up to 1.

    Args:
        largest: the largest magnitudes.
        bits: fixed-point bits, 8 or 16.
        rule: of :data:`conformance.quantization.scale_rules.RULES`.

    Raises:
        UsageError: a tensor is not finite on some sample, so that it has no scale.
    """
    measured = largest if isinstance(largest, Magnitudes) else Magnitudes(largest)
    own, scale = measured.own.get(bits, {}), RULES[rule].scale
    scales = {}
    for key, value in largest.items():
        end: End = "min" if key in measured.negative else "max"
        try:
            scales[key] = as_written(own[key] if key in own else scale(value or OF_ZEROS, end, bits))
        except ValueError as error:
            raise UsageError(
                f"{key!r} cannot be quantised: max|x| is {value} over all samples ({error})"
            ) from error
    return QuantizationScales(bits=bits, scales=scales)


def _range_nodes(key: str, tensor: str) -> list[Node]:
    """Return nodes that reduce ``tensor`` to its extremes."""
    name = RANGE_PREFIX + key
    return [node for end, op in ENDS.items() for node in reduced(f"{name}{end}", op, tensor, "float64")]
