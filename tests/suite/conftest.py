"""The small network, and running the suite on it with a faulty device."""

import pytest
from support.suite_run import run_suite


@pytest.fixture
def run(network, tmp_path):
    """Run the suite on the small network with one of the faulty devices."""

    def run_with(device, *arguments, markers="mlu and own"):
        device = f"--device=suite.faulty_devices:{device}"
        return run_suite(tmp_path / "run", device, *arguments, network=network, markers=markers)

    return run_with
