"""Calibration by the vendor's framework: running mode 0 writes scales into the parameter file.

Never run on a card's software. The framework writes when the session closes, and then only; it changes the
file in place, so that a file which already holds scales keeps stale ones. Both are public knowledge.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.devices.cambricon import worker
from conformance.devices.cambricon.graph_size import check_size
from conformance.devices.cambricon.interpreter import find_interpreter
from conformance.devices.cambricon.options import WHAT
from conformance.devices.worker.host import Launch, WorkerHost
from conformance.devices.worker.session import RemoteSession
from conformance.errors import InfrastructureError, UsageError
from conformance.files import write_text_atomically
from conformance.quantization.calibration import check_scales
from conformance.quantization.parameter_file import read

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import numpy as np

    from conformance.devices.cambricon.options import CambriconOptions
    from conformance.graph.frozen import FrozenGraph
    from conformance.quantization.parameter_file import QuantizationScales

TEMPLATE = "bit_width:{}\nquant_mode:naive\n"
"""A parameter file before calibration: a header, and no ``scale_map``."""
TRAP = (
    "the framework writes scales when its session closes, which this one did; is it Cambricon's, and does it "
    "know running mode 0?"
)


def vendor_scales(
    options: CambriconOptions,
    graph: FrozenGraph,
    fetches: Sequence[str],
    samples: Iterable[Mapping[str, np.ndarray[Any, Any]]],
    bits: int,
    *,
    timeout: float = 300.0,
) -> QuantizationScales:
    """Return the scales that the vendor's framework finds, on the CPU: no card is taken.

    Args:
        options: the driver's options.
        graph: the network.
        fetches: its outputs; what they do not need gets no scale.
        samples: feeds, one mapping per sample.
        bits: fixed-point bits, 8 or 16.
        timeout: seconds that one sample may take.

    Raises:
        Unsupported: the constants are larger than TensorFlow 1 takes.
        UsageError: the interpreter or its TensorFlow is not what it must be.
        InfrastructureError: the framework wrote no scales, or too few, or of tensors that the graph lacks.
    """
    check_size(graph)
    python = find_interpreter(options.python, os.environ, Path.home())
    with tempfile.TemporaryDirectory(prefix="mlu-conformance-") as directory:
        path = Path(directory) / f"int{bits}.quant.txt"
        write_text_atomically(path, TEMPLATE.format(bits))
        launch = Launch(
            what=WHAT,
            command=(str(python), worker.__file__),
            environment=options.calibration_environment(os.environ, path),
            hello={"allow_stock": options.allow_stock},
        )
        opening = {"core_num": 1, "core_version": options.core_version, "optype_black_list": ""}
        _run(launch, graph, fetches, samples, opening, timeout)
        return _checked(path, graph.prune(fetches), bits)


def _run(
    launch: Launch,
    graph: FrozenGraph,
    fetches: Sequence[str],
    samples: Iterable[Mapping[str, np.ndarray[Any, Any]]],
    opening: Mapping[str, Any],
    timeout: float,
) -> None:
    """Run every sample in one session and close it, whatever happens."""
    host = WorkerHost(timeout, lambda *_: None)
    try:
        session = RemoteSession(host, launch, graph, fetches, opening)
        for feeds in samples:
            session.run(feeds)
        session.close()
    finally:
        host.close()


def _checked(path: Path, graph: FrozenGraph, bits: int) -> QuantizationScales:
    """Return the scales in a file that the framework has changed."""
    if "scale_map" not in path.read_text(errors="replace"):
        raise InfrastructureError(f"calibration at int{bits} left no scale_map: {TRAP}")
    try:
        scales = read(path)
        check_scales(scales, graph, path.name)
    except UsageError as error:
        raise InfrastructureError(
            f"calibration at int{bits} wrote a file that does not fit the graph: {error}; {TRAP}"
        ) from error
    if scales.bits != bits:
        raise InfrastructureError(f"calibration at int{bits} wrote a file of bit_width {scales.bits}; {TRAP}")
    return scales
