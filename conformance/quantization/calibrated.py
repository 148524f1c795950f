"""Which parameter files this project calibrated, and from what: ``calibrated.json`` beside them.

The format of a parameter file has no place for it. A file that is not listed, or holds other scales than
listed, is the user's own, such as one that the vendor's tool wrote: it is never overwritten unasked.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from conformance.files import read_json, write_json_atomically
from conformance.quantization.files import scales_path, write_scales
from conformance.quantization.parameter_file import read, scales_sha256

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.quantization.parameter_file import QuantizationScales

FILE = "calibrated.json"


class Calibrated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one parameter file was calibrated from.

    Attributes:
        scales_sha256: of its scales; preprocessing that is folded into the file does not count.
        graph_sha256, input_sha256: the network and its inputs.
        replaces: the same of the older file, until it is replaced.
    """

    scales_sha256: str
    graph_sha256: str
    input_sha256: str
    replaces: Calibrated | None = None


def digest_of_scales(scales: QuantizationScales) -> str:
    """Return the SHA-256 of the scales alone."""
    return scales_sha256(dataclasses.replace(scales, convfirst=()))


def read_calibrated(directory: Path) -> dict[str, Calibrated]:
    """Return what is known of the parameter files of a directory, by ``int8`` and ``int16``.

    Raises:
        UsageError: the file is malformed.
    """
    path = directory / FILE
    return read_json(path, dict[str, Calibrated], "list of calibrated scales") if path.exists() else {}


def origin_of(scales: QuantizationScales, directory: Path) -> Calibrated | None:
    """Return what the scales in a directory were calibrated from; None if this project did not make them."""
    known, digest = read_calibrated(directory).get(f"int{scales.bits}"), digest_of_scales(scales)
    while known and known.scales_sha256 != digest:
        known = known.replaces
    return known


def write_calibrated(
    scales: QuantizationScales, directory: Path, *, graph_sha256: str, input_sha256: str
) -> bool:
    """Write a parameter file and what its scales were calibrated from; return whether the file changed.

    What is known of a file stands there before the file does, so that one that this project made is never
    taken for a user's, whenever the process is killed.

    Raises:
        UsageError: the older file is malformed.
        OSError: the directory cannot be written.
    """
    path, width, known = scales_path(directory, scales.bits), f"int{scales.bits}", read_calibrated(directory)
    entry = Calibrated(digest_of_scales(scales), graph_sha256, input_sha256)
    older = origin_of(read(path), directory) if path.exists() else None
    if older and older.scales_sha256 != entry.scales_sha256:
        _write(directory, known | {width: msgspec.structs.replace(entry, replaces=older)})
    else:
        _write(directory, known | {width: entry})
    changed = write_scales(path, scales)
    _write(directory, known | {width: entry})
    return changed


def forget_calibrated(bits: int, directory: Path) -> None:
    """Write down that the parameter file of this width is not this project's own."""
    known = read_calibrated(directory)
    if known.pop(f"int{bits}", None):
        _write(directory, known)


def _write(directory: Path, known: dict[str, Calibrated]) -> None:
    if read_calibrated(directory) != known:
        write_json_atomically(directory / FILE, dict(sorted(known.items())))
