"""Why an operator suffers at a precision: what the golden's own numbers say, stated only where it holds."""

from conformance.diagnosis.evidence.node import evidence_of
from conformance.diagnosis.evidence.statement import KINDS, Kind, Reason, size_of

__all__ = ["KINDS", "Kind", "Reason", "evidence_of", "size_of"]
