"""Why an operator suffers at a precision: what the golden's own numbers say, stated only where it holds."""

from conformance.diagnosis.evidence.node import evidence_of
from conformance.diagnosis.evidence.statement import KINDS, Kind, Reason

__all__ = ["KINDS", "Kind", "Reason", "evidence_of"]
