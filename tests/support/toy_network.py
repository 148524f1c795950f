"""Toy networks: written from a few lines of TensorFlow, made ready once per test session."""

from __future__ import annotations

import atexit
import dataclasses
import fcntl
import functools
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from support.emulation import frozen

from conformance import cli
from conformance.goldens import GoldenStore
from conformance.networks import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SHARED = "CONFORMANCE_TESTS_KEPT"
"""The environment variable that names the directory which all processes of a test session share."""

TOML = """\
[network]
name = "{name}"
graph = "{name}.pb"
{inputs}
[[output]]
name = "{output}"
range = [{low}, {high}]
{more}
[acceptance]
cosine = {cosine}
psnr = {psnr}
"""
PLAIN = {"name": "toy", "low": -1.0, "high": 1.0, "cosine": 0.9, "psnr": 9.0, "more": ""}
INPUT = """
[[input]]
name = "{name}"
files = [{files}]
"""


@dataclasses.dataclass(frozen=True)
class KeptNetwork:
    """Where a network and its goldens lie."""

    directory: Path
    goldens: Path

    def copied(self, to: Path) -> KeptNetwork:
        """Return a copy below ``to`` that a test may damage."""
        copy = KeptNetwork(to / "network", to / "goldens")
        shutil.copytree(self.directory, copy.directory)
        shutil.copytree(self.goldens, copy.goldens)
        return copy

    @property
    def store(self) -> GoldenStore:
        """The goldens, opened anew."""
        return GoldenStore(Network(self.directory), self.goldens)


def write_toy(directory: Path, build: Callable, inputs: Mapping, output: str = "out", **fields) -> Path:
    """Write graph, description and inputs of a network with one output, without scales and goldens.

    Args:
        directory: where; it is made.
        build: makes the nodes, given TensorFlow.
        inputs: of each placeholder, the array of every sample.
        output: name of the output.
        fields: of :data:`TOML`, in place of :data:`PLAIN`; the graph is named after the network.
    """
    fields = PLAIN | fields
    directory.mkdir(parents=True, exist_ok=True)
    frozen(build, output).save(directory / f"{fields['name']}.pb")
    entries = []
    for name, samples in inputs.items():
        files = [f"{name.lower()}-{sample}.npy" for sample in range(len(samples))]
        for file, values in zip(files, samples, strict=True):
            np.save(directory / file, values, allow_pickle=False)
        entries.append(INPUT.format(name=name, files=", ".join(f'"{file}"' for file in files)))
    text = TOML.format(inputs="".join(entries), output=output, **fields)
    (directory / "network.toml").write_text(text, encoding="utf-8")
    return directory


def uniform(seed: int, shape: Sequence[int], *names: str, samples: int = 1) -> dict[str, list[np.ndarray]]:
    """Return random inputs from -1 to 1 by name."""
    random = np.random.default_rng(seed)
    return {name: [random.uniform(-1, 1, shape).astype(np.float32) for _ in range(samples)] for name in names}


def prepared(root: Path, write: Callable[[Path], object], *, scales: bool = True) -> KeptNetwork:
    """Return the network that ``write`` writes, with scales and goldens made by the command line."""
    network = KeptNetwork(root / "network", root / "goldens")
    write(network.directory)
    commands = [["quantize"]] if scales else []
    for arguments in (*commands, ["golden", "--golden-dir", str(network.goldens)]):
        assert cli.main([*arguments, str(network.directory)]) == 0
    return network


def kept(name: str, write: Callable[[Path], object]) -> KeptNetwork:
    """Return the prepared network, made by the first process of the test session that wants it."""
    root = shared_directory() / name
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            prepared(root.with_suffix(".part"), write)
            root.with_suffix(".part").rename(root)
    return KeptNetwork(root / "network", root / "goldens")


@functools.cache
def shared_directory() -> Path:
    """Return the directory of kept networks; the process that makes it deletes it at its end."""
    if SHARED not in os.environ:
        os.environ[SHARED] = tempfile.mkdtemp(prefix="mlu-conformance-")
        atexit.register(shutil.rmtree, os.environ[SHARED], ignore_errors=True)
    return Path(os.environ[SHARED])


def store_of(directory: Path, build: Callable, **arrays: np.ndarray) -> GoldenStore:
    """Return the goldens of the network that ``build(tf)`` makes, with output ``o``, on these inputs."""
    inputs = {name: [array.astype(np.float32)] for name, array in arrays.items()}
    store = GoldenStore(Network(write_toy(directory, build, inputs, "o")), directory / "goldens")
    store.create()
    return store
