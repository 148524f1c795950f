"""The real worker under the present TensorFlow, which it would refuse, though its sessions run there."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from conformance.devices.cambricon import worker


class Tensorflow2Worker(worker.Worker):
    def hello(self, _):
        os.environ.update(CUDA_VISIBLE_DEVICES="-1", TF_CPP_MIN_LOG_LEVEL="3")
        import tensorflow as tf

        self._tensorflow = tf
        return {"python": "3.7.9", "numpy": "1.18.5", "tensorflow": "1.15.0", "stock": True}


if __name__ == "__main__":
    sys.exit(worker.main(sys.argv, Tensorflow2Worker))
