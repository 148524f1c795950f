"""The worker of isolated devices without TensorFlow, whose import takes long; the devices see no graph."""

import sys

from conformance.devices.cambricon.worker import main
from conformance.devices.isolated import child as isolated_worker

isolated_worker.tensorflow = lambda: None
isolated_worker.load_frozen_graph = lambda *_: None

if __name__ == "__main__":
    sys.exit(main(sys.argv, isolated_worker.IsolatedWorker))
