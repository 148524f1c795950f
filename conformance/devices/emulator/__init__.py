"""The emulator: graphs rewritten to the numerics of an MLU and run by TensorFlow."""
