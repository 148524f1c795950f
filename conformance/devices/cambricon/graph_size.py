"""How large a graph may be: TensorFlow 1 wants its constants in one GraphDef, which ends at 2 GiB."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.devices.base import Unsupported
from conformance.graph import frozen

if TYPE_CHECKING:
    from conformance.graph.frozen import FrozenGraph


def check_size(graph: FrozenGraph) -> None:
    """Demand a graph that one GraphDef can hold.

    Raises:
        Unsupported: its constants are larger.
    """
    if not graph.fits_one_message:
        raise Unsupported(
            f"the graph has constants of {graph.constant_bytes:,} bytes, but TensorFlow 1 takes "
            f"{frozen.LARGEST_MESSAGE:,} at most; judge own errors of fewer nodes at a time, with --nodes"
        )
