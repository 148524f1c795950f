"""``dump.json``: what a dump holds, and what made it."""

from __future__ import annotations

import collections
import dataclasses
import re
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec
import numpy as np

from conformance.errors import UsageError
from conformance.files import read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FormatName = Literal["npy", "text", "text5"]

LINES = 1 << 16
"""Numbers formatted at once: many enough to be fast, few enough to need little memory."""

MANIFEST = "dump.json"

CARD = "mlu"
"""The word for results of a card."""

GOLDEN = "golden"
"""The word for goldens."""

_WORDS = {"cambricon": CARD}
"""Kinds of devices whose word is not the kind itself."""

_BARE = re.compile(
    rf"(?P<name>.+?)[_.-]?(?:cpu|{CARD}|emulator|{GOLDEN})(?:-(?P<sample>\d+))?", re.IGNORECASE
)


class Sink(Protocol):
    """What a tensor is written to."""

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``."""
        ...


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as ``--format`` takes it.
        suffix: of the files.
        resolution: how far a written number may be from the tensor's; 0 where every bit is kept.
        pattern: printf's, of a line of text; empty for ``.npy``.
    """

    name: FormatName
    suffix: str
    resolution: float = 0.0
    pattern: str = ""

    def write(self, sink: Sink, values: NDArray[np.float32]) -> None:
        """Write a tensor: text has one number per line, in row-major (NHWC) order."""
        if self.pattern:
            _write_lines(sink, values.reshape(-1), f"{self.pattern}\n")
        else:
            np.lib.format.write_array(sink, values, allow_pickle=False)


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("npy", ".npy"),
        Format("text", ".txt", 0.0005, "%8.3f"),
        Format("text5", ".txt", 0.000005, "%.5f"),
    )
}
"""By name, the default first. Source of the text formats: as of :mod:`conformance.dumps.manifest`."""


def _write_lines(sink: Sink, flat: NDArray[np.float32], line: str) -> None:
    for start in range(0, flat.size, LINES):
        numbers: list[Any] = flat[start : start + LINES].tolist()
        sink.write((line * len(numbers) % tuple(numbers)).encode("ascii"))


class DumpedFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One tensor of a dump.

    Attributes:
        node: whose first output it is.
        sample: of the network's inputs, from 0.
        file: its name, without a directory.
        shape: of the tensor; text files do not keep it.
        dtype: of the tensor before it was written.
        format: ``npy``, ``text`` or ``text5``.
        resolution: how far a number in the file may be from the tensor's.
        sha256: of the file's bytes.
    """

    node: str
    sample: int
    file: str
    shape: list[int]
    format: FormatName
    resolution: float
    sha256: str
    dtype: Literal["float32"] = "float32"

    def __post_init__(self) -> None:
        if PurePath(self.file).name != self.file:
            raise ValueError(f"file {self.file!r} should be a name without a directory")


class DumpManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of ``dump.json``.

    Attributes:
        network: its name.
        graph_sha256: SHA-256 of the whole network's graph and weights.
        input_sha256: SHA-256 of all of its samples.
        device: what the device says of itself, or ``{"kind": "golden"}``.
        precision: what the device was asked for; None where there is no such choice.
        fused: False where the network ran layer by layer; otherwise fusion is broken at the dumped nodes.
        notes: what the device says of its run.
        files: one entry per node and sample, in the order of the graph.
    """

    network: str
    graph_sha256: str
    input_sha256: str
    device: dict[str, Any]
    precision: str | None
    fused: bool
    notes: list[str] = []
    files: list[DumpedFile] = []


def read_manifest(directory: Path) -> DumpManifest:
    """Read what the dump in ``directory`` says of itself.

    Raises:
        UsageError: there is no whole dump: the manifest, which is written last, is missing or wrong.
    """
    path = directory / MANIFEST
    if not path.exists():
        raise UsageError(
            f"{directory} is no dump, as {MANIFEST} is missing: dump again if that was interrupted, or name "
            "the files to compare"
        )
    manifest = read_json(path, DumpManifest, "dump")
    tensors = collections.Counter((file.node, file.sample) for file in manifest.files)
    if not tensors:
        raise UsageError(f"dump {path} lists no files, so there is nothing to compare; dump again")
    (node, sample), times = tensors.most_common(1)[0]
    if times > 1:
        raise UsageError(f"dump {path} lists node {node!r}, sample {sample}, {times} times; dump again")
    return manifest


def tensor_name(node: str) -> str:
    """Return the name of a node's first output: ``generator/concat:0``."""
    return f"{node.removesuffix(':0')}:0"


def squashed(tensor: str) -> str:
    """Return what a file name keeps of a tensor's name: ``generatorconcat0``."""
    return tensor.replace("/", "").replace(":", "")


def device_word(kind: str) -> str:
    """Return what stands for a device of this kind: ``cpu``, ``mlu`` for a card, else letters and digits."""
    return _WORDS.get(kind) or re.sub(r"[^a-z0-9]", "", kind.lower()) or "device"


def file_names(tensors: Sequence[tuple[str, int]], word: str, suffix: str) -> list[str]:
    """Return one file name per (node, sample), all different even where the case of letters does not count.

    Args:
        tensors: nodes with samples.
        word: the device's.
        suffix: such as ``.txt``.
    """
    numbered = len({sample for _, sample in tensors}) > 1
    taken: collections.Counter[str] = collections.Counter()
    names = []
    for node, sample in tensors:
        stem = f"{squashed(tensor_name(node))}{word}{f'-{sample}' if numbered else ''}"
        taken[stem.casefold()] += 1
        again = taken[stem.casefold()]
        names.append(f"{stem}{f'~{again}' if again > 1 else ''}{suffix}")
    return names


def bare_name(stem: str) -> tuple[str, int | None]:
    """Return the squashed tensor name and the sample that a file's name tells, with the device's word off.

    ``generatorconcat0mlu``, ``generatorconcat:0_mlu`` and ``generatorconcat0mlu-1`` all name
    ``generatorconcat0``; a name without a known word is taken as it is.
    """
    found = _BARE.fullmatch(stem)
    if found is None:
        return squashed(stem), None
    sample = found["sample"]
    return squashed(found["name"]), None if sample is None else int(sample)
