"""Errors, culprits and qualities made by hand."""

from conformance.diagnosis.model import Choice, Culprit, Effect, NodeErrors, Quality
from conformance.judging.bounds import Attainable, ErrorValues
from conformance.judging.cases import Case
from conformance.judging.findings import Finding
from conformance.judging.verdicts import Verdict
from conformance.numerics.metrics import Metrics


def errors(node, op="Conv2D", *, branch="x", fails=False, excess=0.5, outcome=None, **more):
    """Return the errors of a node, which conforms unless it ``fails``."""
    fields = {"own": 0.01, "attainable": 0.01, "chained": 0.02, "inherited": 0.0173, "amplification": 1.0}
    return NodeErrors(
        node=node,
        op=op,
        branch=branch,
        outcome=outcome or ("deviates" if fails else "conforms"),
        excess=50.0 if fails and excess == 0.5 else excess,
        **(fields | more),
    )


def quality(psnr=50.0, *, accepted=None, cosine=0.999, offered=True, reasons=()):
    """Return a quality that is accepted from 40 dB on."""
    if accepted is None:
        accepted = psnr is not None and psnr >= 40
    return Quality(accepted=accepted, offered=offered, cosine=cosine, psnr=psnr, reasons=list(reasons))


NOTHING = quality(None, cosine=None, reasons=["out has 3 NaN"])
EXACT = quality(None, accepted=True)


def culprit(what="Mean", kind="operator", nodes=("a", "b"), *, excess=10.0, after=None, before=None, **more):
    """Return a culprit, with an effect where ``after`` is given."""
    effect = None if after is None else Effect(before=before or quality(7.0), after=after, how="exact")
    return Culprit(
        what=what, kind=kind, nodes=list(nodes), worst=nodes[0], excess=excess, effect=effect, **more
    )


def choice(precision="int16-fp32", psnr=50.0, seconds=1e-3, **hosted):
    """Return a choice; ``host_operators`` and ``host_nodes`` are left to the host."""
    return Choice(precision=precision, quality=quality(psnr), modelled_seconds=seconds, **hosted)


def finding(node, op="Conv2D", mse=1e-4, *, state="judged", mode="own", limit=1e-2, reason=""):
    """Return the finding of a node with this mean squared error and, of own errors, this bound."""
    case = Case(network="n", node=node, op=op, precision="int8-fp16", mode=mode)
    if state in ("broken", "unsupported"):
        return Finding(case, state, reason=reason)
    found, bounds = ErrorValues(0.0, mse, 0.0, 0.0), ErrorValues(1.0, limit, 1.0, 1.0)
    metrics = Metrics(
        cosine_distance=0.0, mse=mse, max_abs=0.0, worst_channel_mse=0.0, worst_channel=0, worst_index=[0]
    )
    wrong = mode == "own" and mse > limit
    verdict = Verdict(
        outcome="deviates" if wrong else "conforms",
        reasons=[f"{node} deviates"] if wrong else [],
        metrics=metrics,
        bounds=bounds if mode == "own" else None,
        needed=found if mode == "own" else None,
    )
    return Finding(case, "judged" if mode == "own" else "measured", verdict)


def attainable(mse=1e-4, golden_square=1.0):
    """Return what an ideal device attains."""
    return Attainable(
        errors=ErrorValues(0.0, mse, 0.0, 0.0),
        terms=0,
        magnitude=0.0,
        magnitude_square=0.0,
        golden_square=golden_square,
        golden_max=1.0,
    )
