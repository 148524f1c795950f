"""The compiled kernels that one rewritten graph calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.kernels import compiled, definitions
from conformance.graph.editing import call
from conformance.graph.tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.graph.frozen import Node


class Library:
    """Collects the function definitions that a graph needs, while nodes that call them are made."""

    def __init__(self) -> None:
        self._definitions: dict[str, Any] = {}

    def call(
        self,
        name: str,
        kernel: Callable[..., Any],
        inputs: Sequence[str],
        signature: tuple[Any, ...],
        result: Any,  # noqa: ANN401 - a dtype
        **settings: Any,  # noqa: ANN401
    ) -> Node:
        """Return a node ``name`` that runs ``kernel`` on ``inputs``.

        Args:
            name: of the node.
            kernel: a function of :mod:`conformance.devices.emulator.kernels`.
            inputs: tensors that it reads.
            signature: dtype, or (dtype, rank), per input.
            result: dtype of the result.
            settings: the kernel's other arguments; dtypes by name.
        """
        tf = tensorflow()
        dtypes = [tf.as_dtype(entry[0] if isinstance(entry, tuple) else entry) for entry in signature]
        specs = tuple(
            (dtype, entry[1]) if isinstance(entry, tuple) else dtype
            for dtype, entry in zip(dtypes, signature, strict=True)
        )
        function = compiled(kernel, specs, **settings)
        for definition in definitions(function):
            self._definitions[definition.signature.name] = definition
        return call(name, function.function_def.signature.name, inputs, dtypes, [result])

    @property
    def definitions(self) -> list[Any]:
        """The FunctionDefs of every kernel called so far."""
        return list(self._definitions.values())
