"""What all tests of the suite share: the modules of ``support``, the command line, networks made once.

``pytest tests -m "not slow"`` is the quick loop: it leaves out the tenth of the tests that takes most of the
time, those that run the whole suite, train, start processes that import TensorFlow, or diagnose.
"""

from __future__ import annotations

import gc
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from conformance import cli

TESTS = Path(__file__).resolve().parent

# No test asserts a wall-clock time: a busy machine that draws or runs examples slowly is no error
settings.register_profile("suite", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")

# A background job inherits that SIGINT is ignored, and so would the processes that tests interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(TESTS))


def pytest_configure(config):
    from support.toy_network import shared_directory

    config.addinivalue_line("markers", "slow: among the slowest tenth; -m 'not slow' is the quick loop")
    shared_directory()  # before pytest-xdist starts its workers, which inherit where it is


@pytest.fixture(autouse=True)
def _short_collections():
    """Leave alone what lives on, above all TensorFlow's: every session that is closed collects garbage."""
    yield
    gc.collect()
    gc.freeze()


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
