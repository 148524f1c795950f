"""Lets the tests of the suite share the modules of ``support``, and what is made once for all of them."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

# No test asserts a wall-clock time: a busy machine that draws or runs examples slowly is no error
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A background job inherits that SIGINT is ignored, and so would the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).resolve().parent))

from support.toy_network import shared_directory

shared_directory()  # before pytest-xdist starts its workers, which inherit where it is
