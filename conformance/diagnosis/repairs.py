"""What repairs a network: effects measured, precisions ranked, the least that leaves low precision."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from conformance.devices.base import Hosted, Unsupported
from conformance.diagnosis.model import Choice
from conformance.diagnosis.quality import decibels, described
from conformance.graph.means import REWRITES, rewritten_means
from conformance.precision import PRECISIONS, parse_precision

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.model import Culprit, Effect, NodeErrors, Quality
    from conformance.expected.roofline import ModelledTime
    from conformance.graph.frozen import FrozenGraph
    from conformance.precision import Precision

WIDEST = PRECISIONS[-1]
"""The precision that has every other one's numbers: where it fails, a narrower one rarely does not."""


HELPS = 0.1
"""Decibels that outputs must gain for a repair to be called one: figures have one digit."""


class Repairs:
    """Ways to run a network, tried one by one while the diagnosis may run it.

    Args:
        passes: runs the network.
        times: its modelled time.
        precision: what is diagnosed.
        quality: of its outputs, which have been run.
        samples: what is run each time, in this order.

    Attributes:
        choices: what was tried.
    """

    def __init__(
        self,
        passes: ForwardPasses,
        times: ModelledTime,
        precision: Precision,
        quality: Quality,
        samples: Sequence[int],
    ) -> None:
        self._passes, self._times = passes, times
        self._precision, self._samples = precision, samples
        self._written: dict[str, FrozenGraph] = {}
        self.choices = [self._choice(precision, quality)]

    @property
    def of_precision(self) -> Quality:
        """The quality at the precision itself, nothing left to the host."""
        own = str(self._precision)
        return next(item.quality for item in self.choices if item.precision == own and as_it_is(item))

    def accepted(self, precision: Precision) -> bool:
        """Return whether a precision has been tried and is accepted."""
        return any(
            item.quality.accepted
            for item in self.choices
            if item.precision == str(precision) and as_it_is(item)
        )

    @property
    def untried(self) -> list[Precision]:
        """The precisions that were not run, the widest first: it shows most."""
        tried = {item.precision for item in self.choices}
        return [precision for precision in reversed(PRECISIONS) if str(precision) not in tried]

    def try_precision(self, precision: Precision) -> None:
        """Run another precision, unless it has been run."""
        if precision in self.untried:
            quality = self._passes.fused(precision, self._samples)
            self._passes.keep_pictures(precision)
            self.choices.append(self._choice(precision, quality))

    def try_host(self, culprits: Sequence[Culprit]) -> None:
        """Run the network with culprits left to the host, where that can suffice.

        On a device that knows operator types only, all nodes of a culprit's type are left to the host.
        """
        if (plan := self._host_plan(culprits)) is None:
            return
        precision, blamed = plan
        operators = frozenset(culprit.what for culprit in blamed if culprit.kind == "operator")
        nodes = frozenset(culprit.what for culprit in blamed if culprit.kind != "operator")
        graph = self._passes.store.network.graph
        types = operators | {graph.nodes[name].op for name in nodes}
        for hosted in dict.fromkeys([Hosted(operators, nodes), Hosted(types)]):
            try:
                quality = self._passes.fused(precision, self._samples, hosted=hosted)
            except Unsupported:
                continue
            if quality.offered:
                self.choices.append(self._choice(precision, quality, hosted))
                return

    def try_rewrites(self, culprits: Sequence[Culprit]) -> None:
        """Run the network with a culprit's operators written otherwise, where a way is known."""
        if (plan := self._host_plan(culprits)) is None:
            return
        precision, blamed = plan
        for culprit in blamed:
            if culprit.kind in ("operator", "node"):
                self._try_rewrites_of(culprit, precision)

    def _try_rewrites_of(self, culprit: Culprit, precision: Precision) -> None:
        graph = self._passes.store.network.graph
        names = [node.name for node in graph.nodes.values() if node.op == culprit.what] or culprit.nodes
        for how in REWRITES:
            if (written := rewritten_means(graph, how, names)) is not None:
                words = f"{graph.nodes[names[0]].op}: {how}"
                quality = self._passes.fused(precision, self._samples, rewritten=(words, written))
                self.choices.append(self._choice(precision, quality, rewrite=words))
                self._written[words] = written

    def missed(self, choice: Choice, samples: Sequence[int]) -> str:
        """Run a choice on other samples; where these are not accepted, it is no longer accepted.

        Its figures stay those of the samples that everything else was run on.

        Returns:
            A sentence that says so, or nothing.
        """
        precision = parse_precision(choice.precision)
        hosted = Hosted(frozenset(choice.host_operators), frozenset(choice.host_nodes))
        rewritten = (choice.rewrite, self._written[choice.rewrite]) if choice.rewrite else None
        quality = self._passes.fused(
            precision, samples, hosted=hosted if hosts(choice) else None, rewritten=rewritten
        )
        if quality.accepted:
            return ""
        where = f"on {'samples' if len(samples) > 1 else 'sample'} {', '.join(map(str, samples))}"
        missed = f"{where}: {described(quality)}"
        refused = msgspec.structs.replace(choice.quality, accepted=False, missed=missed)
        self.choices[self.choices.index(choice)] = msgspec.structs.replace(choice, quality=refused)
        return f"{choice.precision} is accepted on some samples, but not {missed}"

    def _host_plan(self, culprits: Sequence[Culprit]) -> tuple[Precision, list[Culprit]] | None:
        """Return at which precision to leave which culprits to the host; None where it could not suffice.

        A culprit is enough whose repair alone makes the output accepted. Else the cheapest precision is taken
        whose neighbour of the same width, with float32 for all else, is accepted: that one takes all float
        operators out of low precision, so no part of them repairs more. Several may repair it together.
        """
        blamed = [culprit for culprit in culprits if culprit.kind in ("operator", "node", "fused")]
        if not blamed or self.accepted(self._precision):
            return None
        if enough := [item for item in blamed if item.effect is not None and item.effect.after.accepted]:
            return self._precision, enough[:1]
        for precision in PRECISIONS:
            wide = parse_precision(f"{precision.fixed}-fp32")
            if self.accepted(wide) and not self.accepted(precision):
                return precision, blamed
        return (self._precision, blamed) if any(item.effect is None for item in blamed[1:]) else None

    def _choice(
        self, precision: Precision, quality: Quality, hosted: Hosted | None = None, rewrite: str = ""
    ) -> Choice:
        hosted = hosted or Hosted()
        return Choice(
            precision=str(precision),
            quality=quality,
            modelled_seconds=self._times.seconds(precision),
            host_operators=sorted(hosted.operators),
            host_nodes=sorted(hosted.nodes),
            rewrite=rewrite,
        )


