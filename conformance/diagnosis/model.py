"""What a diagnosis says; ``diagnosis.json`` is this, word for word."""

from __future__ import annotations

from typing import Literal

import msgspec

from conformance.diagnosis.evidence.statement import Reason

FORMAT = 1


class Struct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a diagnosis."""


class Quality(Struct, frozen=True):
    """How good the outputs are.

    Attributes:
        accepted: whether they meet the network's acceptance.
        offered: whether the device offers what was asked for; what it declines is not accepted either.
        cosine, psnr: of the worst output and sample; None where there is none, an exact output has no PSNR.
        answers: part of right answers of the worst output and sample; None where no output gives answers.
        reasons: what misses the acceptance, or why nothing came out.
        unmodelled: why they say nothing of a card, where the emulator does not model what they rest on.
        notes: what figures do not show.
        missed: where other samples are not accepted, on which, and what came out there.
    """

    accepted: bool
    offered: bool = True
    cosine: float | None = None
    psnr: float | None = None
    answers: float | None = None
    reasons: list[str] = []
    unmodelled: str = ""
    notes: list[str] = []
    missed: str = ""


class NodeErrors(Struct, frozen=True):
    """The errors of one node, as root mean squares relative to its golden's.

    Attributes:
        node: its name.
        op: its operator type.
        branch: the inputs that it descends from, such as ``X`` or ``X+Y``.
        outcome: of its own error.
        own: what it adds itself, fed with goldens.
        attainable: what an ideal device of the precision adds.
        chained: its error in the whole network.
        inherited: what reached it: chained without own.
        amplification: inherited over the largest chained error among the key nodes that it reads.
        excess: own error over its bound, the worst criterion as amplitudes; None where nothing could be
            compared, or where the bound is 0 and the error is not.
    """

    node: str
    op: str
    branch: str
    outcome: str
    own: float | None
    attainable: float
    chained: float | None
    inherited: float | None
    amplification: float | None
    excess: float | None


class Effect(Struct, frozen=True):
    """What repairing a culprit does to the outputs: measured, not guessed.

    Attributes:
        before, after: the outputs as they are, and without what the culprit adds.
        how: ``exact``: the culprit is computed exactly on what reaches it, so that inherited errors stay;
            ``unfused``: fusion is broken at it; ``wider``: it is the float type, and float32 takes its
            place, while culprits that were found before are repaired on both sides; ``golden``: its golden
            is in its place, which takes away what it inherits, too, so that the outputs may gain less.
    """

    before: Quality
    after: Quality
    how: Literal["exact", "unfused", "wider", "golden"] = "golden"


class Culprit(Struct, frozen=True):
    """What is to blame: mostly an operator type or a node whose own error exceeds its bound.

    Attributes:
        what: the operator type, or the node's name.
        kind: which of these ``what`` is; ``fused`` for a node that fails only when fused with others,
            ``precision`` for operators that do what they should, at a precision that is too low, and
            ``device`` for one that could compute nothing.
        nodes: the nodes, producers first.
        worst: the node of the largest excess.
        excess: its own error over its bound; None where there is no number.
        effect: of repairing it; None if not measured.
        reasons: evidence, strongest first.
        failure: a sentence, where nothing came out that could be compared.
    """

    what: str
    kind: Literal["operator", "node", "fused", "precision", "device"]
    nodes: list[str]
    worst: str
    excess: float | None = None
    effect: Effect | None = None
    reasons: list[Reason] = []
    failure: str = ""


class Contributor(Struct, frozen=True):
    """A node that adds much of the error without being to blame.

    Attributes:
        node: its name.
        op: its operator type.
        own: its own error, a root mean square relative to its golden's.
        share: of the sum of the squares of all key nodes' own errors.
        reasons: evidence, strongest first.
    """

    node: str
    op: str
    own: float
    share: float
    reasons: list[Reason] = []


class Choice(Struct, frozen=True):
    """One way to run the network.

    Attributes:
        precision: such as ``int16-fp32``.
        host_operators, host_nodes: what is left to the host CPU.
        rewrite: how the network is written otherwise; empty for the network as it is.
        quality: what came out.
        modelled_seconds: least time of one core, by its roofline, without what crosses to the host; None if
            not modelled.
    """

    precision: str
    quality: Quality
    modelled_seconds: float | None
    host_operators: list[str] = []
    host_nodes: list[str] = []
    rewrite: str = ""


class Diagnosis(Struct, frozen=True):
    """Everything that a diagnosis found.

    Attributes:
        format: version of this format.
        network, precision, device, simulated, profile: what was diagnosed.
        sample: the one that was looked at; None for the worst of all.
        quality: of the fused outputs.
        chained_quality: of the outputs with fusion broken at every key node.
        errors: along the network, producers first; empty where nothing was computed.
        born: the first of all nodes that are to blame, or the key node with the largest own error.
        culprits: the largest effect first.
        contributors: nodes that add most, where culprits do not.
        choices: the precisions, and other ways, that were run; the cheapest that is accepted first.
        recommended: the index of the one to use, which is the precision itself where that is accepted; None
            if none is.
        forwards: how often the network, or a part of it, was run.
        seconds: how long the diagnosis took.
        remarks: what else a reader should know.
        quantised: whether the network has convolutions or matmuls, which need a parameter file.
    """

    network: str
    precision: str
    device: str
    simulated: bool
    profile: str
    sample: int | None
    quality: Quality
    chained_quality: Quality
    errors: list[NodeErrors]
    born: str
    culprits: list[Culprit]
    choices: list[Choice]
    recommended: int | None
    forwards: int
    seconds: float
    contributors: list[Contributor] = []
    remarks: list[str] = []
    quantised: bool = True
    format: int = FORMAT
