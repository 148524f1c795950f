"""The tests that run on a device: `pytest -m mlu`."""
