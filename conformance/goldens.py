"""Goldens: what every key node computes, in float64 on the CPU, rounded once to float32.

In git lies ``<root>/<network>/manifest.json``: per node its shape, SHA-256, norm and a few sampled values, so
that goldens made on any machine can be told right from wrong. The tensors, one ``.npy`` per node and sample,
lie in ``<root>/<network>/tensors/``; the first run makes them, later runs verify and memory-map them.
"""

from __future__ import annotations

import platform
import urllib.parse
from typing import TYPE_CHECKING, Any, Literal

import filelock
import msgspec
import numpy as np

from conformance.errors import GoldenError, near_names
from conformance.files import read_json, sha256, write_atomically, write_json_atomically
from conformance.graph.execution import GraphRunner
from conformance.graph.retype import to_float64
from conformance.graph.selection import judgeable_nodes, key_nodes
from conformance.graph.tensorflow import tensorflow_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from conformance.networks import Network

Array = np.ndarray[Any, Any]
MANIFEST = "manifest.json"
TENSORS = "tensors"
ACCEPTED = "accepted.json"
SAMPLED_VALUES = 4
GROUP = 100
"""Nodes computed in one run: bounds the memory of making goldens."""
NORM_TOLERANCE = 1e-6
"""Relative: norms of goldens from a CPU whose last bits differ must agree this well."""


class Fingerprint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is kept in git of one node's golden on one sample.

    ``values`` are samples at flat ``positions``, as float32; ``norm`` is Euclidean, in float64.
    """

    shape: list[int]
    sha256: str
    norm: float
    positions: list[int]
    values: list[float]
    dtype: Literal["float32"] = "float32"


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


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of ``manifest.json``; nodes stand in topological order."""

    provenance: Provenance
    nodes: list[GoldenNode]

    @property
    def key(self) -> list[GoldenNode]:
        """The key nodes."""
        return [node for node in self.nodes if node.reasons]


def fingerprint(value: Array) -> Fingerprint:
    """Return what git keeps of a float32 tensor."""
    flat = np.ascontiguousarray(value, "<f4").reshape(-1)
    if not flat.size or not np.isfinite(flat).all():
        raise GoldenError("a golden is empty or holds NaN or Inf: the network itself is wrong on these inputs")
    positions = [int(position) for position in np.linspace(0, flat.size - 1, SAMPLED_VALUES).astype(np.int64)]
    return Fingerprint(
        shape=list(value.shape),
        sha256=sha256(flat.data),
        norm=float(np.linalg.norm(flat.astype(np.float64))),
        positions=positions,
        values=[float(flat[position]) for position in positions],
    )


    report: Callable[[int, int, str], None] = lambda done, total, what: None


