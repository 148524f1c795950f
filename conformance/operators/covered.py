"""What the tests of operators cover: by operator and precision, and of a network."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from conformance import locations
from conformance.devices.emulator.profile import read_profile
from conformance.devices.emulator.rewrite import emulate
from conformance.expected.ranges import limits_of
from conformance.graph.operators import OPERATORS, SOURCES, known
from conformance.graph.retype import attribute
from conformance.operators.batch import BatchNetwork
from conformance.operators.search import SEED, batches
from conformance.operators.table import EDGES, TESTS
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from conformance.graph.frozen import FrozenGraph, Node
    from conformance.operators.case import OperatorCase
    from conformance.precision import Precision

LOOKED_AT = 12
"""Batches that are drawn to see which values attributes have."""
INERT = frozenset({"data_format", "explicit_paddings", "use_cudnn_on_gpu", "shape", "value", "dtype", "N"})
"""Attributes that say nothing where they have their default, or how many operands there are."""
PROFILE = "mlu270"


@dataclasses.dataclass(frozen=True)
class CoveredOperator:
    """What is known of an operator.

    Attributes:
        name: of its test, or the operator type where there is none.
        op: the operator type.
        tested: whether there is a test.
        modelled: the precisions at which the emulator models it.
        limits: names of documented limits, by precision.
    """

    name: str
    op: str
    tested: bool
    modelled: tuple[str, ...]
    limits: dict[str, list[str]]


def covered() -> list[CoveredOperator]:
    """Return every operator that is tested, then those that the emulator knows and no test has."""
    first = _first_cases()
    modelled = _modelled(first)
    tested = [_of(name, TESTS[name].op, modelled[name]) for name in TESTS]
    others = [
        _of(op, op, tuple(map(str, PRECISIONS)) if known(op).emulation else ())
        for op in sorted(OPERATORS.keys() - {test.op for test in TESTS.values()} - SOURCES)
    ]
    return [*tested, *others]


def _of(name: str, op: str, modelled: tuple[str, ...]) -> CoveredOperator:
    limits = {
        str(precision): [
            key
            for key, limit in limits_of("MLU270").items()
            if op in limit.operators and limit.holds_at(precision)
        ]
        for precision in PRECISIONS
    }
    return CoveredOperator(name, op, name in TESTS, modelled, limits)


def _first_cases() -> dict[str, OperatorCase]:
    """Return one case per operator that is tested."""
    return {case.name: case for drawn in reversed(drawn_batches(LOOKED_AT)) for case in drawn}


def drawn_batches(count: int) -> list[list[OperatorCase]]:
    """Return batches as a search draws them; no device is needed."""
    found: list[list[OperatorCase]] = [list(EDGES)]

    @seed(SEED)
    @settings(
        max_examples=count,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(batches(tuple(TESTS)))
    def each(cases: list[OperatorCase]) -> None:
        found.append(cases)

    each()
    return found


def _modelled(cases: dict[str, OperatorCase]) -> dict[str, tuple[str, ...]]:
    """Return the precisions at which the emulator models each operator's case."""
    network = BatchNetwork(list(cases.values()))
    names = dict(zip(network.nodes, cases, strict=True))
    missing = {str(precision): _unmodelled(network, precision) for precision in PRECISIONS}
    return {
        name: tuple(
            precision
            for precision, found in missing.items()
            if not any(item.partition("/")[0] == node.partition("/")[0] for item in found)
        )
        for node, name in names.items()
    }


def _unmodelled(network: BatchNetwork, precision: Precision) -> Sequence[str]:
    scales = network.scales(precision.fixed_bits)
    profile = read_profile(PROFILE, locations.DEVICES)
    graph = network.graph
    return emulate(
        graph, graph.outputs, precision=precision, scales=scales, profile=profile, fuse=False
    ).unmodelled


def not_covered(graph: FrozenGraph) -> Iterator[str]:
    """Yield a sentence per operator of a network, and per value of an attribute, that nothing covers.

    Args:
        graph: the network.
    """
    values = _drawn_values()
    tested = {test.op for test in TESTS.values()}
    nodes: dict[str, list[Node]] = {}
    for node in graph.nodes.values():
        if node.op not in SOURCES:
            nodes.setdefault(node.op, []).append(node)
    for op, own in sorted(nodes.items()):
        modelled = known(op).emulation is not None
        if op not in tested:
            rest = "a modelled kernel only" if modelled else "neither a test nor a modelled kernel"
            yield f"{op}: {len(own)} nodes, the first is {own[0].name}: {rest}"
            continue
        yield from _other_values(op, own, values.get(op, {}))


def _other_values(op: str, nodes: Sequence[Node], drawn: dict[str, set[str]]) -> Iterator[str]:
    """Yield a sentence per attribute of an operator with values that no drawn case has."""
    for key, known_values in sorted(drawn.items()):
        others = {text: node for node in nodes if (text := _text(node, key)) not in known_values}
        if others:
            shown = ", ".join(sorted(others)[:3])
            yield f"{op}: {key} = {shown} of {next(iter(others.values())).name}: drawn by no test"


def _drawn_values() -> dict[str, dict[str, set[str]]]:
    """Return the values that attributes of drawn cases have, by operator and attribute."""
    found: dict[str, dict[str, set[str]]] = {}
    for cases in drawn_batches(LOOKED_AT):
        if not cases:
            continue
        for node in BatchNetwork(cases).graph.nodes.values():
            for key in node.attr:
                if _says_something(node, key):
                    found.setdefault(node.op, {}).setdefault(key, set()).add(_text(node, key))
    return found


def _says_something(node: Node, key: str) -> bool:
    kind = node.attr[key].WhichOneof("value")
    return key not in INERT and not key.startswith("_") and kind in ("s", "i", "f", "b", "list")


def _text(node: Node, key: str) -> str:
    """Return a value as people read it."""
    value: Any = attribute(node, key)
    kind = value.WhichOneof("value")
    if kind == "list":
        return str(list(value.list.i) or [item.decode() for item in value.list.s] or list(value.list.f))
    found = getattr(value, kind) if kind else ""
    return found.decode() if isinstance(found, bytes) else str(found)
