"""The history of runs: what changed between them, when, and what else changed there."""
