"""The small network with its goldens below one directory."""

import shutil

from support import small_network
from support.toy_network import kept

from conformance.goldens import GoldenStore
from conformance.networks import Network

CONV = "image_branch/conv"


def make(root):
    """Copy network and goldens, without bounds, below ``root`` and return it."""
    made = kept("branches", small_network.write)
    shutil.copytree(made.directory, root / "small")
    shutil.copytree(made.goldens, root / "goldens", ignore=shutil.ignore_patterns("attainable.json"))
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
