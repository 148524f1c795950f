"""What computer this is, and what is installed on it; nothing is imported to find out."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from pathlib import Path

TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm", "tensorflow-macos")
"""The distributions that provide TensorFlow."""


def cpu_model(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the processor's model as ``cpuinfo`` names it, else what Python knows of it.

    Source: the ``model name`` lines of Linux's proc(5).
    """
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(filter(None, models), platform.processor() or platform.machine() or "unknown")


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def installed_version(*distributions: str) -> str | None:
    """Return the version of the first installed one of ``distributions``, without importing it, or None."""
    for distribution in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return None
