"""The device of docs/contract.md is a file that keeps the contract, and the page shows that very file."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.devices.contract import check_device
from conformance.devices.contract.clauses import CLAUSES
from conformance.precision import PRECISIONS

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "docs/examples"
PAGE = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
DEVICE, TEST = EXAMPLES / "smallest_device.py", EXAMPLES / "test_smallest_device.py"


@pytest.fixture
def device(monkeypatch):
    monkeypatch.syspath_prepend(EXAMPLES)
    from smallest_device import SmallestDevice

    yield SmallestDevice
    sys.modules.pop("smallest_device", None)


def test_it_keeps_every_clause_at_every_precision(device):
    report = check_device(device)
    assert report.kept == tuple(clause.name for clause in CLAUSES)
    assert (report.precisions, report.unsupported) == (PRECISIONS, {})


def test_it_does_not_claim_to_be_hardware(device):
    assert device().info().simulated is True


def test_the_page_shows_these_files():
    blocks = [block.partition("\n```\n")[0] + "\n" for block in PAGE.split("```python\n")[1:]]
    assert blocks == [file.read_text(encoding="utf-8") for file in (DEVICE, TEST)]


def test_the_command_of_the_page_passes():
    setting, pytest_, file = next(
        line for line in PAGE.splitlines() if line.startswith("PYTHONPATH=docs/examples pytest ")
    ).split()
    variable, _, value = setting.partition("=")
    done = subprocess.run(
        [sys.executable, "-m", pytest_, "-pno:cacheprovider", file],
        cwd=ROOT,
        env=os.environ | {variable: value},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_it_imports_what_a_third_party_may_import():
    tree = ast.parse(DEVICE.read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    emulator = {"conformance.devices.emulator.profile", "conformance.devices.emulator.rewrite"}
    assert modules - emulator == {"conformance", "conformance.devices.base", "conformance.errors"}
