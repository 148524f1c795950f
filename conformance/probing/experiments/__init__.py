"""Experiments: what is computed to find each thing out. One subject per file."""
