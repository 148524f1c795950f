"""Writing a dump: into a directory of its own, the manifest last, and nothing stays of one that failed."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

import msgspec

from conformance.dumps.manifest import MANIFEST, DumpedFile, DumpManifest, file_names
from conformance.errors import InfrastructureError, UsageError
from conformance.files import claim_directory, write_json_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy as np
    from numpy.typing import NDArray

    from conformance.dumps.manifest import Format


class DumpWriter:
    """A dump that is being written; a context manager that deletes what it wrote unless it was finished.

    Args:
        directory: must not exist or be empty.
        form: of every tensor.

    Raises:
        UsageError: the directory cannot be had.
    """

    def __init__(self, directory: Path, form: Format) -> None:
        self.directory, self._form = directory, form
        self._new = not directory.exists()
        self._names: dict[tuple[str, int], str] = {}
        self._written: dict[tuple[str, int], DumpedFile] = {}
        self._begun: list[Path] = []
        self._finished = False
        claim_directory(directory, "dump", (MANIFEST,))

    def expect(self, tensors: Sequence[tuple[str, int]], word: str) -> None:
        """Say what will be written, every (node, sample) in the order of the graph, and the device's word."""
        names = file_names(tensors, word, self._form.suffix)
        self._names = dict(zip(tensors, names, strict=True))

    def add(self, node: str, sample: int, values: NDArray[np.float32]) -> None:
        """Write one expected tensor.

        Raises:
            UsageError: its file is there already, so somebody else writes here.
            InfrastructureError: it cannot be written.
        """
        path = self.directory / self._names[node, sample]
        try:
            with path.open("xb") as file:
                self._begun.append(path)
                sink = _Digesting(file)
                self._form.write(sink, values)
        except FileExistsError as error:
            raise UsageError(
                f"{path} appeared while dumping; give each dump a directory of its own"
            ) from error
        except OSError as error:
            raise InfrastructureError(f"{path} cannot be written: {error.strerror}") from error
        self._written[node, sample] = DumpedFile(
            node=node,
            sample=sample,
            file=path.name,
            shape=list(values.shape),
            format=self._form.name,
            resolution=self._form.resolution,
            sha256=sink.total.hexdigest(),
        )

    def finish(self, manifest: DumpManifest) -> DumpManifest:
        """Write the manifest, with the files added, which makes the directory a dump.

        Raises:
            InfrastructureError: an expected tensor was not written.
        """
        missing = [node for node, sample in self._names if (node, sample) not in self._written]
        if missing or not self._names:
            what = f"{', '.join(missing)} was not" if missing else "nothing was"
            raise InfrastructureError(f"{what} dumped to {self.directory}")
        complete = msgspec.structs.replace(manifest, files=[self._written[key] for key in self._names])
        write_json_atomically(self.directory / MANIFEST, complete)
        self._finished = True
        return complete

    def __enter__(self) -> DumpWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._finished:
            return
        with contextlib.suppress(OSError):  # the error on its way out says more
            for path in self._begun:
                path.unlink(missing_ok=True)
            if self._new:
                self.directory.rmdir()


class _Digesting:
    """Passes bytes on to a file, and digests them."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.total = file, hashlib.sha256()

    def write(self, data: bytes, /) -> int:
        self.total.update(data)
        return self._file.write(data)
