"""Goldens: what every key node computes, in float64 on the CPU, rounded once to float32.

In git lies ``<root>/<network>/manifest.json``: per node its shape, SHA-256, norm and a few sampled values, so
that goldens made on any machine can be told right from wrong. The tensors, one ``.npy`` per node and sample,
lie in ``<root>/<network>/tensors/``; the first run makes them, later runs verify and memory-map them. Where
``<root>`` is the project's own and cannot be written, they lie in the user's cache (``golden_places``).
"""

from __future__ import annotations

import contextlib
import functools
import platform
import shlex
from typing import TYPE_CHECKING, Any

import filelock
import msgspec
import numpy as np

from conformance import locations
from conformance.errors import GoldenError, UsageError, near_names
from conformance.files import read_json, write_json_table_atomically
from conformance.fingerprints import Fingerprint, fingerprint, last_bits_differ
from conformance.golden_places import MANIFEST, TENSORS, golden_places
from conformance.golden_tensors import GoldenTensors, Place
from conformance.graph.composing import reference_graph
from conformance.graph.lazy_tensorflow import tensorflow_version
from conformance.graph.random_operators import refuse_random_numbers
from conformance.graph.segments import reference
from conformance.graph.selection import selectable_nodes
from conformance.graph.structure import Structure
from conformance.machine import cpu_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from conformance.networks import Network

Array = np.ndarray[Any, Any]
SILENT_SECONDS = 1
"""How long a lock may be waited for without a word."""


class GoldenNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A node that has a golden; ``reasons`` is empty for nodes that are not key nodes."""

    name: str
    op: str
    reasons: list[str]
    samples: list[Fingerprint]


class Provenance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the goldens were made from and by."""

    network: str
    graph_sha256: str
    input_sha256: str
    tensorflow: str
    numpy: str
    python: str
    cpu: str
    float32_nodes: list[str]


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The whole of ``manifest.json``; nodes stand in topological order."""

    provenance: Provenance
    nodes: list[GoldenNode]

    @functools.cached_property
    def by_name(self) -> dict[str, GoldenNode]:
        """The nodes by their names."""
        return {node.name: node for node in self.nodes}

    @property
    def key(self) -> list[GoldenNode]:
        """The key nodes."""
        return [node for node in self.nodes if node.reasons]


class GoldenStore:
    """The goldens of one network below ``root``.

    Args:
        network: whose goldens.
        root: the golden directory; manifests in ``<root>/<network>``.
        progress: called with (done, total, what) during long work.

    Attributes:
        directory: where everything that is made goes; files are found with :meth:`path`.
        notes: what a reader of results should know of the tensors.
    """

    def __init__(
        self, network: Network, root: Path, progress: Callable[[int, int, str], None] = lambda *_: None
    ) -> None:
        self.network = network
        self._places = golden_places(network.name, network.directory, root)
        self.directory = self._places.made
        self._root = root
        self.progress = progress
        self._tensors = GoldenTensors(self.directory, self.path)
        self.notes = self._tensors.notes
        self._manifest: Manifest | None = None

    def path(self, file: str) -> Path:
        """Return where a file of these goldens is read: made here, or come with the project."""
        return self._places.find(file)

    @property
    def manifest(self) -> Manifest:
        """The manifest in git.

        Raises:
            GoldenError: there is none.
        """
        if self._manifest is None:
            path = self.path(MANIFEST)
            if not path.exists():
                raise GoldenError(
                    f"network {self.network.name!r} has no goldens in {self.directory}; {self.remedy}"
                )
            self._manifest = read_json(path, Manifest, "golden manifest")
        return self._manifest

    @property
    def remedy(self) -> str:
        """What to do when scales, goldens or attainable errors are not there or do not fit."""
        return f"make them with {self.command}"

    @property
    def command(self) -> str:
        """The command that makes scales, goldens and attainable errors, in backquotes."""
        words = ["mlu-conformance", "prepare", str(self.network.directory)]
        words += ["--weights", str(self.network.weights)] if self.network.weights else []
        words += [] if self._root == locations.GOLDENS else ["--golden-dir", str(self._root)]
        return f"`{shlex.join(words)}`"

    def reread(self) -> None:
        """Read the manifest again when it is next needed: another process may have made it anew."""
        self._manifest = None

    def node(self, name: str) -> GoldenNode:
        """Return the manifest's entry of ``name``.

        Raises:
            GoldenError: it has none.
        """
        known = self.manifest.by_name
        if name not in known:
            where = self.path(MANIFEST)
            raise GoldenError(f"node {name!r} has no golden in {where}{near_names(name, list(known))}")
        return known[name]

    def get(self, name: str, sample: int) -> Array:
        """Return a node's golden on one sample: float32, read-only, memory-mapped, verified."""
        return self._tensors.get(Place(name, sample), self.node(name).samples[sample])

    def let_go(self, name: str, sample: int) -> None:
        """Take a golden out of this process's memory, until it is looked at again."""
        self._tensors.let_go(Place(name, sample))

    def ensure(self, names: Iterable[str]) -> None:
        """Make the tensors of ``names`` that are not there yet, and verify all.

        Two processes at once: the second waits for the first, then finds everything made.

        Raises:
            GoldenError: graph or inputs are not those of the manifest, or a tensor differs from it.
        """
        wanted = [self.node(name) for name in dict.fromkeys(names)]
        missing = self._missing(wanted)
        with self._tensors.verifying(self._prints(node for node in wanted if node.name not in missing)):
            self._check_provenance()
            if missing:
                with self._locked():
                    self._make(self._missing(wanted))
            unseen = [node for node in wanted if not all(map(self._tensors.verified, self._places_of(node)))]
            for index, node in enumerate(unseen):
                for sample in range(self.network.samples):
                    self.get(node.name, sample)
                self.progress(index + 1, len(unseen), f"verifying goldens of {self.network.name}")

    def check(self, name: str, sample: int, value: Array) -> None:
        """Demand that a freshly computed tensor is the manifest's, but for last bits.

        Raises:
            GoldenError: it is not, or the node is not in the manifest.
        """
        last_bits_differ(value, self.node(name).samples[sample], Place(name, sample).file)

    def create(self) -> Manifest:
        """Make manifest and tensors of the key nodes anew, and fingerprints of every other judgeable node.

        Tensors of an older manifest are deleted, and nothing else: other files that lie there stay.

        Raises:
            GoldenError: a tensor is empty or not finite, or the directory cannot be written.
            UsageError: the graph draws random numbers.
        """
        nodes = selectable_nodes(Structure(self.network.graph, self.network.key))
        key, names = [node.name for node in nodes if node.reasons], [node.name for node in nodes]
        refuse_random_numbers(self.network.graph, names, self.network.feeds(0))
        prints: dict[str, list[Fingerprint]] = {name: [] for name in names}
        self._tensors.forget()
        with self._locked():
            self._tensors.delete({*names, *self._old_names()})
            for sample, part in self.computed(names):
                for name, value in part.items():
                    prints[name].append(fingerprint(value, f"the golden of {name!r} on sample {sample}"))
                    if name in key:
                        self._tensors.write(Place(name, sample), value)
            entries = [
                GoldenNode(node.name, node.op, list(node.reasons), prints[node.name]) for node in nodes
            ]
            self._manifest = Manifest(self._provenance(), entries)
            write_json_table_atomically(self.directory / MANIFEST, self._manifest)
        return self._manifest

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the one process that writes here; what a killed one left half-written is deleted."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._tensors.delete_halves()
                yield
        except OSError as error:
            raise GoldenError(
                f"goldens in {self.directory} cannot be written: {error.strerror or error}; choose another "
                "place with --golden-dir"
            ) from error

    def _alone(self) -> contextlib.AbstractContextManager[object]:
        """Return the lock of the directory, held; whoever must wait for it says so."""
        lock = filelock.FileLock(self.directory / f".{TENSORS}.lock")
        try:
            return lock.acquire(timeout=SILENT_SECONDS)
        except filelock.Timeout:
            waiting = f"waiting for another process that makes goldens in {self.directory}"
            self.progress(0, 1, waiting)
            held = lock.acquire()
            self.progress(1, 1, waiting)
            return held

    def _old_names(self) -> set[str]:
        """Return the nodes of the manifest that is there; of a damaged one nobody knows them."""
        try:
            return set(read_json(self.directory / MANIFEST, Manifest, "golden manifest").by_name)
        except UsageError:
            return set()

    def _places_of(self, node: GoldenNode) -> list[Place]:
        return [Place(node.name, sample) for sample in range(self.network.samples)]

    def _prints(self, nodes: Iterable[GoldenNode]) -> Iterator[tuple[Place, Fingerprint]]:
        """Yield every tensor of nodes with its entry in the manifest."""
        for node in nodes:
            yield from zip(self._places_of(node), node.samples, strict=False)

    def _missing(self, wanted: Iterable[GoldenNode]) -> list[str]:
        return [node.name for node in wanted if not all(map(self._tensors.exists, self._places_of(node)))]

    def _make(self, names: Sequence[str]) -> None:
        """Make tensors, each checked against the manifest before it is kept."""
        if not names:  # another process was first
            return
        for sample, part in self.computed(names):
            for name, value in part.items():
                self._tensors.keep(Place(name, sample), value, self.node(name).samples[sample])

    def computed(self, names: Sequence[str], what: str = "") -> Iterator[tuple[int, dict[str, Array]]]:
        """Compute goldens, sample by sample and segment by segment; nothing is stored or compared.

        Args:
            names: of judgeable nodes.
            what: what is done with them, for the progress.

        Yields:
            The sample, and some of the nodes ``names`` with their goldens, float32.
        """
        network, total, done = self.network, self.network.samples * len(names), 0
        made = reference(network.graph, names, network.feeds(0))
        for sample in range(network.samples):
            for part in made.compute(network.feeds(sample)):
                yield sample, {name: value.astype(np.float32) for name, value in part.items()}
                done += len(part)
                self.progress(done, total, what or f"making goldens of {network.name}")

    def _check_provenance(self) -> None:
        expected = self.manifest.provenance
        for what, made, now in (
            ("graph", expected.graph_sha256, self.network.graph.sha256),
            ("inputs", expected.input_sha256, self.network.input_sha256),
        ):
            if made != now:
                raise GoldenError(
                    f"goldens in {self.path(MANIFEST).parent} were made from other {what} (sha256 "
                    f"{made[:12]}, now {now[:12]}); {self.remedy}"
                )

    def _provenance(self) -> Provenance:
        return Provenance(
            network=self.network.name,
            graph_sha256=self.network.graph.sha256,
            input_sha256=self.network.input_sha256,
            tensorflow=tensorflow_version(),
            numpy=np.__version__,
            python=platform.python_version(),
            cpu=cpu_model(),
            float32_nodes=list(reference_graph(self.network.graph)[1]),
        )
