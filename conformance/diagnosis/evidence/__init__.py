"""Why an operator suffers at a precision: what the golden's own numbers say, stated only where it holds."""

from conformance.diagnosis.evidence.node import evidence_of
from conformance.diagnosis.evidence.statement import KINDS, Evidence, Kind

__all__ = ["KINDS", "Evidence", "Kind", "evidence_of"]
