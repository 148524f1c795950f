"""A run that is ended at any time is no pass; no record or golden is lost, and the next one succeeds."""

import shutil
import tempfile

import pytest
from faults.cells import OF_CARD, OF_SUITE, SUITE, chosen
from faults.engine import Places, halves, stopped, strike
from support.kept_network import kept_network
from support.refusals import refused
from support.stock_interpreter import stock_options
from support.suite_run import ROOT, run_suite

from conformance.devices.cambricon.card_lock import card_owner
from conformance.devices.worker import arena
from conformance.errors import ConformanceError
from conformance.runs.directory import RECORDS, read_records
from conformance.runs.finished import whole_run

ASKED = ("--nodes=norm/*", "--no-waivers", "--device-timeout=10")
MARKERS = {"card": "mlu and own and int16 and fp32"}
ENDS_ITSELF = ("worker SIGKILL", "worker SIGSTOP")
"""The command goes on to its end, and its run fails."""


@pytest.fixture
def places(tmp_path, monkeypatch):
    """Places of the cell, which the next run, in this process, has in common with it."""
    places = Places(tmp_path / "cell")
    monkeypatch.setattr(arena, "SHARED_MEMORY", places.shared)
    monkeypatch.setattr(tempfile, "tempdir", str(places.temporary))
    return places


def options_of(mode, locks):
    """Return what a run of a mode is asked for beside a network."""
    if mode == "card":
        given = [f"--device-option={key}={value}" for key, value in stock_options(locks).items()]
        return ["--device=cambricon", *given]
    return ["--profile=ideal", *(["--isolate"] if mode == "--isolate" else [])]


def copied(cell, to):
    """Return the network; where its goldens are to be made, without them."""
    network = kept_network().copied(to)
    if cell.phase == "goldens":
        shutil.rmtree(network.goldens / "small/tensors")
    return network


def command(directory, network, markers, *options):
    return [
        *("pytest", f"--config-file={ROOT / 'pytest.ini'}", "-pno:cacheprovider"),
        *(str(ROOT / "conformance/suite"), f"-m{markers}", f"--run-dir={directory}"),
        *(f"--network-path={network.directory}", f"--golden-dir={network.goldens}", *ASKED, *options),
    ]


@pytest.mark.parametrize("cell", chosen(OF_SUITE), ids=str)
def test_a_run_that_is_ended_is_no_pass_and_costs_nothing_but_itself(cell, places, tmp_path):
    network, directory, locks = copied(cell, tmp_path), tmp_path / "run", tmp_path / "locks"
    options, markers = options_of(cell.mode, locks), MARKERS.get(cell.mode, "mlu and own and fp32")
    if cell.phase == "drawing":
        markers = "mlu and fused and not benchmark"
    points = OF_CARD if cell.mode == "card" else SUITE
    spread = ["-n2"] if cell.mode == "-n 2" else []
    line = command(directory, network, markers, *options, *spread)
    found = stopped(places, points[cell.phase], line)
    struck = strike(found, cell.fault, directory / RECORDS, [network.directory, network.goldens])
    assert struck.code != 0
    assert_no_pass(cell, directory)
    again = run_suite(tmp_path / "again", *ASKED, *options, network=network, markers=markers)
    assert (again.code, again.failed) == (0, set()), again.text
    assert (halves(network.directory, network.goldens), places.left) == ([], [])
    assert card_owner(0, locks) is None


def assert_no_pass(cell, directory):
    """See that the records can be read, and that nothing takes the run for a whole one."""
    if not directory.exists():
        return
    read_records(directory, on_truncated=lambda _: None)
    if cell.phase != "drawing" and cell.fault not in ENDS_ITSELF:
        with refused("cut short|has no end|not whole|holds no run|nothing", ConformanceError):
            whole_run(directory)
