"""mlu-conformance: does a Cambricon MLU compute a neural network correctly and fast, and if not, why not."""

__version__ = "0.1.0"
