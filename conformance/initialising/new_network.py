"""A new network: graph frozen, inputs named or drawn, ``network.toml`` written, all of it or nothing."""

from __future__ import annotations

import dataclasses
import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.errors import InfrastructureError, UsageError
from conformance.files import write_all
from conformance.freezing.ends import check_numbers, last_floats
from conformance.freezing.finding import SAVED_MODELS, check_model
from conformance.freezing.freeze import freeze
from conformance.graph.array_files import array_directory
from conformance.initialising.description import description
from conformance.initialising.random_inputs import random_samples
from conformance.network_file import FILE, LONGEST_NAME
from conformance.networks import network_names
from conformance.npy import write_npy

if TYPE_CHECKING:
    from conformance.freezing.freeze import Frozen, Request
    from conformance.graph.array_files import Writer

GRAPH = "graph.pb"
INPUTS = "inputs"
NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclasses.dataclass(frozen=True)
class NewNetwork:
    """What was written.

    Attributes:
        directory: where.
        frozen: its graph.
        graph: its files, ``graph.pb`` last.
        files: the files of each input, relative to the directory.
        written: all files, ``network.toml`` last.
    """

    directory: Path
    frozen: Frozen
    graph: list[Path]
    files: dict[str, list[str]]
    written: list[Path]


def initialise(source: Path, request: Request, directory: Path | None, random_inputs: int) -> NewNetwork:
    """Write graph, inputs and ``network.toml`` of a model; nothing that is there is overwritten.

    Args:
        source: a frozen ``.pb``, a SavedModel or a Keras file.
        request: its outputs, and where its inputs are cut.
        directory: where to; None: called after the source, in the current directory.
        random_inputs: how many samples of random inputs to draw; 0: the files are the user's to make.

    Raises:
        UsageError: the model cannot be frozen or has no inputs of numbers, or a file is there already.
        InfrastructureError: the directory cannot be written.
    """
    source = source.parent if source.name in SAVED_MODELS else source
    check_model(source)
    directory = directory or _beside(source)
    _check_free(directory / FILE, directory / GRAPH, array_directory(directory / GRAPH))
    frozen = freeze(source, request)
    _check(frozen)
    types = {name: frozen.types[name][0] for name in frozen.graph.inputs}
    samples = random_samples(types, random_inputs)
    files = _file_names(list(types), max(random_inputs, 1))
    text = description(frozen, _name_of(directory), GRAPH, files, random=bool(samples), source=source.name)
    graph = {Path(path): write for path, write in frozen.graph.files(directory / GRAPH).items()}
    contents: dict[Path, Writer] = {
        directory / files[name][i]: functools.partial(write_npy, array=value)
        for i, feeds in enumerate(samples)
        for name, value in feeds.items()
    }
    contents |= graph
    contents[directory / FILE] = lambda file: file.write(text.encode())
    _write(directory, contents)
    return NewNetwork(directory, frozen, list(graph), files, list(contents))


def _beside(source: Path) -> Path:
    """Return a directory in the current one that is called after the source and is not the source."""
    name = source.resolve().stem
    return Path(f"{name}-network" if Path(name).resolve() == source.resolve() else name)


def _name_of(directory: Path) -> str:
    """Return a name for the network that none of the project's own has."""
    plain = NOT_IN_NAMES.sub("-", directory.resolve().name).lstrip(".-")
    name = plain[: LONGEST_NAME - len("-2")] or "network"
    return f"{name}-2" if name in network_names(locations.NETWORKS) else name


def _check_free(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise UsageError(
                f"{path} is there already and is not overwritten; give another directory with -o"
            )


def _check(frozen: Frozen) -> None:
    """Demand inputs and outputs that can be fed and judged."""
    graph = frozen.graph
    if not graph.inputs:
        raise UsageError(
            f"the outputs {', '.join(graph.outputs)} of {graph.source} depend on no placeholder, so nothing "
            "can be fed; name other outputs with --output, or a tensor to feed with --input"
        )
    check_numbers(graph)
    for name in graph.outputs:
        tensor = frozen.types[name][0]
        if not tensor.floating:
            near = ", ".join(last_floats(graph, graph.inputs))
            raise UsageError(
                f"output {name!r} of {graph.source} gives {tensor.dtype.name}, and only floats are judged; "
                f"give --output {near}"
            )


def _file_names(inputs: list[str], samples: int) -> dict[str, list[str]]:
    """Return the files of each input; two names that differ in odd characters alone get numbers."""
    plain = [NOT_IN_NAMES.sub("_", name) for name in inputs]
    stems = [f"{stem}-{i}" if plain.count(stem) > 1 else stem for i, stem in enumerate(plain)]
    return {
        name: [f"{INPUTS}/{stem}-{sample}.npy" for sample in range(1, samples + 1)]
        for name, stem in zip(inputs, stems, strict=True)
    }


def _write(directory: Path, contents: dict[Path, Writer]) -> None:
    """Write all files, or none."""
    _check_free(*contents)
    try:
        write_all(contents)
    except OSError as error:
        raise InfrastructureError(
            f"{directory} cannot be written: {error.strerror or error}; give another directory with -o"
        ) from error
