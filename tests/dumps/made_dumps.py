"""Small dumps, made without a device."""

import json

import numpy as np

from conformance.dumps.manifest import FORMATS, DumpManifest
from conformance.dumps.writing import DumpWriter

PLAIN = DumpManifest(
    network="n", graph_sha256="g", input_sha256="i", device={"kind": "cpu"}, precision=None, fused=True
)
VALUES = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


def dump(directory, *, form="npy", nodes=("a/b",), manifest=PLAIN):
    tensors = [(node, 0) for node in nodes]
    with DumpWriter(directory, FORMATS[form]) as writer:
        writer.expect(tensors, "cpu")
        for node, sample in tensors:
            writer.add(node, sample, VALUES)
        return writer.finish(manifest)


def edited(directory, change):
    path = directory / "dump.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
