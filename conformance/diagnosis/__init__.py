"""Diagnosis: which operator is to blame, why, and which precision repairs it."""
