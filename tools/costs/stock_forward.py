"""Run a frozen graph in stock TensorFlow, in float32, and print what a forward pass took, as JSON.

    python tools/costs/stock_forward.py stock.json

Nothing of this project is imported. The description names the ``graph``, the ``feeds`` (an ``.npz``), both
beside it or by a full path, and the ``outputs``. The second of two forward passes is timed as well: the first
one also compiles.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def main(description: Path) -> int:
    """Load, run twice, print."""
    import tensorflow.compat.v1 as tf

    wanted = json.loads(description.read_text())
    graph_def = tf.GraphDef()
    graph_def.ParseFromString((description.parent / wanted["graph"]).read_bytes())
    with np.load(description.parent / wanted["feeds"], allow_pickle=False) as archive:
        feeds = {f"{name}:0": archive[name] for name in archive.files}
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(graph_def, name="")
    seconds = []
    with tf.Session(graph=graph) as session:
        for _ in range(2):
            started = time.perf_counter()
            results = session.run([f"{name}:0" for name in wanted["outputs"]], feeds)
            seconds.append(time.perf_counter() - started)
    if not all(np.isfinite(result).all() for result in results):
        print("outputs hold NaN or Inf", file=sys.stderr)
        return 1
    print(json.dumps({"first": seconds[0], "second": seconds[1]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
