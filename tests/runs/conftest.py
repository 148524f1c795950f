"""What a journal needs of a plan."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from conformance.options import OPTIONS, read_settings
from conformance.runs.environment import JudgedNetwork


@pytest.fixture
def plan(tmp_path):
    """What a journal needs of a plan: default settings, a network's name, what was said of goldens."""
    settings = read_settings({option.name: None for option in OPTIONS}, {}, tmp_path)
    part = SimpleNamespace(judged=JudgedNetwork(name="n", directory="d", graph_sha256="ab"))
    return SimpleNamespace(settings=settings, said=["golden"], title="n", parts={"n": part})
