"""The quantisation parameter files that lie beside a network."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.quantization.calibration import calibrated_tensors, check_scales, quantized_tensors
from conformance.quantization.parameter_file import (
    QuantizationScales,
    format_scales,
    read,
    write,
)

if TYPE_CHECKING:
    from pathlib import Path

    from conformance.graph.frozen import FrozenGraph


def scales_path(directory: Path, bits: int) -> Path:
    """Return where a network keeps its parameter file of this bit width."""
    return directory / f"int{bits}.quant.txt"


def read_scales(
    directory: Path, bits: int, graph: FrozenGraph, command: str = "", remedy: str = ""
) -> QuantizationScales:
    """Read and check a network's scales; a graph without fixed-point operators needs no file.

    Args:
        directory: where the parameter files lie.
        bits: fixed-point bits, 8 or 16.
        graph: the network.
        command: makes the files, in backquotes; '' for a network that is kept there.
        remedy: what to do where the file is missing or does not fit; '': to run the command.

    Raises:
        UsageError: the file is missing or malformed, is for another width, or does not fit the graph.
    """
    tensors, path = quantized_tensors(graph), scales_path(directory, bits)
    if not tensors:
        return QuantizationScales(bits=bits, scales={})
    command = command or f"`mlu-conformance prepare {shlex.quote(str(directory))}`"
    remedy = remedy or f"make them with {command}"
    if not path.exists() and not calibrated_tensors(graph):
        return QuantizationScales(bits=bits, scales={})
    if not path.exists():
        raise UsageError(f"quantisation parameter file {path} is missing; {remedy}")
    scales = read_whole(path, command)
    if scales.bits != bits:
        raise UsageError(f"{path} says bit_width {scales.bits}, but its name says {bits}; {remedy}")
    check_scales(scales, graph, str(path), remedy)
    return scales


def read_whole(path: Path, command: str) -> QuantizationScales:
    """Read a parameter file that a command, in backquotes, makes.

    Raises:
        UsageError: it is malformed; says how to have it made again.
    """
    try:
        return read(path)
    except UsageError as error:
        raise UsageError(f"{error}; delete it and run {command}") from error


def write_scales(path: Path, scales: QuantizationScales) -> bool:
    """Write scales unless the file says the same; preprocessing that was folded into an older file is kept.

    Returns:
        Whether the file changed.

    Raises:
        UsageError: the older file is malformed, so what it holds besides scales would be lost.
    """
    if path.exists():
        scales = dataclasses.replace(scales, convfirst=read(path).convfirst)
        if path.read_bytes() == format_scales(scales).encode():
            return False
    write(path, scales)
    return True