class GoldenStore:
    """The goldens of one network below ``root``.

    Args:
        network: whose goldens.
        root: the golden directory; manifests in ``<root>/<network>``.
        report: called with (done, total, what) during long work.
    """

    def __init__(
        self, network: Network, root: Path, report: Callable[[int, int, str], None] = lambda *_: None
    ) -> None:
        self.network = network
        self.directory = root / network.name
        self.report = report
        self.said: list[str] = []
        self._mapped: dict[tuple[str, int], Array] = {}
        self._manifest: Manifest | None = None

    @property
    def manifest(self) -> Manifest:
        """The manifest in git.

        Raises:
            GoldenError: there is none.
        """
        if self._manifest is None:
            path = self.directory / MANIFEST
            if not path.exists():
                raise GoldenError(
                    f"network {self.network.name!r} has no goldens in {self.directory}; make them with "
                    f"`mlu-conformance golden {self.network.name}`"
                )
            self._manifest = read_json(path, Manifest, "golden manifest")
        return self._manifest

    def node(self, name: str) -> GoldenNode:
        """Return the manifest's entry of ``name``.

        Raises:
            GoldenError: it has none.
        """
        for node in self.manifest.nodes:
            if node.name == name:
                return node
        known = [node.name for node in self.manifest.nodes]
        raise GoldenError(f"node {name!r} has no golden in {self.directory / MANIFEST}{near_names(name, known)}")

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
        self.directory.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(self.directory / f".{TENSORS}.lock"):
            missing = [node for node in wanted if not all(path.exists() for path in self._paths(node))]
            if missing:
                self._make([node.name for node in missing])
        for index, node in enumerate(wanted):
            self.report(index, len(wanted), f"verifying goldens of {self.network.name}")
            for sample in range(self.network.samples):
                self.get(node.name, sample)
        self.report(len(wanted), len(wanted), f"verifying goldens of {self.network.name}")

    def discard(self, names: Iterable[str]) -> None:
        """Delete the tensors of these nodes; they are made again when they are needed."""
        for name in names:
            for sample in range(self.network.samples):
                self._mapped.pop((name, sample), None)
                self._path(name, sample).unlink(missing_ok=True)

    def create(self) -> Manifest:
        """Make manifest and tensors of the key nodes anew, and fingerprints of every other judgeable node."""
        key = key_nodes(self.network.graph)
        names = judgeable_nodes(self.network.graph)
        prints: dict[str, list[Fingerprint]] = {name: [] for name in names}
        with filelock.FileLock(self._lockable() / f".{TENSORS}.lock"):
            for sample, name, value in self._computed(names):
                prints[name].append(fingerprint(value))
                if name in key:
                    self._write(name, sample, value)
            nodes = [
                GoldenNode(name, self.network.graph.nodes[name].op, key.get(name, []), prints[name]) for name in names
            ]
            self._manifest = Manifest(self._provenance(), nodes)
            write_json_atomically(self.directory / MANIFEST, self._manifest)
        self._mapped.clear()
        return self._manifest

    def _lockable(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        return self.directory

    def _make(self, names: Sequence[str]) -> None:
        """Make tensors, each checked against the manifest before it is kept."""
        for sample, name, value in self._computed(names):
            path = self._path(name, sample)
            if difference(value, self.node(name).samples[sample], str(path)):
                self._accept(path, sha256(np.ascontiguousarray(value).data))
            self._write(name, sample, value)

    def _accepted(self) -> dict[str, str]:
        """Digests, by file name, of tensors made here whose last bits differ from the manifest's."""
        path = self.directory / TENSORS / ACCEPTED
        return read_json(path, dict[str, str], "list of accepted goldens") if path.exists() else {}

    def _accept(self, path: Path, digest: str) -> None:
        write_json_atomically(path.parent / ACCEPTED, self._accepted() | {path.name: digest})

    def _computed(self, names: Sequence[str]) -> Iterator[tuple[int, str, Array]]:
        """Compute ``names`` for every sample, in groups that fit in memory."""
        wide, _ = to_float64(self.network.graph)
        groups = [names[start : start + GROUP] for start in range(0, len(names), GROUP)]
        total, done = self.network.samples * len(names), 0
        for group in groups:
            run = GraphRunner(wide, group)
            for sample in range(self.network.samples):
                feeds = self.network.feeds(sample)
                results = run({name: feeds[name] for name in run.feeds})
                for name in group:
                    yield sample, name, results.pop(name).astype(np.float32)
                    done += 1
                    self.report(done, total, f"making goldens of {self.network.name}")

    def _write(self, name: str, sample: int, value: Array) -> None:
        path = self._path(name, sample)
        write_atomically(path, lambda file: np.save(file, np.ascontiguousarray(value, "<f4"), allow_pickle=False))

    def _path(self, name: str, sample: int) -> Path:
        return self.directory / TENSORS / f"{urllib.parse.quote(name, safe='')}.{sample}.npy"

    def _paths(self, node: GoldenNode) -> list[Path]:
        return [self._path(node.name, sample) for sample in range(self.network.samples)]

    def _verified(self, node: GoldenNode, sample: int) -> Array:
        path = self._path(node.name, sample)
        try:
            value: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise GoldenError(f"golden {path} cannot be read ({error}); delete it and run again to make it") from error
        self._check(value, node.samples[sample], path)
        return value

    def _check(self, value: Array, expected: Fingerprint, path: Path) -> None:
        """Demand the manifest's bits, or bits that were made here and accepted when they were made."""
        digest = sha256(np.ascontiguousarray(value).data)
        if digest == expected.sha256 and list(value.shape) == expected.shape and value.dtype == np.float32:
            return
        if self._accepted().get(path.name) != digest:
            raise mismatch(value, expected, str(path))
        self.said.append(difference(value, expected, str(path)))

    def _check_provenance(self) -> None:
        expected = self.manifest.provenance
        for what, made, now in (
            ("graph", expected.graph_sha256, self.network.graph.digest),
            ("inputs", expected.input_sha256, self.network.input_digest),
        ):
            if made != now:
                raise GoldenError(
                    f"goldens in {self.directory} were made from other {what} (sha256 {made[:12]}, now {now[:12]}); "
                    f"make them again with `mlu-conformance golden {self.network.name}`"
                )

    def _provenance(self) -> Provenance:
        return Provenance(
            network=self.network.name,
            graph_sha256=self.network.graph.digest,
            input_sha256=self.network.input_digest,
            tensorflow=tensorflow_version(),
            numpy=np.__version__,
            python=platform.python_version(),
            cpu=platform.processor() or platform.machine(),
            float32_nodes=list(to_float64(self.network.graph)[1]),
        )


def difference(value: Array, expected: Fingerprint, where: str) -> str:
    """Compare a freshly made tensor with its fingerprint.

    A CPU whose last bits differ is accepted when every sampled value agrees within one float32 ulp and the
    norm within 1e-6.

    Returns:
        '' when equal bit for bit, else what to say of the difference in last bits.

    Raises:
        GoldenError: the difference is larger; names file, expected and found.
    """
    if value.dtype != np.float32 or list(value.shape) != expected.shape:
        raise mismatch(value, expected, where)
    flat = np.ascontiguousarray(value).reshape(-1)
    if sha256(flat.data) == expected.sha256:
        return ""
    wanted = np.array(expected.values, np.float32)
    near = np.abs(flat[expected.positions].astype(np.float64) - wanted) <= np.spacing(np.abs(wanted))
    norm = float(np.linalg.norm(flat.astype(np.float64)))
    if not near.all() or not abs(norm - expected.norm) <= NORM_TOLERANCE * expected.norm:
        raise mismatch(value, expected, where)
    return f"golden {where} differs from the manifest in last bits only (this CPU rounds otherwise); accepted"


def mismatch(value: Array, expected: Fingerprint, where: str) -> GoldenError:
    """Return the error that says how a tensor differs from its fingerprint."""
    found = fingerprint(value)
    what = [
        f"{key} {getattr(found, key)}, expected {getattr(expected, key)}"
        for key in ("shape", "sha256", "norm", "values")
        if getattr(found, key) != getattr(expected, key)
    ]
    if str(value.dtype) != expected.dtype:
        what.insert(0, f"dtype {value.dtype}, expected {expected.dtype}")
    return GoldenError(f"golden {where} is not what the manifest says: {'; '.join(what)}; delete it to make it anew")
