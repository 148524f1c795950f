"""May this go in? Finished runs against finished runs, from what they left alone: no device, no TensorFlow."""
