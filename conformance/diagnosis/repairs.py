"""What repairs a network: the precisions ranked, and the least that must leave low precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.devices.base import Hosted, Unsupported
from conformance.diagnosis.model import Choice
from conformance.precision import PRECISIONS, Precision
from conformance.runs.roofline import roofline

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.diagnosis.forwards import Forwards
    from conformance.diagnosis.model import Culprit, Quality


def precisions_tried(forwards: Forwards, present: Precision, quality: Quality) -> list[Choice]:
    """Return every precision with what came out; the present one has been run."""
    choices = []
    for precision in PRECISIONS:
        found = quality if precision == present else forwards.fused(precision)
        if precision != present:
            forwards.keep_pictures(precision)
        choices.append(_choice(forwards, precision, found))
    return choices


def host_tried(forwards: Forwards, culprits: Sequence[Culprit], tried: Sequence[Choice]) -> list[Choice]:
    """Return what leaving the culprits to the host does, at the cheapest precision where it can suffice.

    It can where the precision of the same width with float32 for everything else is accepted: that one leaves
    low precision with all float operators, so no part of them repairs more.
    """
    blamed = [culprit for culprit in culprits if culprit.kind in ("operator", "node")]
    sufficient = [item.precision for item in tried if item.quality.accepted]
    for precision in PRECISIONS:
        wide = f"{precision.fixed}-fp32"
        if blamed and str(precision) not in sufficient and wide in sufficient:
            return _with_host(forwards, precision, blamed)
    return []


def _with_host(forwards: Forwards, precision: Precision, culprits: Sequence[Culprit]) -> list[Choice]:
    """Return the choice with single nodes, or, where the device knows operator types only, with these."""
    operators = frozenset(culprit.what for culprit in culprits if culprit.kind == "operator")
    nodes = frozenset(culprit.what for culprit in culprits if culprit.kind == "node")
    types = operators | {forwards.store.network.graph.nodes[name].op for name in nodes}
    for hosted in (Hosted(operators, nodes), Hosted(types)):
        try:
            quality = forwards.fused(precision, hosted=hosted)
        except Unsupported:
            continue
        return [_choice(forwards, precision, quality, hosted)]
    return []


def _choice(
    forwards: Forwards, precision: Precision, quality: Quality, hosted: Hosted | None = None
) -> Choice:
    bound = roofline(forwards.evaluation(), precision)
    hosted = hosted or Hosted()
    return Choice(
        precision=str(precision),
        quality=quality,
        modelled_seconds=bound["bound_seconds"] if bound else None,
        host_operators=sorted(hosted.operators),
        host_nodes=sorted(hosted.nodes),
    )


def ranked(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices: accepted before others, all on the card before partly on the host, cheapest first."""
    order = {str(precision): rank for rank, precision in enumerate(PRECISIONS)}
    return sorted(
        choices,
        key=lambda item: (
            not item.quality.accepted,
            bool(item.host_operators or item.host_nodes),
            item.modelled_seconds or 0.0,
            order[item.precision],
        ),
    )


def settings(choice: Choice) -> list[str]:
    """Return what to set for Cambricon's TensorFlow, ready to paste."""
    fixed, _, floating = choice.precision.partition("-")
    lines = [
        "export MLU_VISIBLE_DEVICES=0",
        "export MLU_RUNNING_MODE=1",
        "export MLU_STATIC_NODE_FUSION=true",
        f"export MLU_OP_PRECISION=float{floating.removeprefix('fp')}",
        f"export MLU_QUANT_PARAM={fixed}.quant.txt   # its first line: bit_width:{fixed.removeprefix('int')}",
    ]
    if choice.host_operators:
        names = ",".join(choice.host_operators)
        lines.append(f"# in Python: config.mlu_options.optype_black_list = {names!r}")
    return lines
