"""A network: a frozen graph with its weights, inputs, outputs and acceptance, read from ``network.toml``.

Any frozen ``.pb`` with a ``network.toml`` beside it is a network; nothing here knows one by name.
"""

from __future__ import annotations

import functools
import hashlib
import shlex
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.errors import UsageError, near_names
from conformance.files import read_toml
from conformance.freezing.checkpoint import Checkpoint, checkpoint_name
from conformance.freezing.finding import MODELS, SAVED_MODELS, find_checkpoint, is_saved_model
from conformance.freezing.published import read_published, recognised
from conformance.graph.dataflow import float_source, placeholder_type
from conformance.graph.einsums import with_plain_einsums
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.own_scales import without_scales
from conformance.graph.retype import output_types
from conformance.graph.side_effects import refuse_side_effects
from conformance.graph.wholeness import check_whole
from conformance.network_file import FILE, Description, Input, Output
from conformance.npy import read_npy
from conformance.weights import filled, restored

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from conformance.graph.frozen import FrozenGraph

Array = np.ndarray[Any, Any]
GRAPH = ".pb"


class Network:
    """A network of this description, kept in ``directory``.

    Reading the description is cheap; graph and inputs are read when first used.

    Args:
        directory: where ``network.toml`` lies.
        weights: a checkpoint (a directory, a prefix or a SavedModel) whose variables take the place of the
            network's own weights. The network is then called ``<name>-<digest>`` after the checkpoint, so
            that what is made for it (goldens, bounds, scales, records) never meets that of other weights.
        trusted: whether its graph may reach outside of itself; see :mod:`conformance.graph.side_effects`.

    Raises:
        UsageError: ``network.toml`` is missing or malformed, inputs have different numbers of samples, or
            there is no such checkpoint.
    """

    def __init__(self, directory: Path, weights: Path | None = None, *, trusted: bool = False) -> None:
        self.directory, self.trusted = directory, trusted
        self.description = read_toml(directory / FILE, Description, "network")
        self.weights = None if weights is None else find_checkpoint(weights)
        self.name = self.description.network.name
        if self.weights is not None:
            self.name += f"-{checkpoint_name(self.weights)}"
        self.outputs = self.description.output
        self.series = self.description.series
        self.acceptance = self.description.acceptance
        self.key = tuple(self.description.network.key)
        self.samples = len(self.description.input[0].files)
        files = {f"input {entry.name!r}": entry.files for entry in self.description.input}
        files |= {f"truth of {item.name!r}": item.answers.truth for item in self.outputs if item.answers}
        for what, given in files.items():
            if len(given) != self.samples:
                raise UsageError(
                    f"{what} in {directory / FILE} has {len(given)} files, but "
                    f"{self.description.input[0].name!r} has {self.samples}; give one file per sample"
                )

    def with_weights(self, weights: Path) -> Network:
        """Return this network with the variables of a checkpoint in place of its own weights."""
        return Network(self.directory, weights, trusted=self.trusted)

    def trusting(self, given: bool = True) -> Network:  # noqa: FBT001, FBT002 - --trust-graph, as it is given
        """Return this network, whose graph may reach outside of itself where the user trusts it."""
        return Network(self.directory, self.weights, trusted=True) if given else self

    @functools.cached_property
    def weights_origin(self) -> str:
        """Where the weights come from, and whether they are the published ones, after these were verified.

        Raises:
            UsageError: bytes of the checkpoint are damaged; names the variable.
        """
        if self.weights is None:
            return "the network's own"
        published = read_published(self.directory)
        found = recognised(Checkpoint(self.weights), published) if published else None
        return f"{self.weights}: {found}" if found else str(self.weights)

    @functools.cached_property
    def graph(self) -> FrozenGraph:
        """The frozen graph, pruned to the outputs, with its weights; an Einsum stands there as a matmul.

        Raises:
            UsageError: graph, weights, inputs and description do not fit each other, or the graph reaches
                outside of itself.
        """
        path = self._beside(self.description.network.graph, "graph")
        graph = load_frozen_graph(path, [output.name for output in self.outputs])
        if not self.trusted:
            refuse_side_effects(graph)
        check_whole(graph)
        fed = {entry.name for entry in self.description.input}
        if fed != set(graph.inputs):
            wrong = ", ".join(sorted(fed ^ set(graph.inputs)))
            raise UsageError(
                f"{self.directory / FILE} feeds {', '.join(sorted(fed))}, but {path} has the inputs "
                f"{', '.join(graph.inputs) or 'none'}; mend {wrong}"
            )
        for output in self.outputs:
            self._check_judgeable(graph, output.name)
        return with_plain_einsums(self._with_its_weights(graph))

    def _check_judgeable(self, graph: FrozenGraph, name: str) -> None:
        """Demand that an output is of a float type: numbers of another have no error that could be judged."""
        node, tf = graph.nodes[name], tensorflow()
        kind = tf.as_dtype(output_types(node)[0])
        if kind.is_floating:
            return
        before = float_source(graph, name)
        remedy = f"name {before!r}, which it is computed from, instead" if before else "name another"
        raise UsageError(
            f"output {name!r} in {self.directory / FILE} is of type {kind.name} ({node.op}), but only "
            f"outputs of a float type can be judged; {remedy}"
        )

    def _with_its_weights(self, graph: FrozenGraph) -> FrozenGraph:
        recipes, source = self.description.weights, self.directory / FILE
        if self.weights is not None:
            _ = self.weights_origin  # a damaged download is named before its values are used
            return restored(without_scales(graph), recipes, Checkpoint(self.weights), source)
        seed = self.description.network.weights_seed
        return filled(without_scales(graph), recipes, seed, source) if recipes else graph

    def feeds(self, sample: int) -> dict[str, Array]:
        """Return one array per placeholder for this sample, read and scaled once.

        Raises:
            UsageError: a file cannot be read, or does not fit its placeholder.
        """
        return self._fitting[sample]

    @functools.cached_property
    def _fitting(self) -> list[dict[str, Array]]:
        for sample, feeds in enumerate(self._samples):
            for entry in self.description.input:
                self._check_fit(feeds[entry.name], entry.name, self.directory / entry.files[sample])
                self._check_size(sample, entry)
        return self._samples

    def _check_size(self, sample: int, entry: Input) -> None:
        """Demand that a sample has the size of the first: there is one set of bounds, for one size."""
        first, now = (self._samples[number][entry.name].shape for number in (0, sample))
        if first != now:
            raise UsageError(
                f"input {self.directory / entry.files[sample]} has shape {_shown(now)}, but "
                f"{entry.files[0]}, the first sample of {entry.name!r}, has {_shown(first)}; give samples of "
                "one size, or describe a network of its own for every size"
            )

    def truth(self, output: Output, sample: int, shape: Sequence[int]) -> Array:
        """Return the true answers of a sample, for an output of this shape that gives answers.

        Raises:
            UsageError: they cannot be read, or do not fit the output.
        """
        assert output.answers is not None, "only an output that gives answers has a truth"
        path = self._beside(output.answers.truth[sample], f"truth of {output.name!r}")
        values = _read_array(path, "truth")
        output.answers.check_truth(values, shape, str(path))
        return values

    def _check_fit(self, value: Array, name: str, path: Path) -> None:
        """Demand the placeholder's shape, and values that its dtype can hold."""
        dtype, shape = placeholder_type(self.graph, name)
        if not _fits(value.shape, shape):
            raise UsageError(
                f"input {path} has shape {_shown(value.shape)}, but input {name!r} of {self.graph.source} "
                f"wants {_shown(shape or ())}"
            )
        if dtype.kind == "O" or (dtype.kind in "iub" and not np.array_equal(value.astype(dtype), value)):
            raise UsageError(
                f"input {path}, scaled as {self.directory / FILE} says, does not fit the {dtype} of input "
                f"{name!r}"
            )

    def _beside(self, name: str, key: str) -> Path:
        """Return the path of a file that ``network.toml`` names."""
        path = self.directory / name
        if not path.is_file():
            raise UsageError(f"{self.directory / FILE} names the {key} {name!r}, but {path} is no file")
        return path

    @functools.cached_property
    def _samples(self) -> list[dict[str, Array]]:
        return [
            {entry.name: self._read(entry, entry.files[sample]) for entry in self.description.input}
            for sample in range(self.samples)
        ]

    @functools.cached_property
    def input_sha256(self) -> str:
        """SHA-256 over all inputs as they are fed."""
        total = hashlib.sha256()
        for feeds in self._samples:
            for name, value in sorted(feeds.items()):
                total.update(f"{name}{value.shape}{value.dtype}".encode())
                total.update(np.ascontiguousarray(value).data)
        return total.hexdigest()

    def _read(self, entry: Input, name: str) -> Array:
        path = self._beside(name, f"file of input {entry.name!r}")
        raw = _read_array(path) if path.suffix == ".npy" else _read_image(path, entry)
        if raw.dtype.kind in "iub" and (entry.scale, entry.offset) == (1.0, 0.0) and path.suffix == ".npy":
            return raw
        with np.errstate(over="ignore", invalid="ignore"):  # a NaN with a payload is told below
            scaled: Array = np.asarray(raw.astype(np.float64) * entry.scale + entry.offset, np.float32)
        if not np.isfinite(scaled).all():
            raise UsageError(f"input {path} holds NaN or Inf; give finite numbers")
        return scaled


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...] | None) -> bool:
    """Whether a shape is the wanted one; None is unknown."""
    if wanted is None:
        return True
    return len(found) == len(wanted) and all(
        length in (None, is_now) for length, is_now in zip(wanted, found, strict=True)
    )


