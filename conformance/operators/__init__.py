"""Operators under hypothesis: operators as data, tests as a search over batches of cases."""
