"""Large constants that workers share: each is written to a file once, whatever graphs and workers read it."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from conformance.devices.worker.arena import not_shared
from conformance.graph.constants import declared, same_numbers

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.graph.constants import Array, Node
    from conformance.graph.frozen import FrozenGraph

PREFIX = "constant-"


class ConstantFiles:
    """The files of constants in a directory, each with the bytes of one array, row by row.

    Args:
        directory: a private one that workers can read; whoever made it deletes it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._paths: dict[tuple[Any, ...], Path] = {}
        self._count = 0

    def of(self, graph: FrozenGraph) -> dict[str, str]:
        """Return the file of every large constant of a graph, by node; those that are not there are written.

        Raises:
            SpaceError: there is no room for one.
            DeviceError: one cannot be written.
        """
        return {name: str(self._path(graph.nodes[name], array)) for name, array in graph.arrays.items()}

    def _path(self, node: Node, array: Array) -> Path:
        content = declared(node, array)
        owner, numbers = same_numbers(array)
        key = (*numbers, content.dtype.str)
        if key not in self._paths:
            self._count += 1
            path = self._directory / f"{PREFIX}{self._count}"
            try:
                path.write_bytes(content.reshape(-1).view("u1").data)
            except OSError as error:
                path.unlink(missing_ok=True)
                what = f"constant {node.name!r} of {content.nbytes} bytes"
                raise not_shared(what, self._directory, error) from error
            self._paths[key] = path
            weakref.finalize(owner, self._forget, key)
        return self._paths[key]

    def _forget(self, key: tuple[Any, ...]) -> None:
        self._paths.pop(key).unlink(missing_ok=True)