def _shown(shape: tuple[int | None, ...]) -> str:
    return "x".join("?" if length is None else str(length) for length in shape) or "of a single number"


def _read_array(path: Path, what: str = "input") -> Array:
    try:
        with path.open("rb") as file:
            array = read_npy(file)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"{what} {path} cannot be read as .npy: {error}") from error
    if array.dtype.kind not in "fiub" or not array.size:
        raise UsageError(f"{what} {path} holds {array.size} values of type {array.dtype}; give real numbers")
    return array


def _read_image(path: Path, entry: Input) -> Array:
    """Return the image as uint8 of shape (1, height, width, channels)."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # its size is demanded below
            image = Image.open(path)
        with image:
            _check_size(image.size, path, entry)  # before its pixels take memory
            pixels = np.asarray(image.convert("L" if entry.channels == 1 else "RGB"))
            return pixels.reshape(1, *pixels.shape[:2], entry.channels)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"input {path} cannot be read as an image: {error}") from error


def _check_size(found: tuple[int, int], path: Path, entry: Input) -> None:
    """Demand the size of a picture, given as width and height."""
    width, height = found
    if entry.size is None or (height, width) != tuple(entry.size):
        wanted = "a `size`" if entry.size is None else "x".join(map(str, entry.size))
        raise UsageError(
            f"input {path} is {height}x{width} (height x width), but input {entry.name!r} wants {wanted}; "
            f"resize the picture or mend {FILE}"
        )


def network_at(path: Path) -> Network:
    """Return the network that lies in a directory; its ``network.toml`` means the same.

    Raises:
        UsageError: there is none, as below a frozen graph, or its description is wrong.
    """
    if path.name == FILE:
        return Network(path.parent)
    if not path.is_dir() or (is_saved_model(path) and not (path / FILE).exists()):
        raise UsageError(_no_network(path))
    return Network(path)


def _no_network(path: Path) -> str:
    """Return the sentence for a path that is no directory of a network."""
    if path.is_file() and path.suffix == GRAPH and (path.parent / FILE).exists():
        return f"{path} is the graph alone; give {path.parent / FILE}, which describes the network"
    if path.is_dir() or (path.is_file() and path.suffix in MODELS):
        what = "frozen graph" if path.suffix == GRAPH and path.name not in SAVED_MODELS else "model"
        command = f"mlu-conformance init {shlex.quote(str(path))}"
        return f"{path} is a {what}, not yet a network; make its {FILE} with `{command}`"
    if path.exists():
        return f"{path} is no network; give a directory with {FILE}"
    beside = [*network_names(path.parent), *(item.name for item in path.parent.glob(FILE))]
    near = near_names(path.name, beside) if beside else ""
    return f"{path} does not exist{near}; give a directory with {FILE}"


def network_names(root: Path) -> list[str]:
    """Return the names of the networks below ``root``, sorted."""
    return sorted(path.parent.name for path in root.glob(f"*/{FILE}"))


def find_network(name: str, root: Path) -> Network:
    """Return the network called ``name`` below ``root``.

    Raises:
        UsageError: there is none; names near ones.
    """
    known = network_names(root)
    if name not in known:
        raise UsageError(f"network {name!r} is not in {root}{near_names(name, known)}")
    return Network(root / name)
