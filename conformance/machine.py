"""What computer this is, and what is installed on it; nothing is imported to find out."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import platform
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TENSORFLOW = ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-rocm", "tensorflow-macos")
"""The distributions that provide TensorFlow."""
CPUINFO = Path("/proc/cpuinfo")
INSTRUCTIONS = {"avx512_vnni": "AVX-512 VNNI", "amx_int8": "AMX"}
"""What makes integer arithmetic fast, by the flag that Linux shows."""


def cpu_model(cpuinfo: Path = CPUINFO) -> str:
    """Return the processor's model as ``cpuinfo`` names it, else what Python knows of it.

    Source: the ``model name`` lines of Linux's proc(5).
    """
    models = _values("model name", cpuinfo)
    return next(filter(None, models), platform.processor() or platform.machine() or "unknown")


def instructions(cpuinfo: Path = CPUINFO) -> tuple[str, ...]:
    """Return which of ``INSTRUCTIONS`` the processor has, by name.

    Source: the ``flags`` lines of Linux's proc(5).
    """
    flags = set(next(iter(_values("flags", cpuinfo)), "").split())
    return tuple(name for flag, name in INSTRUCTIONS.items() if flag in flags)


def _values(key: str, cpuinfo: Path) -> list[str]:
    """Return the values of a key, one per core; none where the system does not tell."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return []
    pairs = (line.partition(":") for line in lines)
    return [value.strip() for name, _, value in pairs if name.strip() == key]


def usable_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def helper_threads(name: str, most: int) -> ThreadPoolExecutor:
    """Return threads of this process that wait for work, the same ones for the same name."""
    return ThreadPoolExecutor(most, thread_name_prefix=name)


if hasattr(os, "register_at_fork"):  # a forked child has the pool but none of its threads
    os.register_at_fork(after_in_child=helper_threads.cache_clear)


def installed_version(*distributions: str) -> str | None:
    """Return the version of the first installed one of ``distributions``, without importing it, or None."""
    for distribution in distributions:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version(distribution)
    return None


def in_words(cpuinfo: Path = CPUINFO) -> str:
    """Return what a reader of times must know of this computer, in a line."""
    present = instructions(cpuinfo)
    has = [f"{'with' if name in present else 'without'} {name}" for name in INSTRUCTIONS.values()]
    tensorflow = installed_version(*TENSORFLOW) or "none"
    return (
        f"{cpu_model(cpuinfo)}, {usable_cores()} cores, {', '.join(has)}; TensorFlow {tensorflow}, "
        f"Python {platform.python_version()}"
    )
