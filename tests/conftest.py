"""Lets the tests of the suite share their own modules, such as ``emulation`` and ``small_network``."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# No test asserts a wall-clock time: a busy machine that draws or runs examples slowly is no error
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A background job inherits that SIGINT is ignored, and so would the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# What the user adds to this pytest is not meant for those that tests run
os.environ.pop("PYTEST_ADDOPTS", None)

sys.path.insert(0, str(Path(__file__).resolve().parent))
