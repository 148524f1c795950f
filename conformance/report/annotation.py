"""A frozen graph that says what a run found: outcomes and errors as attributes of the judged nodes.

TensorFlow takes attributes that it does not know when their names begin with an underscore, and ignores
them; Netron shows them beside the node's own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError, near_names
from conformance.graph.editing import portable
from conformance.judging.bounds import excess
from conformance.judging.cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.runs.records import Record

PREFIX = "_conformance"
SEVEREST_FIRST = ("broken", "deviates", "waived", "unsupported", "unmodelled", "measured", "conforms")
ERRORS = ("max_abs", "mse", "worst_channel_mse", "cosine_distance")
LARGEST_FLOAT = float(np.finfo(np.float32).max)
COSINE_DIGITS = 7

Value = str | float | list[str]


def annotated(
    graph: FrozenGraph, records: Sequence[Record], source: str, graph_sha256: str | None = None
) -> FrozenGraph:
    """Return ``graph`` with what ``records`` say of a node in the node's attributes.

    ``_conformance`` sums up; ``_conformance_int8_fp16_own`` is one record in words, and the same name with
    ``_max_abs``, ``_mse``, ``_worst_channel_mse``, ``_cosine_distance`` and ``_excess`` (error over bound, as
    amplitudes) are its numbers, rounded to float32; ``_reasons`` are its sentences. The GraphDef is one that
    older versions of TensorFlow read, too.

    Args:
        graph: the network that was judged.
        records: at least one; all of this network.
        source: the run, for errors.
        graph_sha256: the SHA-256 of the graph that was judged, where it is known.

    Raises:
        UsageError: there is no record, or one of a node that the graph does not have, or has otherwise; or
            another graph was judged.
    """
    if not records:
        raise UsageError(f"run {source} judged nothing, so there is nothing to annotate")
    if graph_sha256 not in (None, graph.sha256):
        raise UsageError(
            f"run {source} judged another graph (sha256 {graph_sha256:.12}, {graph.source} has "
            f"{graph.sha256:.12}); annotate the graph that was judged"
        )
    by_node: dict[str, list[Record]] = {}
    for record in records:
        _require_node(graph, record, source)
        by_node.setdefault(record.node, []).append(record)
    plain = portable(graph)
    for node in plain.nodes.values():
        _annotate(node, attributes(by_node.get(node.name, [])))
    return plain


def attributes(records: Sequence[Record]) -> dict[str, Value]:
    """Return the attributes of one node; none without records."""
    if not records:
        return {}
    values: dict[str, Value] = {PREFIX: _summary(records)}
    for record in records:
        name = _attribute_name(record)
        values[name] = in_words(record)
        values |= {f"{name}_{key}": number for key, number in _numbers(record).items()}
        if record.reasons:
            values[f"{name}_reasons"] = record.reasons
    return values


def in_words(record: Record) -> str:
    """Return outcome and errors: ``deviates: 2.39e+03 x bound, max_abs 0.31, mse 0.01, cosine 0.98``."""
    outcome = f"waived by {record.waiver}" if record.outcome == "waived" else record.outcome
    texts = _measured(record) or [*record.reasons, *record.notes]
    texts = [*texts, record.unmodelled] if record.unmodelled else texts
    return f"{outcome}: {', '.join(texts)}" if texts else outcome


def _measured(record: Record) -> list[str]:
    """Return the errors of a record, with the error over the bound first."""
    if record.metrics is None:
        return []
    texts = [] if record.bounds is None else [f"{excess(record.needed, record.bounds):.3g} x bound"]
    texts += [f"max_abs {record.metrics.max_abs:.3g}", f"mse {record.metrics.mse:.3g}"]
    texts.append(f"cosine {_cosine(record.metrics.cosine_distance)}")
    return texts if record.reached is None else [*texts, *record.reached.in_words[1:]]


def _cosine(distance: float | None) -> str:
    """Return a cosine; one that would round to 1 as its distance from it."""
    if distance is None:
        return "undefined"
    near = 0 < distance < 10.0**-COSINE_DIGITS
    return f"1 - {distance:.3g}" if near else f"{1 - distance:.{COSINE_DIGITS}f}"


def _numbers(record: Record) -> dict[str, float]:
    """Return the errors of a record that are known; what float32 cannot hold is its largest number."""
    if record.metrics is None:
        return {}
    found = {name: getattr(record.metrics, name) for name in ERRORS}
    if record.bounds is not None:
        found["excess"] = excess(record.needed, record.bounds)
    return {name: min(value, LARGEST_FLOAT) for name, value in found.items() if value is not None}


def _summary(records: Iterable[Record]) -> str:
    """Return who judged, and at which precisions and modes what came out, the worst first."""
    by_outcome: dict[str, list[str]] = {}
    devices: dict[str, None] = {}
    for record in records:
        by_outcome.setdefault(record.outcome, []).append(f"{record.precision} {record.mode}")
        devices[f"{'SIMULATED ' if record.simulated else ''}{record.device}".strip()] = None
    outcomes = [
        f"{outcome} at {', '.join(dict.fromkeys(by_outcome[outcome]))}"
        for outcome in SEVEREST_FIRST
        if outcome in by_outcome
    ]
    judges = ", ".join(filter(None, devices))
    return f"{judges}: {'; '.join(outcomes)}" if judges else "; ".join(outcomes)


def _attribute_name(record: Record) -> str:
    """Return ``_conformance_int8_fp16_own``; then what the id says beyond the case: ``_timed``."""
    case = str(Case(**{name: getattr(record, name) for name in Case.__struct_fields__}))
    return re.sub(r"\W+", "_", f"{PREFIX}_{record.precision}_{record.mode}{record.case.removeprefix(case)}")


def _annotate(node: Node, values: Mapping[str, Value]) -> None:
    for name, value in values.items():
        attribute: Any = node.attr[name]
        if isinstance(value, str):
            attribute.s = value.encode()
        elif isinstance(value, list):
            attribute.list.s.extend(text.encode() for text in value)
        else:
            attribute.f = value


def _require_node(graph: FrozenGraph, record: Record, source: str) -> None:
    """Raise UsageError unless the judged node is in the graph with the operator that it had."""
    node = graph.nodes.get(record.node)
    if node is None:
        raise UsageError(
            f"run {source} judged node {record.node!r}, which {graph.source} does not have"
            f"{near_names(record.node, list(graph.nodes))}; annotate the graph that was judged"
        )
    if node.op != record.op:
        raise UsageError(
            f"run {source} judged node {record.node!r} as {record.op}, but in {graph.source} it is "
            f"{node.op}; annotate the graph that was judged"
        )
