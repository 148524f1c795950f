"""Random inputs, for a network whose real ones are not at hand yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.graph.dataflow import TensorType

SEED = 2017


def random_samples(inputs: Mapping[str, TensorType], count: int) -> list[dict[str, np.ndarray[Any, Any]]]:
    """Draw samples: normal numbers for floats, pixels for uint8, 0 or 1 for every other type.

    Args:
        inputs: type of each placeholder; an unknown first dimension, the batch, becomes 1.
        count: how many samples.

    Returns:
        Per sample an array per placeholder, of its shape and type; floats as float32.

    Raises:
        UsageError: another dimension of a placeholder is unknown.
    """
    random = np.random.RandomState(SEED)  # its bits never change
    shapes = {name: _shape(name, tensor) for name, tensor in inputs.items() if count}
    return [{name: _drawn(random, inputs[name], shapes[name]) for name in inputs} for _ in range(count)]


def _shape(name: str, tensor: TensorType) -> tuple[int, ...]:
    if tensor.shape == ():
        return ()
    first, *others = tensor.shape or (None, None)
    known = [size for size in others if size is not None]
    if len(known) != len(others):
        raise UsageError(
            f"input {name!r} is {tensor.in_words}, of unknown size, so no random input can be drawn; "
            "leave --random-inputs out and give .npy files of your own"
        )
    return (1 if first is None else first, *known)


def _drawn(random: np.random.RandomState, tensor: TensorType, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    if tensor.floating:
        return np.asarray(random.standard_normal(shape), np.float32)
    kind = np.dtype(tensor.dtype.as_numpy_dtype)
    return np.asarray(random.randint(0, 256 if kind == np.uint8 else 2, shape), kind)
