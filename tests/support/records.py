"""Cases and records made by hand."""

from conformance.judging.cases import Case
from conformance.runs.records import Record

NAMED = {"network": "n", "node": "a", "op": "Tanh", "precision": "int8-fp16", "mode": "own"}


def case(**changes):
    """Return a case of a node's own error."""
    return Case(**(NAMED | changes))


def record(outcome="conforms", **changes):
    """Return the record of a node's own error, with what its outcome demands."""
    plain = {
        "case": "c",
        "simulated": True,
        "reasons": ["it is wrong"] if outcome in ("deviates", "broken") else [],
        "waiver": "w" if outcome == "waived" else None,
    }
    return Record(outcome=outcome, **(NAMED | plain | changes))
