"""Outputs that a run keeps beside its records: those of the fused network that are pictures."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING, Any

import numpy as np

from conformance.evaluation.device_runs import sha256_of
from conformance.files import write_atomically
from conformance.npy import read_npy, write_npy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from conformance.judging.cases import Case
    from conformance.runs.records import Record

Array = np.ndarray[Any, Any]
OUTPUTS = "outputs"


class OutputKeeper:
    """Writes the results of chosen outputs into a run directory as they are judged.

    It may fail, as on a full disk, without harm to the run: then the output is not there, and a note says so.

    Args:
        directory: the run directory.
        names: outputs to keep, by network.

    Attributes:
        notes: what could not be written.
    """

    def __init__(self, directory: Path, names: Mapping[str, Sequence[str]]) -> None:
        self._directory, self._names = directory, names
        self.notes: list[str] = []

    def watch(self, case: Case, sample: int, result: Any) -> None:
        """Keep a result if it is one of the chosen outputs of the fused network."""
        if case.mode != "fused" or case.node not in self._names.get(case.network, ()):
            return
        if not isinstance(result, np.ndarray) or not np.issubdtype(result.dtype, np.floating):
            return  # its record says what it is
        path = output_path(self._directory, case.network, case.precision, case.node, sample)
        try:
            with np.errstate(over="ignore"):
                stored = np.asarray(result, "<f4", order="C")
            write_atomically(path, lambda file: write_npy(file, stored))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here says nothing about the device
            self.notes.append(f"{path} could not be written ({error}), so no picture has it")


def output_path(directory: Path, network: str, precision: str, output: str, sample: int) -> Path:
    """Return the file of an output of a run on one sample."""
    name = f"{urllib.parse.quote(output, safe='')}.{sample}.npy"
    return directory / OUTPUTS / network / precision / name


def kept_output(directory: Path, record: Record, sample: int) -> Array | None:
    """Return a judged output of a finished run, or None where it is not there.

    What is not bit for bit the output that the record is of (of a device that returns halves: that was
    widened) counts as not there: a picture shows what was judged, or nothing.
    """
    path = output_path(directory, record.network, record.precision, record.node, sample)
    try:
        with path.open("rb") as file:
            value = read_npy(file)
    except (OSError, ValueError, EOFError):
        return None
    return value if sample < len(record.sha256) and _is_of(value, record.sha256[sample]) else None


def _is_of(value: Array, sha256: str) -> bool:
    """Return whether an array, or what it was widened from, has this sha256_of; NaN keep their bits."""
    if sha256_of(value) == [sha256]:
        return True
    with np.errstate(over="ignore"):
        return any(sha256_of(value.astype(dtype)) == [sha256] for dtype in (np.float16, np.float64))
