"""The markers of the suite's tests, by which ``-m`` selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

MARKERS = {
    "mlu": "runs on a device: a card, or the emulator when there is none",
    "int8": "convolution and matmul inputs are 8-bit fixed point",
    "int16": "convolution and matmul inputs are 16-bit fixed point",
    "fp16": "every other tensor is float16",
    "fp32": "every other tensor is float32",
    "own": "a node's own error, fed with golden inputs",
    "chained": "errors along the whole network, fusion broken at the judged nodes",
    "fused": "the network as it ships, fused on one core",
    "operators": "operators by themselves, in batches that hypothesis draws; run only where -m names it",
    "calibration": "scales found by the device's own framework",
    "benchmark": "measures time (pytest-benchmark)",
}


def pytest_configure(config: pytest.Config) -> None:
    """Register every marker with what it means."""
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
