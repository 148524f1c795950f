"""May this go in? Finished runs against finished runs, from what they left; no device, no TensorFlow."""
