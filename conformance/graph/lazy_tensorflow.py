"""TensorFlow, imported late, quietly, on the CPU alone, and with the graph optimisers off.

Grappler folds, reorders and fuses operators, which changes their last bits. Every graph that this project
runs is meant literally, so the optimisers stay off for the whole process.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import sys
from typing import TYPE_CHECKING, Any

from conformance.errors import InfrastructureError
from conformance.machine import TENSORFLOW, installed_version

if TYPE_CHECKING:
    from collections.abc import Iterator


@functools.cache
def tensorflow() -> Any:
    """Import TensorFlow once and return it, with its chatter and its graph optimisers off.

    Raises:
        InfrastructureError: it cannot be imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    try:
        with _native_chatter_silenced(), _without_keras(), _uncollected():
            import tensorflow as tf

            tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
            tf.constant(0) + 1  # the first operation starts the runtime, which has more to say
    except ImportError as error:
        raise InfrastructureError(
            f"TensorFlow cannot be imported: {error}; install the project's requirements"
        ) from error
    return tf


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector from TensorFlow's hundred thousands of objects, now and later: they stay.

    It would look through them again and again while they are made, a fifth of the time of the import.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if collects:
            gc.enable()


@contextlib.contextmanager
def _without_keras() -> Iterator[None]:
    """Keep TensorFlow from importing Keras, a fifth of its own import; ``tf.keras`` does when it is used."""
    hidden = "keras" not in sys.modules
    if hidden:
        sys.modules["keras"] = None  # type: ignore[assignment] # the import fails, which TensorFlow allows
    try:
        yield
    finally:
        if hidden:
            del sys.modules["keras"]


@contextlib.contextmanager
def _native_chatter_silenced() -> Iterator[None]:
    """Send what native code writes to standard error to nowhere; it logs before its log level is read."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def tensorflow_version() -> str:
    """Return the version of the installed TensorFlow without importing it, or '' when there is none."""
    return installed_version(*TENSORFLOW) or ""


@functools.cache
def op_definition(op: str) -> Any:
    """Return the OpDef that this TensorFlow registers for ``op``, or None."""
    tensorflow()
    from tensorflow.python.framework import op_def_registry

    return op_def_registry.get(op)


@functools.cache
def cpu_kernel_types(op: str) -> tuple[dict[str, frozenset[int]], ...]:
    """Return, for each CPU kernel of ``op``, the types that it allows per type attribute."""
    tensorflow()
    from tensorflow.python.framework import kernels

    return tuple(
        {constraint.name: frozenset(constraint.allowed_values.list.type) for constraint in kernel.constraint}
        for kernel in kernels.get_registered_kernels_for_op(op).kernel
        if kernel.device_type in {"CPU", "DEFAULT"}  # some kernels are registered for every device at once
    )
