"""A network of plain colours: red of X and green of Y, so that each cell tells where it belongs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np
from support.emulation import placeholder
from support.toy_network import KeptNetwork, kept, write_toy

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 16
REDS, GREENS = {"a": 220, "b": 120}, {"c": 30, "d": 140, "e": 250}
SAMPLES = (("a", "c"), ("b", "d"), ("a", "e"))
OUTPUT = "made/up"
INPUT = """
[[input]]
name = "{name}"
files = {files}
size = [16, 16]
scale = 0.00784313725490196
offset = -1.0
"""


def _build(tf):
    filters = np.zeros((1, 1, 6, 3), np.float32)
    filters[0, 0, 0, 0] = filters[0, 0, 4, 1] = 1
    both = tf.concat([placeholder(tf, name, (1, SIZE, SIZE, 3)) for name in "XY"], 3, name="both")
    tf.nn.conv2d(both, tf.constant(filters, name="made/filter"), 1, "SAME", name=OUTPUT)


def _build_of_one(tf):
    filters = np.eye(3, dtype=np.float32)[None, None]
    image = placeholder(tf, "X", (1, SIZE, SIZE, 3))
    tf.nn.conv2d(image, tf.constant(filters, name="made/filter"), 1, "SAME", name=OUTPUT)


def write(directory: Path, *, inputs: str = "XY") -> Path:
    """Write graph, description and inputs, without scales and goldens."""
    from PIL import Image

    columns = dict(zip("XY", zip(*SAMPLES, strict=True), strict=True))
    entries = [
        INPUT.format(name=name, files=[f"{word}.png" for word in columns[name]]).replace("'", '"')
        for name in inputs
    ]
    more = "".join(["scale = 0.5\noffset = 0.5\n", *entries])
    demanded = {"cosine": 0.99, "psnr": 30.0}
    write_toy(
        directory,
        _build if inputs == "XY" else _build_of_one,
        {},
        OUTPUT,
        name="painted",
        more=more,
        **demanded,
    )
    for colours, channel in ((REDS, 0), (GREENS, 1)):
        for name, shade in colours.items():
            colour = tuple(shade * (channel == index) for index in range(3))
            Image.new("RGB", (SIZE, SIZE), colour).save(directory / f"{name}.png")
    return directory


@functools.cache
def kept_pictures(inputs: str = "XY") -> KeptNetwork:
    """Return the network with scales and goldens, made once per test session."""
    return kept(f"painted-{inputs}", functools.partial(write, inputs=inputs))
