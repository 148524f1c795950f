"""``dump.json``: what a dump holds, and what made it."""

from __future__ import annotations

import collections
from pathlib import Path, PurePath
from typing import Any, Literal

import msgspec

from conformance.dumps.formats import FormatName  # noqa: TC001 - msgspec reads the annotations
from conformance.errors import UsageError
from conformance.files import read_json

MANIFEST = "dump.json"


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
        graph_sha256: digest of the whole network's graph and weights.
        input_sha256: digest of all of its samples.
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
