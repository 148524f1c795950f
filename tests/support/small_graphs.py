"""Many small networks in one graph, of one to a dozen operators each, with numbers of all sizes.

Sizes come from a bank of a few, so that what is compiled for one network serves hundreds.
"""

import numpy as np
from support.emulation import frozen, placeholder
from support.small_kinds import KINDS

MOST = 200
"""Elements of a tensor."""
BANK = 8


def small_graphs(seed, count, *, bank=None):
    """Return a graph of ``count`` networks, an output each, and its feeds; 1 to 200 elements a tensor.

    Args:
        seed: draws everything.
        count: of networks.
        bank: draws the sizes of tensors without shape; ``seed`` does where it is None.
    """
    random = np.random.default_rng(seed)
    sizes = drawn_sizes(np.random.default_rng(seed if bank is None else bank))
    feeds, outputs = {}, [f"out_{index}" for index in range(count)]

    def build(tf):
        for index, name in enumerate(outputs):
            kind = KINDS[int(random.integers(len(KINDS)))]
            kind(tf, Drawing(tf, random, sizes, feeds, index), name)

    return frozen(build, *outputs), feeds


def drawn_sizes(random):
    """Return the bank: 1, the most, and some between."""
    between = np.exp(random.uniform(np.log(2), np.log(MOST), BANK - 2)).astype(int)
    return [1, *map(int, between), MOST]


class Drawing:
    """Draws one network: its sizes, constants and inputs."""

    def __init__(self, tf, random, sizes, feeds, index):
        self._tf, self.random, self._sizes, self._feeds = tf, random, sizes, feeds
        self._prefix, self._count = f"x_{index}_", 0

    def size(self):
        """Return a number of elements."""
        return self._sizes[int(self.random.integers(len(self._sizes)))]

    def one_of(self, *values):
        return values[int(self.random.integers(len(values)))]

    def fed(self, *shape, kind="any"):
        """Return an input of the network."""
        name = f"{self._prefix}{self._count}"
        self._count += 1
        self._feeds[name] = NUMBERS[kind](self.random, shape).astype(np.float32)
        return placeholder(self._tf, name, shape)

    def constant(self, *shape, spread=1.0):
        return self.random.normal(0, spread, shape).astype(np.float32)


def _any(random, shape):
    """Return numbers of one of several distributions; some lie on ties."""
    scale = 10.0 ** random.uniform(-3, 1)
    drawn = [
        lambda: random.normal(0, scale, shape),
        lambda: random.uniform(0, scale, shape),
        lambda: np.round(random.normal(0, 8, shape)) / 4,
        lambda: np.abs(random.normal(0, scale, shape)) + 0.01,
        lambda: np.round(random.normal(0, 1, shape) * 4096) / 4096,
    ]
    values = drawn[int(random.integers(len(drawn)))]()
    return values if values.any() else values + 0.5


NUMBERS = {
    "any": _any,
    "mild": lambda random, shape: random.uniform(-5, 5, shape),
    "positive": lambda random, shape: 10.0 ** random.uniform(-2, 1.5, shape),
    "holes": lambda random, shape: random.choice([0.0, -1.5, 0.3, 7.0], shape),
}
"""What an input holds."""
