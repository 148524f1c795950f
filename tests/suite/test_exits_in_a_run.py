"""A device that ends pytest's process as if all were well: no verdict, whatever it says."""

import subprocess
import sys

import pytest
from support.refusals import refused
from support.suite_run import ROOT

from conformance.errors import ConformanceError
from conformance.exit_guard import SENTENCE
from conformance.runs.finished import whole_run


@pytest.mark.parametrize("factory", ["leaves_by_c", "leaves_by_python"])
def test_a_device_that_exits_with_status_0(network, tmp_path, factory):
    command = [
        *(sys.executable, "-m", "pytest", "-m", "mlu and own", "-pno:cacheprovider", "-opythonpath=tests"),
        *(f"--run-dir={tmp_path / 'run'}", f"--device=suite.faulty_devices:{factory}"),
        *(f"--network-path={network.directory}", f"--golden-dir={network.goldens}"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stdout
    assert done.stderr.endswith(SENTENCE)
    assert "passed" not in done.stdout
    with refused("was cut short|has no end|is not whole", ConformanceError):
        whole_run(tmp_path / "run")
