"""Kernels that XLA compiles, shared by all graphs of a process, and collected per graph.

XLA compiles a function anew for every shape. Two profiles share a kernel if they agree in the switches that
it reads.
"""

from __future__ import annotations

import functools
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from conformance.devices.emulator.profile import Profile
from conformance.graph.editing import call
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conformance.graph.frozen import Node

Tensor = Any


class _Watched:
    """A profile that remembers which of its switches were read.

    Args:
        profile: the switches.
        read: gets what was read, by dotted name.
        prefix: how names begin.
    """

    def __init__(self, profile: Profile, read: dict[str, str], prefix: str = "") -> None:
        self._profile, self._read, self._prefix = profile, read, prefix

    def __getattr__(self, name: str) -> Any:
        value, dotted = getattr(self._profile, name), f"{self._prefix}{name}"
        if isinstance(value, Profile):
            return _Watched(value, self._read, f"{dotted}.")
        self._read[dotted] = value
        return value


class _Kernel:
    """A kernel with settings, traced once for all profiles that agree in what it reads of them.

    Args:
        kernel: a function of TensorFlow.
        signature: see :func:`compiled`.
        settings: its other arguments, without the profile.
    """

    def __init__(
        self, kernel: Callable[..., Tensor], signature: tuple[Any, ...], settings: dict[str, Any]
    ) -> None:
        self._kernel, self._settings = kernel, settings
        self._specs = [
            tensorflow().TensorSpec([None] * entry[1], entry[0])
            if isinstance(entry, tuple)
            else tensorflow().TensorSpec(None, entry)
            for entry in signature
        ]
        self._traced: list[tuple[dict[str, str], Any]] = []

    def under(self, profile: Profile) -> Any:
        """Return the concrete function for a profile."""
        for read, function in self._traced:
            if all(attrgetter(name)(profile) == value for name, value in read.items()):
                return function
        reads: dict[str, str] = {}
        function = self._trace(_Watched(profile, reads))
        self._traced.append((reads, function))
        return function

    def _trace(self, profile: _Watched) -> Any:
        def run(*tensors: Tensor) -> Tensor:
            return self._kernel(*tensors, profile=profile, **self._settings)

        return (
            tensorflow().function(run, jit_compile=True, autograph=False).get_concrete_function(*self._specs)
        )


@functools.cache
def _kernel(kernel: Callable[..., Tensor], signature: tuple[Any, ...], **settings: Any) -> _Kernel:
    return _Kernel(kernel, signature, settings)


def compiled(
    kernel: Callable[..., Tensor], signature: tuple[Any, ...], *, profile: Profile, **settings: Any
) -> Any:
    """Trace ``kernel`` with these settings for XLA, once per process.

    Args:
        kernel: a function of the emulator's kernels.
        signature: a dtype, or a (dtype, rank) pair, per tensor argument.
        profile: the switches.
        settings: its other arguments.

    Returns:
        A concrete function; its name calls it from a graph that holds its definitions.
    """
    return _kernel(kernel, signature, **settings).under(profile)


@functools.cache
def _definitions(function: Any) -> dict[str, Any]:
    """Return the definitions of a compiled function, and of those that it calls, by name."""
    found = (function.function_def, *function.graph.as_graph_def().library.function)
    return {definition.signature.name: definition for definition in found}


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
        result: Any,
        **settings: Any,
    ) -> Node:
        """Return a node ``name`` that runs ``kernel`` on ``inputs``.

        Args:
            name: of the node.
            kernel: a function of the emulator's kernels.
            inputs: tensors that it reads.
            signature: dtype, or (dtype, rank), per input.
            result: dtype of the result, or a tuple of them where there are several.
            settings: the kernel's other arguments; dtypes by name.
        """
        dtypes = [
            tensorflow().as_dtype(entry[0] if isinstance(entry, tuple) else entry) for entry in signature
        ]
        specs = tuple(
            (dtype, entry[1]) if isinstance(entry, tuple) else dtype
            for dtype, entry in zip(dtypes, signature, strict=True)
        )
        function = compiled(kernel, specs, **settings)
        self._definitions |= _definitions(function)
        results = result if isinstance(result, tuple) else (result,)
        return call(name, function.function_def.signature.name, inputs, dtypes, results)

    def with_definitions(self, library: Any) -> Any:
        """Return a FunctionDefLibrary and the kernels that were called so far."""
        whole = type(library)()
        whole.CopyFrom(library)
        whole.function.extend(self._definitions.values())
        return whole
