"""What all tests of the suite share: the modules of ``support``, the command line, networks made once.

``pytest tests -m "not slow"`` is the quick loop: it leaves out those that take most of the time. ``tox run -e
tests`` runs all of them, file by file in a worker per core, and passes on what it is given, such as ``-n0``.
"""

import gc
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, settings

from conformance import cli
from conformance.options import OPTIONS
from conformance.runs.environment import JudgedNetwork
from conformance.settings import read_settings

TESTS = Path(__file__).resolve().parent
SLOW = (
    *("suite/", "devices/contract/", "devices/isolated/", "devices/cambricon/test_stock_tensorflow.py"),
    *(f"devices/emulator/test_{name}.py" for name in ("determinism", "graphs", "partial_sums", "pooling")),
    *(f"diagnosis/test_{name}.py" for name in ("counterfactual", "planted_faults", "repairs", "from_run")),
    *(f"commands/test_{name}.py" for name in ("annotate", "init", "prepare", "probe", "show", "test")),
    *(f"probing/test_{name}.py" for name in ("every_profile", "odd_devices")),
    "history/test_ten_thousand_runs.py",
    "operators/test_broken_operators.py",
    *("networks/test_beautygan_weights.py", "tools/test_training.py", "plugin/test_run_directory.py"),
    *("faults/test_commands.py", "faults/test_no_room.py", "faults/test_suite.py"),
    *("html/test_browser.py", "plugin/test_page.py"),
    *("tools/test_cost_table.py", "tools/test_measuring.py"),
    *("test_golden_processes.py", "test_packaging.py"),
)
"""Tests that run the whole suite, train, diagnose, or wait for processes that import TensorFlow."""

# No test asserts a wall-clock time: a busy machine that draws or runs examples slowly is no error. The same
# examples are drawn every time, so that no finding by chance stops the change that happens to be tested.
# Others are drawn with --hypothesis-profile=drawn, and many of them with soak.
SLOWLY = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("suite", derandomize=True, **SLOWLY)
settings.register_profile("drawn", **SLOWLY)
settings.register_profile("soak", max_examples=10_000, **SLOWLY)
settings.load_profile("suite")

# A background job inherits that SIGINT is ignored, and so would the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# What the user adds to this pytest is not meant for those that tests run
os.environ.pop("PYTEST_ADDOPTS", None)

sys.path[:0] = [str(TESTS), str(TESTS.parent / "docs")]  # docs, for the devices that are examples


def pytest_configure(config):
    from support.toy_network import shared_directory

    config.addinivalue_line("markers", "slow: one of those that take most of the time")
    shared_directory()  # before pytest-xdist starts its workers, which inherit where it is


def pytest_report_header():
    from faults.cells import told

    return told()


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(TESTS) and str(item.path.relative_to(TESTS)).startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(autouse=True)
def _short_collections():
    """Leave alone what lives on, above all TensorFlow's: every session that is closed collects garbage."""
    yield
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    """What the user of these tests has set says nothing about the suite."""
    for name in [name for name in os.environ if name.startswith("MLU_CONFORMANCE_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def network():
    """The small network with its goldens; what damages it takes a copy."""
    from support.kept_network import kept_network

    return kept_network()


@pytest.fixture
def plan(tmp_path):
    """What a journal needs of a plan: default settings, a network's name, what was said of goldens."""
    settings = read_settings({option.name: None for option in OPTIONS}, {}, tmp_path)
    part = SimpleNamespace(judged=JudgedNetwork(name="n", directory="d", graph_sha256="ab"))
    return SimpleNamespace(settings=settings, notes=["golden"], title="n", parts={"n": part})


@pytest.fixture
def said(capsys):
    """Run a command of ``mlu-conformance``; return its exit code, output and error."""

    def run(*arguments):
        capsys.readouterr()
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def refusal(said):
    """Run a command that must refuse, with nothing on its output; return its one sentence."""

    def run(*arguments, code=4):
        found, text, error = said(*arguments)
        assert (found, text) == (code, "")
        assert error.startswith("mlu-conformance")
        assert error.count("\n") == 1
        return error

    return run
