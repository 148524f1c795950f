"""Lets the tests of the suite share their own modules, such as ``emulation`` and ``small_network``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
