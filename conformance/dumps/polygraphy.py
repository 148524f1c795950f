"""Outputs that Polygraphy saved with ``--save-outputs``: arrays in JSON, read without Polygraphy.

A file is ``{"lst": [[runner, [iteration, …]]]}``. An iteration has ``outputs``, by name; each of them is
``{"values": {"array": TEXT}}``, where TEXT is a ``.npy`` file in base64. Older versions wrote a compressed
``.npz`` of one array, and bytes as latin-1 characters. Newer ones can save a directory of such files, one per
iteration, called ``0000000000.json`` and so on.

Source: NVIDIA/TensorRT, ``json/serde.py`` and ``comparator/struct.py`` in ``tools/Polygraphy/polygraphy``.
"""

from __future__ import annotations

import base64
import functools
import re
from typing import TYPE_CHECKING

import msgspec

from conformance.dumps.tensors import Array, Reading, Side, Tensor, canonical, floats
from conformance.errors import UsageError
from conformance.files import read_bytes
from conformance.npy import npy_of, npz_of

if TYPE_CHECKING:
    from pathlib import Path

ITERATION_FILE = re.compile(r"\d{10}\.json")
_NPY, _ZIP = "\x93NUMPY", "PK\x03\x04"


class _Values(msgspec.Struct):
    array: str | None = None
    tensor: str | None = None


class _Output(msgspec.Struct):
    values: _Values


class _Iteration(msgspec.Struct):
    outputs: dict[str, _Output]


class _RunResults(msgspec.Struct):
    lst: list[tuple[str, list[_Iteration]]]


def polygraphy_file(path: Path) -> Side:
    """Return the outputs saved in one file.

    Raises:
        UsageError: it is no such file, is empty, or holds more than one runner's.
    """
    return _side(_iterations(path), path)


def polygraphy_directory(path: Path) -> Side:
    """Return the outputs saved in a directory of one file per iteration.

    Raises:
        UsageError: as for a file.
    """
    files = sorted(file for file in path.iterdir() if ITERATION_FILE.fullmatch(file.name))
    return _side([iteration for file in files for iteration in _iterations(file)], path)


def _iterations(path: Path) -> list[_Iteration]:
    try:
        results = msgspec.json.decode(read_bytes(path, "file"), type=_RunResults)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError(f"{path} holds no outputs that Polygraphy saved: {error}") from error
    runners = [runner for runner, _ in results.lst]
    if len(runners) != 1:
        named = ", ".join(runners) or "none"
        raise UsageError(f"{path} should hold the outputs of one runner, but has {named}; save them apart")
    return results.lst[0][1]


def _side(iterations: list[_Iteration], path: Path) -> Side:
    several = len(iterations) > 1
    tensors = [
        Tensor(
            canonical(name), index if several else None, functools.partial(_read, output, f"{path}: {name}")
        )
        for index, iteration in enumerate(iterations)
        for name, output in iteration.outputs.items()
    ]
    if not tensors:
        raise UsageError(f"{path} holds no outputs; save them again")
    return Side(str(path), tensors)


def _read(output: _Output, where: str) -> Reading:
    if output.values.array is None:
        kind = "a PyTorch tensor" if output.values.tensor else "no array"
        raise UsageError(f"{where} is {kind}; save NumPy arrays")
    try:
        array = _decoded(output.values.array)
    except (ValueError, EOFError, MemoryError) as error:
        raise UsageError(f"{where} cannot be read ({error}); save it again") from error
    return Reading(floats(array, where))


def _decoded(text: str) -> Array:
    if text.startswith((_NPY, _ZIP)):
        data = text.encode("latin-1")
    else:
        data = base64.b64decode(text.encode(), validate=True)
    if data.startswith(_NPY.encode("latin-1")):
        return npy_of(data)
    (read,) = npz_of(data).values()
    return read()