def hosts(choice: Choice) -> bool:
    """Return whether a choice leaves anything to the host."""
    return bool(choice.host_operators or choice.host_nodes)


def as_it_is(choice: Choice) -> bool:
    """Return whether a choice runs the network as it is, all of it on the device."""
    return not hosts(choice) and not choice.rewrite


def ranked(choices: Sequence[Choice]) -> list[Choice]:
    """Return the choices: accepted before others, as it is, rewritten, on the host, each cheapest first.

    What crosses between card and host is not in the modelled time, so a choice with operators on the host is
    never ranked by it before one without. Those that are not accepted come the better first.
    """
    order = {str(precision): rank for rank, precision in enumerate(PRECISIONS)}

    def rank(item: Choice) -> tuple[float, ...]:
        if not item.quality.accepted:
            changed = (hosts(item), bool(item.rewrite), order[item.precision])
            return (1, not item.quality.offered, -decibels(item.quality), *changed)
        return (0, hosts(item), bool(item.rewrite), item.modelled_seconds or 0.0, order[item.precision])

    return sorted(choices, key=rank)


def recommended(choices: Sequence[Choice], precision: Precision) -> int | None:
    """Return the index of the choice to use: what was asked for if that will do, else the first."""
    for index, item in enumerate(choices):
        if item.precision == str(precision) and item.quality.accepted and as_it_is(item):
            return index
    return 0 if choices[0].quality.accepted else None


