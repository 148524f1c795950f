"""A device for the transcript in docs/hardware.md: it computes right, but its process dies over one node.

PYTHONPATH=docs/examples pytest conformance/suite -m mlu --isolate --device=crashing:dies_at_mean
"""

from __future__ import annotations

import os
import signal
import sys

from conformance.devices.cpu import CpuDevice, CpuSession

NODE = "generator/InstanceNorm/moments/mean"


class DyingSession(CpuSession):
    """Dies when the node is fetched."""

    def run(self, feeds):
        """Run, or die."""
        results = super().run(feeds)
        if NODE in results:
            print("fatal: watchdog of core 0 expired", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        return results


class DyingDevice(CpuDevice):
    """The CPU but for that node."""

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        """Load a graph."""
        return DyingSession(graph, fetches)


dies_at_mean = DyingDevice
