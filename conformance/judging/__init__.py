"""Bounds, verdicts and waivers: pure arithmetic on arrays and records, without a device or TensorFlow."""