def of_cambricon(device: str) -> bool:
    """Return whether a device of this kind is Cambricon's, or the emulator of it."""
    return device == "emulator" or device.startswith("cambricon")


def settings(choice: Choice, *, quantised: bool = True) -> list[str]:
    """Return what to set for Cambricon's TensorFlow, ready to paste.

    Args:
        choice: what is recommended.
        quantised: whether the network needs a parameter file.
    """
    fixed, _, floating = choice.precision.partition("-")
    lines = [
        "export MLU_VISIBLE_DEVICES=0",
        "export MLU_RUNNING_MODE=1",
        "export MLU_STATIC_NODE_FUSION=true",
        f"export MLU_OP_PRECISION=float{floating.removeprefix('fp')}",
    ]
    if quantised:
        bits = fixed.removeprefix("int")
        lines.append(f"export MLU_QUANT_PARAM={fixed}.quant.txt   # its first line: bit_width:{bits}")
    if choice.rewrite:
        lines.append(f"# in the network: {choice.rewrite}")
    if choice.host_operators:
        names = ",".join(choice.host_operators)
        lines.append(f"# in Python: config.mlu_options.optype_black_list = {names!r}")
    if choice.host_nodes:
        names = ", ".join(choice.host_nodes)
        lines.append(
            f"# {names} on the host: the emulator's; of a card, optype_black_list takes whole types only"
        )
    return lines


def stand_ins(
    culprit: Culprit, culprits: Sequence[Culprit], graph: FrozenGraph, judgeable: Sequence[str]
) -> list[str]:
    """Return the nodes whose repair shows a culprit's effect; empty where it is an output and nothing else.

    Of an operator type these are all nodes but for other culprits, also those that were not looked at. An
    output is left out: nothing reads it, and its own error tells what it adds.
    """
    nodes = culprit.nodes if culprit.kind != "device" else []
    if culprit.kind == "operator":
        others = {name for other in culprits if other != culprit for name in other.nodes}
        nodes = [name for name in judgeable if graph.nodes[name].op == culprit.what and name not in others]
    return [name for name in nodes if name not in graph.outputs]


def with_effect(culprit: Culprit, effect: Effect) -> Culprit:
    """Return the culprit with what was measured."""
    return msgspec.structs.replace(culprit, effect=effect)


def helps(culprit: Culprit) -> bool:
    """Return whether the outputs gain without a culprit; of one that was not measured it is assumed."""
    if culprit.effect is None:
        return True
    before, after = culprit.effect.before, culprit.effect.after
    if after.accepted != before.accepted:
        return after.accepted
    more_right = (after.answers or 0.0) > (before.answers or 0.0)
    return more_right or decibels(after) - decibels(before) >= HELPS


def farthest_off_first(culprits: Sequence[Culprit]) -> list[Culprit]:
    """Return the culprits, the one farthest above its bound first."""
    return sorted(culprits, key=_excess, reverse=True)


def largest_effect_first(
    culprits: Sequence[Culprit], errors: Mapping[str, NodeErrors], outputs: Collection[str]
) -> list[Culprit]:
    """Return the culprits, the largest gain of the outputs first, then those of which none was measured.

    Of a culprit that is itself an output the gain is known: what reaches it is left. Those come last without
    which the outputs gain nothing.
    """
    return sorted(culprits, key=lambda item: (not helps(item), -_gain(item, errors, outputs), -_excess(item)))


def _gain(culprit: Culprit, errors: Mapping[str, NodeErrors], outputs: Collection[str]) -> float:
    """Return by how many decibels the outputs gain without a culprit."""
    if culprit.effect is not None:
        return decibels(culprit.effect.after) - decibels(culprit.effect.before)
    if culprit.worst not in outputs or culprit.worst not in errors:
        return -math.inf
    output = errors[culprit.worst]
    return (
        20 * math.log10(output.chained / output.inherited)
        if output.chained and output.inherited
        else math.inf
    )


def _excess(culprit: Culprit) -> float:
    return math.inf if culprit.excess is None else culprit.excess
