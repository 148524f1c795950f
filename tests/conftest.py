"""Lets the tests of the suite share their own modules, such as ``emulation`` and ``small_network``."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# No test asserts a wall-clock time: a busy machine that draws or runs examples slowly is no error
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

sys.path.insert(0, str(Path(__file__).resolve().parent))
