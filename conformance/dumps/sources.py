"""What can be compared: a dump, a file in one of several formats, or a network's goldens."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

from conformance.dumps.manifest import FORMATS, MANIFEST, DumpedFile, bare_name, read_manifest, tensor_name
from conformance.dumps.polygraphy import ITERATION_FILE, polygraphy_directory, polygraphy_file
from conformance.dumps.tensors import Array, Reading, Side, Tensor, canonical, floats
from conformance.dumps.text import read_numbers
from conformance.errors import UsageError
from conformance.files import read_bytes, sha256
from conformance.npy import npy_of, npz_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conformance.goldens import GoldenStore


def side_of(path: Path) -> Side:
    """Return what a path given by the user holds: a dump's directory or its manifest, or a file.

    Raises:
        UsageError: it does not exist, or holds nothing that can be compared.
    """
    if path.name == MANIFEST:
        return _dump(path.parent)
    if path.is_dir():
        saved = not (path / MANIFEST).exists() and any(
            ITERATION_FILE.fullmatch(file.name) for file in path.iterdir()
        )
        return polygraphy_directory(path) if saved else _dump(path)
    if not path.exists():
        raise UsageError(f"{path} does not exist; give a dump's directory or a file")
    if path.suffix not in _FILES:
        raise UsageError(f"{path} is none of {', '.join(_FILES)}; rename it, or give a dump's directory")
    return _FILES[path.suffix](path)


def goldens_side(store: GoldenStore) -> Side:
    """Return a network's goldens: every node that has one, on every sample.

    Raises:
        GoldenError: there are none.
    """
    network = store.network
    tensors = [
        Tensor(tensor_name(node.name), sample, functools.partial(_golden, store, node.name, sample))
        for node in store.manifest.nodes
        for sample in range(network.samples)
    ]
    return Side(
        f"the goldens of {network.name}",
        tensors,
        complete=False,
        graph_sha256=network.graph.sha256,
        input_sha256=network.input_sha256,
        prepare=lambda names: store.ensure([name.removesuffix(":0") for name in names]),
    )


def _golden(store: GoldenStore, node: str, sample: int) -> Reading:
    return Reading(store.get(node, sample))


def _dump(directory: Path) -> Side:
    manifest = read_manifest(directory)
    tensors = [
        Tensor(tensor_name(file.node), file.sample, functools.partial(_dumped, directory, file))
        for file in manifest.files
    ]
    return Side(
        str(directory),
        tensors,
        graph_sha256=manifest.graph_sha256,
        input_sha256=manifest.input_sha256,
    )


def _dumped(directory: Path, file: DumpedFile) -> Reading:
    """Read one tensor of a dump, which must be what was written."""
    path = directory / file.file
    data = read_bytes(path, "dumped tensor")
    if sha256(data) != file.sha256:
        raise UsageError(f"{path} is not what {MANIFEST} says (sha256 {file.sha256[:12]}…); dump again")
    if not FORMATS[file.format].pattern:
        return Reading(floats(_array(data, path), str(path)))
    values = read_numbers(path).values
    if values.size != math.prod(file.shape):
        raise UsageError(
            f"{path} has {values.size} numbers, but {MANIFEST} says shape {file.shape}; dump again"
        )
    return Reading(values.reshape(file.shape), file.resolution)


def _npy(path: Path) -> Side:
    return _single(path, lambda: Reading(floats(_array(read_bytes(path, "file"), path), str(path))))


def _text(path: Path) -> Side:
    def read() -> Reading:
        numbers = read_numbers(path)
        return Reading(numbers.values, numbers.resolution, shaped=False)

    return _single(path, read)


def _single(path: Path, read: Callable[[], Reading]) -> Side:
    name, sample = bare_name(path.stem)
    return Side(str(path), [Tensor(name, sample, read, whole=False)], one_file=True)


def _npz(path: Path) -> Side:
    try:
        arrays = npz_of(read_bytes(path, "file"))
    except ValueError as error:
        raise UsageError(f"{path} is no .npz archive, or a damaged one; save it again") from error
    if not arrays:
        raise UsageError(f"{path} holds no arrays; save it again")
    tensors = [
        Tensor(canonical(name), None, functools.partial(_member, read, f"array {name!r} of {path}"))
        for name, read in arrays.items()
    ]
    return Side(str(path), tensors)


def _member(read: Callable[[], Array], where: str) -> Reading:
    try:
        array = read()
    except (ValueError, MemoryError) as error:
        raise UsageError(f"{where} cannot be read: {error}") from error
    return Reading(floats(array, where))


def _array(data: bytes, path: Path) -> Array:
    try:
        return npy_of(data)
    except (ValueError, EOFError) as error:
        raise UsageError(f"{path} cannot be read as .npy: {error}") from error


_FILES = {".npy": _npy, ".npz": _npz, ".txt": _text, ".json": polygraphy_file}
