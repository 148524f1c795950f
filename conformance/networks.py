"""A network: a frozen graph with its weights, inputs, outputs and acceptance, read from ``network.toml``.

Any frozen ``.pb`` with a ``network.toml`` beside it is a network; nothing here knows one by name.
"""

from __future__ import annotations

import fnmatch
import functools
import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np

from conformance.errors import UsageError, near_names
from conformance.files import read_toml
from conformance.graph.frozen import FrozenGraph, load_frozen_graph
from conformance.judging.verdicts import Acceptance  # noqa: TC001 - msgspec reads the annotations

Array = np.ndarray[Any, Any]
Positive = Annotated[float, msgspec.Meta(gt=0)]
FILE = "network.toml"


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """``[network]``: what it is called and where its graph lies."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]+$")]
    graph: str
    description: str = ""
    weights_seed: int = 0


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """``[[input]]``: a placeholder and the files that feed it, one per sample.

    A PNG or JPEG of ``size`` (height, width) becomes ``pixel·scale + offset`` in float32, shape
    (1, height, width, 3); a ``.npy`` file is fed as it is, scaled the same way.
    """

    name: str
    files: Annotated[list[str], msgspec.Meta(min_length=1)]
    size: tuple[int, int] | None = None
    scale: float = 1.0
    offset: float = 0.0


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """``[[output]]``: a result node, the range of its values, and how to show it: ``value·scale + offset``."""

    name: str
    range: tuple[float, float]
    scale: float = 1.0
    offset: float = 0.0

    @property
    def span(self) -> float:
        """Width of the range: the peak of the PSNR."""
        return self.range[1] - self.range[0]


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


class Description(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of ``network.toml``."""

    network: Header
    input: Annotated[list[Input], msgspec.Meta(min_length=1)]
    output: Annotated[list[Output], msgspec.Meta(min_length=1)]
    acceptance: Acceptance
    weights: list[Weights] = []


