"""A network of plain colours: red of X and green of Y, so that each cell tells where it belongs."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

import numpy as np
from emulation import frozen, placeholder
from kept_network import KeptNetwork

from conformance import cli

SIZE = 16
REDS, GREENS = {"a": 220, "b": 120}, {"c": 30, "d": 140, "e": 250}
SAMPLES = (("a", "c"), ("b", "d"), ("a", "e"))
OUTPUT = "made/up"
DESCRIPTION = """\
[network]
name = "painted"
graph = "graph.pb"
{inputs}
[[output]]
name = "made/up"
range = [-1.0, 1.0]
scale = 0.5
offset = 0.5

[acceptance]
cosine = 0.99
psnr = 30.0
"""
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

    directory.mkdir(parents=True)
    frozen(_build if inputs == "XY" else _build_of_one, OUTPUT).save(directory / "graph.pb")
    columns = dict(zip("XY", zip(*SAMPLES, strict=True), strict=True))
    entries = [
        INPUT.format(name=name, files=[f"{word}.png" for word in columns[name]]).replace("'", '"')
        for name in inputs
    ]
    (directory / "network.toml").write_text(DESCRIPTION.format(inputs="".join(entries)))
    for name, red in REDS.items():
        Image.new("RGB", (SIZE, SIZE), (red, 0, 0)).save(directory / f"{name}.png")
    for name, green in GREENS.items():
        Image.new("RGB", (SIZE, SIZE), (0, green, 0)).save(directory / f"{name}.png")
    return directory


@functools.cache
def kept_pictures(inputs: str = "XY") -> KeptNetwork:
    """Return the network with scales and goldens, made once per process and deleted at its end."""
    root = Path(tempfile.mkdtemp(prefix="mlu-conformance-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    network = KeptNetwork(write(root / "network", inputs=inputs), root / "goldens")
    for arguments in (["quantize"], ["golden", "--golden-dir", str(network.goldens)]):
        assert cli.main([*arguments, str(network.directory)]) == 0
    return network
