"""A worker whose graphs mean what their nodes are called, for what passes between processes; no TensorFlow.

``copy`` returns the feed ``x``, ``zeros/DTYPE/SHAPE`` zeros (``zeros/float16/2x0``); ``say/WHAT`` makes
the session say something besides.
"""

import sys
from pathlib import Path

import numpy as np

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from conformance.devices.cambricon import worker

SAYINGS = {
    "note": {"notes": ["said so"]},
    "problem": {"problems": {"copy": {"kind": "unsupported", "error": "no copies"}}},
    "incident": {"incidents": ["it smoked"]},
}


class EchoSession:
    def __init__(self, request):
        self._fetches = request["fetches"]

    def run(self, feeds):
        return {name: self._value(name, feeds) for name in self._fetches}, 0.25

    @staticmethod
    def _value(name, feeds):
        if not name.startswith("zeros/"):
            return feeds["x"]
        _, dtype, shape = name.split("/")
        return np.zeros([int(size) for size in shape.split("x") if size], dtype)

    def facts(self):
        said = [name.partition("/")[2] for name in self._fetches if name.startswith("say/")]
        return {key: value for word in said for key, value in SAYINGS[word].items()}

    def close(self):
        pass


class EchoWorker(worker.Worker):
    def hello(self, _):
        return {"python": "3.7.9", "numpy": np.__version__, "tensorflow": "1.15.0", "stock": True}

    def opened(self, request):
        return EchoSession(request)


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv, EchoWorker))
