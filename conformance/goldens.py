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
import re
import shlex
import urllib.parse
from typing import TYPE_CHECKING, Any

import filelock
import msgspec
import numpy as np

from conformance import locations
from conformance.errors import GoldenError, UsageError, near_names
from conformance.files import read_json, write_atomically, write_json_atomically, write_json_table_atomically
from conformance.fingerprints import (
    Fingerprint,
    alike,
    fingerprint,
    last_bits_differ,
    mismatch,
    tensor_sha256,
)
from conformance.golden_places import MANIFEST, TENSORS, golden_places
from conformance.graph.composing import reference_graph
from conformance.graph.lazy_tensorflow import tensorflow_version
from conformance.graph.random_operators import refuse_random_numbers
from conformance.graph.segments import reference
from conformance.graph.selection import selectable_nodes
from conformance.graph.structure import Structure
from conformance.machine import cpu_model
from conformance.npy import map_npy, write_npy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from conformance.networks import Network

Array = np.ndarray[Any, Any]
ACCEPTED = "accepted.json"
SILENT_SECONDS = 1
"""How long a lock may be waited for without a word."""
TENSOR = re.compile(r"(?P<node>.+)\.[0-9]+\.npy")
"""The file of a tensor; see :func:`_file`."""
HALF = re.compile(r"\..+\.(npy|json)(\.[a-z0-9_]{8})?\.part")
"""A file of these that was not written to its end."""


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
    """

    def __init__(
        self, network: Network, root: Path, progress: Callable[[int, int, str], None] = lambda *_: None
    ) -> None:
        self.network = network
        self._places = golden_places(network.name, network.directory, root)
        self.directory = self._places.made
        self._root = root
        self.progress = progress
        self.notes: list[str] = []
        self._mapped: dict[tuple[str, int], Array] = {}
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
        if (name, sample) not in self._mapped:
            self._mapped[name, sample] = self._verified(self.node(name), sample)
        return self._mapped[name, sample]

    def ensure(self, names: Iterable[str]) -> None:
        """Make the tensors of ``names`` that are not there yet, and verify all.

        Two processes at once: the second waits for the first, then finds everything made.

        Raises:
            GoldenError: graph or inputs are not those of the manifest, or a tensor differs from it.
        """
        wanted = [self.node(name) for name in dict.fromkeys(names)]
        self._check_provenance()
        if self._missing(wanted):
            with self._locked():
                self._make(self._missing(wanted))
        samples = range(self.network.samples)
        unseen = [
            node for node in wanted if any((node.name, sample) not in self._mapped for sample in samples)
        ]
        for index, node in enumerate(unseen):
            for sample in samples:
                self.get(node.name, sample)
            self.progress(index + 1, len(unseen), f"verifying goldens of {self.network.name}")

    def check(self, name: str, sample: int, value: Array) -> None:
        """Demand that a freshly computed tensor is the manifest's, but for last bits.

        Raises:
            GoldenError: it is not, or the node is not in the manifest.
        """
        last_bits_differ(value, self.node(name).samples[sample], _file(name, sample))

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
        self._mapped.clear()
        with self._locked():
            self._delete_tensors({*names, *self._old_names()})
            for sample, part in self.computed(names):
                for name, value in part.items():
                    prints[name].append(fingerprint(value, f"the golden of {name!r} on sample {sample}"))
                    if name in key:
                        self._write(name, sample, value)
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
                self._delete_halves()
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

    def _delete_halves(self) -> None:
        """Delete what :func:`conformance.files.write_atomically` left of a process that was killed."""
        for path in (self.directory / TENSORS).glob(".*.part"):
            if HALF.fullmatch(path.name) and path.is_file():
                path.unlink()

    def _delete_tensors(self, nodes: set[str]) -> None:
        """Delete the tensors of nodes, and the list of those that were accepted."""
        for path in (self.directory / TENSORS).glob("*"):
            found = TENSOR.fullmatch(path.name)
            if path.name == ACCEPTED or (found and urllib.parse.unquote(found["node"]) in nodes):
                path.unlink()

    def _old_names(self) -> set[str]:
        """Return the nodes of the manifest that is there; of a damaged one nobody knows them."""
        try:
            return set(read_json(self.directory / MANIFEST, Manifest, "golden manifest").by_name)
        except UsageError:
            return set()

    def _missing(self, wanted: Iterable[GoldenNode]) -> list[str]:
        samples = range(self.network.samples)
        return [
            node.name
            for node in wanted
            if not all(self.path(_file(node.name, sample)).exists() for sample in samples)
        ]

    def _make(self, names: Sequence[str]) -> None:
        """Make tensors, each checked against the manifest before it is kept."""
        if not names:  # another process was first
            return
        for sample, part in self.computed(names):
            for name, value in part.items():
                path = self.directory / _file(name, sample)
                if last_bits_differ(value, self.node(name).samples[sample], str(path)):
                    accepted = _accepted(path.parent) | {path.name: tensor_sha256(value)}
                    write_json_atomically(path.parent / ACCEPTED, accepted)
                self._write(name, sample, value)

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

    def _write(self, name: str, sample: int, value: Array) -> None:
        path = self.directory / _file(name, sample)
        stored = np.asarray(value, "<f4", order="C")
        write_atomically(path, lambda file: write_npy(file, stored))

    def _verified(self, node: GoldenNode, sample: int) -> Array:
        path = self.path(_file(node.name, sample))
        try:
            value = map_npy(path)
        except OSError as error:
            raise GoldenError(f"golden {path} cannot be read: {error.strerror or error}") from error
        except (ValueError, EOFError) as error:
            raise GoldenError(
                f"golden {path} cannot be read ({error}); delete it and run again to make it"
            ) from error
        self._check(value, node.samples[sample], path)
        return value

    def _check(self, value: Array, expected: Fingerprint, path: Path) -> None:
        """Demand the manifest's bits, or bits that were made here and accepted when they were made."""
        found = tensor_sha256(value) if alike(value, expected) else ""
        if found == expected.sha256:
            return
        if not found or _accepted(path.parent).get(path.name) != found:
            raise mismatch(value, expected, str(path))
        if last_bits_differ(value, expected, str(path)):
            self.notes.append(
                f"golden {path} differs from the manifest in last bits only (this CPU rounds otherwise); "
                "accepted"
            )

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


def _file(name: str, sample: int) -> str:
    """Return the path of a tensor below a network's goldens."""
    return f"{TENSORS}/{urllib.parse.quote(name, safe='')}.{sample}.npy"


def _accepted(tensors: Path) -> dict[str, str]:
    """Return the SHA-256, by file name, of tensors made there whose last bits differ from the manifest's."""
    path = tensors / ACCEPTED
    return read_json(path, dict[str, str], "list of accepted goldens") if path.exists() else {}
