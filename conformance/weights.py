"""Weights of a network: recipes that fill the constants of a frozen graph, or a checkpoint that does."""

from __future__ import annotations

import fnmatch
import math
import re
import zipfile
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from conformance.errors import UsageError, near_names
from conformance.graph.frozen import producer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.freezing.checkpoint import Checkpoint
    from conformance.graph.frozen import FrozenGraph

Array = np.ndarray[Any, Any]
READ = re.compile(r"(^|/)ReadVariableOp(_\d+)?$")
Positive = Annotated[float, msgspec.Meta(gt=0)]


class Weights(msgspec.Struct, forbid_unknown_fields=True):
    """``[[weights]]``: how to fill the constants whose names match, in graph order.

    ``truncated-normal`` redraws what lies beyond two standard deviations; ``constant`` is one value;
    ``file`` is a ``.npz`` with one array per constant name.
    """

    match: str
    kind: Literal["truncated-normal", "constant", "file"]
    std: Positive = 1.0
    value: float = 0.0
    file: str = ""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.std) and math.isfinite(self.value)):
            raise ValueError(f"std {self.std} and value {self.value} should be finite")
        if (self.kind == "file") != bool(self.file):
            raise ValueError(f"kind is {self.kind!r} and file is {self.file!r}, but one asks for the other")


def filled(graph: FrozenGraph, recipes: Sequence[Weights], seed: int, source: Path) -> FrozenGraph:
    """Return ``graph`` with its constants filled by ``recipes``, a later one going over an earlier one.

    Args:
        graph: the graph without weights.
        recipes: what to fill how.
        seed: of the ``numpy.random.RandomState`` that draws random weights, whose bits are frozen.
        source: the file with the recipes; files of weights are beside it.

    Raises:
        UsageError: a recipe matches no constant, one that is not of floats, or a file does not fit.
    """
    random = np.random.RandomState(seed)
    values: dict[str, Array] = {}
    for recipe in recipes:
        values |= _drawn(recipe, _matched(recipe, graph, source), random, source)
    return graph.with_constants(values)


def restored(
    graph: FrozenGraph, recipes: Sequence[Weights], checkpoint: Checkpoint, source: Path
) -> FrozenGraph:
    """Return ``graph`` with its variables as ``checkpoint`` has them, recipes or not.

    Variables of a frozen graph are the constants that recipes fill, those that are read as variables are,
    by an Identity called ``<name>/read`` or ``…/ReadVariableOp``, and those that the checkpoint knows by
    name. It must have all of them.

    Args:
        graph: the graph; the values of its variables do not matter.
        recipes: what would fill it otherwise.
        checkpoint: the values, under the names of the constants.
        source: the file with the recipes.

    Raises:
        UsageError: the graph has no variables, or one is missing, damaged, or of another shape or dtype.
    """
    names = dict.fromkeys(name for recipe in recipes for name in _matched(recipe, graph, source))
    names |= dict.fromkeys(_read_as_variables(graph))
    names |= dict.fromkeys(name for name in _constants(graph) if name in checkpoint.variables)
    if not names:
        raise UsageError(f"{graph.source} has no variables that checkpoint {checkpoint.prefix} could fill")
    checkpoint.require(names, graph.source)
    return graph.with_constants({name: _checked(checkpoint, name, graph) for name in names})


def _constants(graph: FrozenGraph) -> list[str]:
    return [node.name for node in graph.nodes.values() if node.op == "Const"]


def _read_as_variables(graph: FrozenGraph) -> list[str]:
    """Return the constants that an Identity reads as a variable is read."""
    constants = set(_constants(graph))
    sources = {node.name: producer(node.input[0]) for node in graph.nodes.values() if node.op == "Identity"}
    return [
        source
        for name, source in sources.items()
        if source in constants and (name == f"{source}/read" or READ.search(name))
    ]


def _checked(checkpoint: Checkpoint, name: str, graph: FrozenGraph) -> Array:
    """Return a variable of a checkpoint that has the shape and dtype of the graph's constant."""
    from conformance.graph.lazy_tensorflow import tensorflow

    tensor, stored = graph.nodes[name].attr["value"].tensor, checkpoint.variables[name]
    wanted, found = (tensorflow().as_dtype(dtype).name for dtype in (tensor.dtype, stored.dtype))
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if (wanted, shape) != (found, stored.shape):
        raise UsageError(
            f"variable {name!r} of checkpoint {checkpoint.prefix} is {found} {stored.shape}, but "
            f"{graph.source} wants {wanted} {shape}; give the checkpoint of this network"
        )
    return checkpoint.value(name)


def _matched(recipe: Weights, graph: FrozenGraph, source: Path) -> dict[str, tuple[int, ...]]:
    """Return the shape of every constant that the recipe fills."""
    constants = {node.name: node.attr["value"].tensor for node in graph.nodes.values() if node.op == "Const"}
    matched = fnmatch.filter(constants, recipe.match)
    if not matched:
        raise UsageError(
            f"weights {recipe.match!r} in {source} match no constant"
            f"{near_names(recipe.match, list(constants))}"
        )
    from conformance.graph.lazy_tensorflow import tensorflow

    for name in matched:
        dtype = tensorflow().as_dtype(constants[name].dtype)
        if not dtype.is_floating:
            raise UsageError(
                f"weights {recipe.match!r} in {source} match {name!r}, which holds {dtype.name}; narrow the "
                "pattern"
            )
    return {name: tuple(dim.size for dim in constants[name].tensor_shape.dim) for name in matched}


def _drawn(
    recipe: Weights, shapes: dict[str, tuple[int, ...]], random: np.random.RandomState, source: Path
) -> dict[str, Array]:
    if recipe.kind == "truncated-normal":
        return {name: _truncated_normal(random, shape, recipe.std) for name, shape in shapes.items()}
    if recipe.kind == "constant":
        return {name: np.full(shape, recipe.value, np.float32) for name, shape in shapes.items()}
    return _stored(source.parent / recipe.file, shapes)


def _truncated_normal(random: np.random.RandomState, shape: tuple[int, ...], std: float) -> Array:
    """Draw float32 normal values of this standard deviation, redrawing beyond two of them."""
    values = np.asarray(random.standard_normal(shape))
    while (outside := np.abs(values) > 2).any():
        values[outside] = random.standard_normal(int(outside.sum()))
    return (values * std).astype(np.float32)


def _stored(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, Array]:
    values = _read_archive(path, list(shapes))
    for name, shape in shapes.items():
        value = values[name]
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            raise UsageError(f"weights {name!r} in {path} are not finite floats; store float32 numbers")
        if value.shape != shape:
            raise UsageError(
                f"weights {name!r} in {path} have shape {value.shape}, but the graph wants {shape}"
            )
    return values


def _read_archive(path: Path, names: list[str]) -> dict[str, Array]:
    try:
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
                raise UsageError(
                    f"weights {path} lack {missing[0]!r}{others}{near_names(missing[0], list(archive))}"
                )
            return {name: archive[name] for name in names}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"weights {path} cannot be read as .npz: {error}") from error
