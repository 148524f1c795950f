"""Imported by every Python that a test of faults starts: the first to reach a point stops there and says so.

``FAULT_POINT`` names it: ``call MODULE:NAME COUNT`` is the beginning of a call, ``file GLOB COUNT`` a write
of a file whose name fits, before its bytes are safe. ``FAULT_DIRECTORY`` gets a file ``reached`` with
the number of the process, which goes on when a file ``go`` is there. ``FAULT_SHARED`` is what the suite takes
for shared memory, ``FAULT_INSTALLED`` a place for goldens as an installation has it.
"""

import contextlib
import fnmatch
import functools
import importlib.abc
import importlib.machinery
import os
import signal
import sys
import time
from pathlib import Path

DIRECTORY = Path(os.environ.get("FAULT_DIRECTORY", ""))
POLL_SECONDS = 0.02
counts = {}


def stop_at(point, count):
    """Stop when a point is reached for this time in this process, unless another process was first."""
    counts[point] = counts.get(point, 0) + 1
    if counts[point] != count:
        return
    try:
        with (DIRECTORY / "reached.part").open("x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    (DIRECTORY / "reached.part").replace(DIRECTORY / "reached")
    while not (DIRECTORY / "go").exists():
        time.sleep(POLL_SECONDS)


def stopping(function, point, count):
    @functools.wraps(function)
    def stopped(*arguments, **named):
        stop_at(point, count)
        return function(*arguments, **named)

    return stopped


class Finder(importlib.abc.MetaPathFinder):
    """Changes one module when it has been imported."""

    def __init__(self, module, change):
        self.module, self.change = module, change

    def find_spec(self, name, path=None, _=None):
        if name != self.module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        execute = spec.loader.exec_module

        def executed(module):
            execute(module)
            self.change(module)

        spec.loader.exec_module = executed
        return spec


def watch_calls(place, count):
    name, _, path = place.partition(":")

    def change(module):
        *owners, last = path.split(".")
        owner = functools.reduce(getattr, owners, module)
        setattr(owner, last, stopping(getattr(owner, last), place, count))

    sys.meta_path.insert(0, Finder(name, change))


def watch_files(pattern, count):
    def watching(function):
        @functools.wraps(function)
        def watched(descriptor, *rest):
            with contextlib.suppress(OSError):
                if fnmatch.fnmatch(str(Path(f"/proc/self/fd/{descriptor}").readlink()), pattern):
                    stop_at(pattern, count)
            return function(descriptor, *rest)

        return watched

    os.write, os.fsync = watching(os.write), watching(os.fsync)


if os.environ.get("FAULT_POINT"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # under nohup it is ignored
    kind, where, number = os.environ["FAULT_POINT"].split()
    {"call": watch_calls, "file": watch_files}[kind](where, int(number))

if os.environ.get("FAULT_SHARED"):

    def use_shared(module):
        module.SHARED_MEMORY = Path(os.environ["FAULT_SHARED"])

    sys.meta_path.insert(0, Finder("conformance.devices.worker.arena", use_shared))

if os.environ.get("FAULT_INSTALLED"):

    def install(module):
        module.GOLDENS, module.INSTALLED = Path(os.environ["FAULT_INSTALLED"]), True

    sys.meta_path.insert(0, Finder("conformance.locations", install))
