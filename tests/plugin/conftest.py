"""The small network for every test that runs the suite on it."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
from support.kept_network import kept_network

from conformance.options import OPTIONS, read_settings
from conformance.runs.environment import JudgedNetwork


@pytest.fixture(scope="session")
def network():
    return kept_network()


@pytest.fixture
def plan(tmp_path):
    """What a journal needs of a plan: default settings, a network's name, what was said of goldens."""
    settings = read_settings({option.name: None for option in OPTIONS}, {}, tmp_path)
    part = SimpleNamespace(judged=JudgedNetwork(name="n", directory="d", graph_sha256="ab"))
    return SimpleNamespace(settings=settings, said=["golden"], title="n", parts={"n": part})


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """What the user of these tests has set says nothing about the suite."""
    for name in [name for name in os.environ if name.startswith("MLU_CONFORMANCE_")]:
        monkeypatch.delenv(name)
