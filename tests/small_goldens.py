"""The small network with its goldens below one directory."""

from __future__ import annotations

import small_network

from conformance.goldens import GoldenStore
from conformance.networks import Network

CONV = "image_branch/conv"


def make(root):
    """Write network and goldens below ``root`` and return it."""
    GoldenStore(Network(small_network.write(root / "small")), root / "goldens").create()
    return root


def opened(root):
    """Return the goldens as a new process finds them."""
    return GoldenStore(Network(root / "small"), root / "goldens")


def ensure(root):
    """Make and verify the goldens of all key nodes, and return them."""
    store = opened(root)
    store.ensure([node.name for node in store.manifest.key])
    return store


def tensors(root):
    """Return the directory of the tensors."""
    return root / "goldens/small/tensors"


def file_of(root, name=CONV, sample=0):
    """Return the file of one tensor."""
    return tensors(root) / f"{name.replace('/', '%2F')}.{sample}.npy"
