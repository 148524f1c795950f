"""The small network for every test that runs the suite on it."""

from __future__ import annotations

import pytest
from kept_network import kept_network


@pytest.fixture(scope="session")
def network():
    return kept_network()