class Network:
    """A network of this description, kept in ``directory``.

    Reading the description is cheap; graph and inputs are read when first used.

    Raises:
        UsageError: ``network.toml`` is missing or malformed, or inputs have different numbers of samples.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.description = read_toml(directory / FILE, Description, "network")
        self.name = self.description.network.name
        self.outputs = self.description.output
        self.acceptance = self.description.acceptance
        self.samples = len(self.description.input[0].files)
        for entry in self.description.input:
            if len(entry.files) != self.samples:
                raise UsageError(
                    f"input {entry.name!r} in {directory / FILE} has {len(entry.files)} files, but "
                    f"{self.description.input[0].name!r} has {self.samples}; give one file per sample"
                )

    @functools.cached_property
    def graph(self) -> FrozenGraph:
        """The frozen graph, pruned to the outputs, with its weights.

        Raises:
            UsageError: graph, weights, inputs and description do not fit each other.
        """
        path = self.directory / self.description.network.graph
        graph = load_frozen_graph(path, [output.name for output in self.outputs])
        fed = {entry.name for entry in self.description.input}
        if fed != set(graph.inputs):
            wrong = ", ".join(sorted(fed ^ set(graph.inputs)))
            raise UsageError(
                f"{self.directory / FILE} feeds {', '.join(sorted(fed))}, but {path} has the inputs "
                f"{', '.join(graph.inputs) or 'none'}; mend {wrong}"
            )
        return graph.with_constants(self._weights(graph)) if self.description.weights else graph

    def feeds(self, sample: int) -> dict[str, Array]:
        """Return one float32 array per placeholder for this sample, read and scaled once."""
        return self._samples[sample]

    @functools.cached_property
    def _samples(self) -> list[dict[str, Array]]:
        return [
            {entry.name: self._read(entry, entry.files[sample]) for entry in self.description.input}
            for sample in range(self.samples)
        ]

    @functools.cached_property
    def input_digest(self) -> str:
        """SHA-256 over all inputs as they are fed."""
        total = hashlib.sha256()
        for feeds in self._samples:
            for name, value in sorted(feeds.items()):
                total.update(f"{name}{value.shape}{value.dtype}".encode())
                total.update(np.ascontiguousarray(value).data)
        return total.hexdigest()

    def _read(self, entry: Input, name: str) -> Array:
        path = self.directory / name
        raw = _read_array(path) if path.suffix == ".npy" else _read_image(path, entry)
        if raw.dtype.kind in "iub" and (entry.scale, entry.offset) == (1.0, 0.0) and path.suffix == ".npy":
            return raw
        scaled: Array = (raw.astype(np.float64) * entry.scale + entry.offset).astype(np.float32)
        if not np.isfinite(scaled).all():
            raise UsageError(f"input {path} holds NaN or Inf; give finite numbers")
        return scaled

    def _weights(self, graph: FrozenGraph) -> dict[str, Array]:
        random = np.random.RandomState(self.description.network.weights_seed)  # noqa: NPY002 - its bits are frozen
        values: dict[str, Array] = {}
        constants = [node.name for node in graph.graph_def.node if node.op == "Const"]
        for weights in self.description.weights:
            matched = fnmatch.filter(constants, weights.match)
            if not matched:
                raise UsageError(
                    f"weights {weights.match!r} in {self.directory / FILE} match no constant"
                    f"{near_names(weights.match, constants)}"
                )
            values |= self._drawn(weights, matched, graph, random)
        return values

    def _drawn(
        self, weights: Weights, names: list[str], graph: FrozenGraph, random: np.random.RandomState
    ) -> dict[str, Array]:
        shapes = {name: _constant_shape(graph, name) for name in names}
        if weights.kind == "truncated-normal":
            return {name: _truncated_normal(random, shape, weights.std) for name, shape in shapes.items()}
        if weights.kind == "constant":
            return {name: np.full(shape, weights.value, np.float32) for name, shape in shapes.items()}
        return _stored(self.directory / weights.file, names)


def _constant_shape(graph: FrozenGraph, name: str) -> tuple[int, ...]:
    return tuple(dim.size for dim in graph.nodes[name].attr["value"].tensor.tensor_shape.dim)


def _truncated_normal(random: np.random.RandomState, shape: tuple[int, ...], std: float) -> Array:
    """Draw float32 normal values of this standard deviation, redrawing beyond two of them."""
    values = random.standard_normal(shape)
    while (outside := np.abs(values) > 2).any():  # noqa: PLR2004 - the definition of the truncated normal
        values[outside] = random.standard_normal(int(outside.sum()))
    return (values * std).astype(np.float32)


def _stored(path: Path, names: list[str]) -> dict[str, Array]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive]
            if missing:
                raise UsageError(f"weights {path} lack {missing[0]!r} and {len(missing) - 1} more")
            return {name: archive[name] for name in names}
    except (OSError, ValueError) as error:
        raise UsageError(f"weights {path} cannot be read: {error}") from error


def _read_array(path: Path) -> Array:
    try:
        array: Array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"input {path} cannot be read as .npy: {error}") from error
    return array


def _read_image(path: Path, entry: Input) -> Array:
    """Return the image as uint8 of shape (1, height, width, 3)."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))[None]
    except (OSError, UnidentifiedImageError) as error:
        raise UsageError(f"input {path} cannot be read as an image: {error}") from error
    if entry.size is None or pixels.shape[1:3] != tuple(entry.size):
        wanted = "a `size`" if entry.size is None else "x".join(map(str, entry.size))
        raise UsageError(
            f"input {path} is {pixels.shape[1]}x{pixels.shape[2]} (height x width), but input "
            f"{entry.name!r} wants {wanted}; resize the picture or mend {FILE}"
        )
    return pixels


def find_network(name: str, root: Path) -> Network:
    """Return the network called ``name`` below ``root``.

    Raises:
        UsageError: there is none; names near ones.
    """
    known = sorted(path.parent.name for path in root.glob(f"*/{FILE}"))
    if name not in known:
        raise UsageError(f"network {name!r} is not in {root}{near_names(name, known)}")
    return Network(root / name)
