"""Frozen TensorFlow graphs: load, select key nodes, cut, prune, retype, run."""
