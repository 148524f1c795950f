"""Devices that break, or decline, while they are probed."""

from examples.numpy_device import NumpyDevice

from conformance.devices.base import Unsupported
from conformance.errors import DeviceError


class NoTanh(NumpyDevice):
    """Cannot compile a graph with a Tanh in it, as a driver that crashes there."""

    def open(self, graph, fetches, **options):
        if any(node.op == "Tanh" for node in graph.prune(fetches).nodes.values()):
            raise DeviceError("the compiler gave up at a Tanh")
        return super().open(graph, fetches, **options)


class OnlyFp32(NumpyDevice):
    """Offers float32 alone."""

    def open(self, graph, fetches, **options):
        if options["precision"].float_bits == 16:
            raise Unsupported("there are no halves here")
        return super().open(graph, fetches, **options)


class Nothing(NumpyDevice):
    """Breaks at everything."""

    def open(self, graph, fetches, **options):
        raise DeviceError(
            f"cannot compile {len(fetches)} nodes of {len(graph.nodes)} at {options['precision']}"
        )
