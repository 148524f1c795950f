"""A network on disk of a few lines of TensorFlow, with its goldens."""

from __future__ import annotations

import numpy as np
from emulation import frozen

from conformance.goldens import GoldenStore
from conformance.networks import Network

WRITTEN = (
    '[network]\nname = "n"\ngraph = "graph.pb"\n{inputs}[[output]]\nname = "o"\nrange = [0.0, 9.0]\n'
    "[acceptance]\ncosine = 0.9\npsnr = 9.0\n"
)


def store_of(directory, build, **arrays):
    """Return the goldens of the network that ``build(tf)`` makes, with output ``o``, on these inputs."""
    frozen(build, "o").save(directory / "graph.pb")
    inputs = ""
    for name, array in arrays.items():
        np.save(directory / f"{name}.npy", array.astype(np.float32))
        inputs += f'[[input]]\nname = "{name}"\nfiles = ["{name}.npy"]\n'
    (directory / "network.toml").write_text(WRITTEN.format(inputs=inputs), encoding="utf-8")
    store = GoldenStore(Network(directory), directory / "goldens")
    store.create()
    return store
