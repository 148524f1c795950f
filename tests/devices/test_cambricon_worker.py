"""The worker file itself: its grammar, what it imports, and what it refuses under this interpreter."""

import ast
import os
import sys
from pathlib import Path

import pytest

import conformance.devices.cambricon
from conformance.devices.worker_process import WorkerProcess
from conformance.errors import UsageError

WORKER = Path(conformance.devices.cambricon.__file__).parent / "worker.py"


def test_it_parses_under_the_grammar_of_python_3_5():
    ast.parse(WORKER.read_text(), feature_version=(3, 5))
    with pytest.raises(SyntaxError):
        ast.parse("x: int = 1", feature_version=(3, 5))  # so the check does check


def test_it_imports_the_standard_library_numpy_and_tensorflow_alone():
    tree = ast.parse(WORKER.read_text())
    imported = {
        name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
    }
    assert imported - {"numpy", "tensorflow"} <= set(sys.stdlib_module_names)


@pytest.fixture
def worker(tmp_path):
    worker = WorkerProcess([sys.executable, str(WORKER)], os.environ, tmp_path / "log", "the worker")
    yield worker
    worker.close()


def test_it_refuses_an_interpreter_out_of_range(worker):
    with pytest.raises(UsageError, match=r"is Python 3\.\d+, but TensorFlow 1\.x needs 3\.5 to 3\.7; give"):
        worker.request({"command": "hello", "protocol": 1}, 20)


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        ({"command": "hello", "protocol": 99}, "the worker speaks protocol 1, the driver 99"),
        ({"command": "dance"}, "the worker knows no command 'dance'"),
        ({"command": "run", "session": 5}, "session 5 is not open"),
        ({"command": "open", "session": 1}, "say hello first"),
    ],
)
def test_it_refuses_what_it_cannot_do_and_stays(worker, request_, sentence):
    for _ in range(2):
        with pytest.raises(UsageError, match=sentence):
            worker.request(request_, 20)
