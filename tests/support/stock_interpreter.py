"""The interpreter with stock TensorFlow 1.15 that stands in for the vendor's, where this machine has one."""

import functools
import os
from pathlib import Path

import pytest
from support.tool_modules import tool_module

from conformance.devices.cambricon.interpreter import interpreters

OWN = Path(__file__).resolve().parents[2] / ".tox/stock-tensorflow/bin/python"


@functools.cache
def stock_interpreter():
    """Return its path, or None: the one that ``tools/stock_tensorflow.py`` made, or any other that works."""
    found = [item.path for item in interpreters(os.environ, Path.home()) if item.suitable]
    with tool_module("stock_tensorflow") as stock:
        return next((path for path in (OWN, *found) if path.exists() and stock.works(path)), None)


def stock_options(lock_directory):
    """Return the device's options; skip the test where there is no such interpreter."""
    python = stock_interpreter()
    if python is None:
        pytest.skip("no CPython 3.6 or 3.7 with TensorFlow 1.15.5; make one with tools/stock_tensorflow.py")
    return {"allow-stock": "1", "python": str(python), "lock-dir": str(lock_directory)}
