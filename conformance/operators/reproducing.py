"""A case as a network of its own, which every command takes: graph, inputs and ``network.toml``."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from conformance.files import write_atomically, write_text_atomically
from conformance.network_file import FILE
from conformance.npy import write_npy
from conformance.operators.batch import BatchNetwork, BatchStore
from conformance.precision import FIXED_BITS
from conformance.quantization.calibrated import write_calibrated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from conformance.operators.case import OperatorCase
    from conformance.precision import Precision

GRAPH = "graph.pb"


def write_reproduction(cases: Sequence[OperatorCase], precision: Precision, directory: Path) -> Path:
    """Write a case, and return where: a directory named after operator and precision.

    Args:
        cases: the case, and those that a law derives from it, whose results beside its own show the failure.
        precision: fixed-point × float width.
        directory: in which it is made.

    Raises:
        OSError: it cannot be written.
    """
    name = f"{re.sub(r'[^A-Za-z0-9]+', '-', cases[0].name).lower()}-{precision}"
    target, network = directory / name, BatchNetwork(cases, name)
    target.mkdir(parents=True, exist_ok=True)
    network.graph.save(target / GRAPH)
    files = {}
    for place, (tensor, values) in enumerate(network.feeds(0).items()):
        files[tensor] = f"input_{place}.npy"
        write_atomically(target / files[tensor], functools.partial(write_npy, array=values))
    write_text_atomically(target / FILE, _description(name, cases, network, files))
    from conformance.networks import Network

    written = Network(target)
    for bits in FIXED_BITS if network.magnitudes else ():
        digests = {"graph_sha256": written.graph.sha256, "input_sha256": written.input_sha256}
        write_calibrated(network.scales(bits), target, **digests)
    return target


def _description(
    name: str, cases: Sequence[OperatorCase], network: BatchNetwork, files: dict[str, str]
) -> str:
    store = BatchStore(network)
    words = [line for case in cases for line in case.in_words]
    comments = [f"# {line}" for line in (f"A minimal case of {cases[0].name}", *words)]
    inputs = [
        line
        for tensor, file in files.items()
        for line in ("", "[[input]]", f"name = {json.dumps(tensor)}", f"files = [{json.dumps(file)}]")
    ]
    outputs = [line for node in network.nodes for line in _output(node, store.get(node, 0))]
    return "\n".join(
        [
            *comments,
            "",
            "[network]",
            f"name = {json.dumps(name)}",
            f'graph = "{GRAPH}"',
            *inputs,
            *outputs,
            "",
            "[acceptance]",
            "cosine = 0.999",
            "psnr = 40.0",
            "",
        ]
    )


def _output(node: str, golden: np.ndarray[Any, Any]) -> list[str]:
    low, high = float(golden.min()), float(golden.max())
    high = high if high > low else low + 1
    return ["", "[[output]]", f"name = {json.dumps(node)}", f"range = [{low!r}, {high!r}]"]
