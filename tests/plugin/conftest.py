"""The small network for every test that runs the suite on it."""

from __future__ import annotations

import os

import pytest
from kept_network import kept_network


@pytest.fixture(scope="session")
def network():
    return kept_network()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """What the user of these tests has set says nothing about the suite."""
    for name in [name for name in os.environ if name.startswith("MLU_CONFORMANCE_")]:
        monkeypatch.delenv(name)
