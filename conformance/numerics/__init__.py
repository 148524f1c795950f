"""Numbers: halves, fixed point, and how far two tensors are apart."""
