"""Write one network as a user of the suite would have it, and what stock TensorFlow needs to run it.

    PYTHONPATH=tools python -m costs.building NETWORK CACHE

It runs in a process of its own, so that TensorFlow's memory never counts as that of what is measured.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

from conformance import cli
from conformance.errors import ConformanceError, InfrastructureError
from conformance.files import write_json_atomically, write_text_atomically
from conformance.networks import Network
from costs import unrolled_lstm
from costs.bert import Size, token_ids, write_bert
from costs.keras_networks import picture, write_application
from costs.networks import APPLICATIONS, BERT, OWN, UNROLLED, Place
from costs.unrolled_lstm import write_unrolled_lstm

MADE = ("*.quant.txt", "calibrated.json")
"""What the measured commands make."""


def build(place: Place) -> None:
    """Write the network into its place; what was there goes.

    Raises:
        ConformanceError: the project cannot make a network of the model.
    """
    shutil.rmtree(place.directory, ignore_errors=True)
    place.directory.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=place.directory) as folder:
        if place.source == BERT:
            write_bert(Path(folder) / f"{BERT}.pb", size := Size())
            _initialise(Path(folder) / f"{BERT}.pb", place, token_ids(size))
        elif place.source == UNROLLED:
            write_unrolled_lstm(Path(folder) / f"{UNROLLED}.pb", long := unrolled_lstm.Size())
            _initialise(Path(folder) / f"{UNROLLED}.pb", place, unrolled_lstm.signals(long))
        elif place.source in APPLICATIONS:
            name, pixels = APPLICATIONS[place.source]
            write_application(Path(folder) / f"{name}.keras", name, pixels)
            _initialise(Path(folder) / f"{name}.keras", place, picture((None, 224, 224, 3), pixels))
    if place.source not in (OWN, BERT, UNROLLED, *APPLICATIONS):
        shutil.copytree(place.source, place.network, ignore=shutil.ignore_patterns(*MADE))
    _describe(place)
    write_text_atomically(place.stamp, place.recipe)


def _initialise(model: Path, place: Place, sample: np.ndarray) -> None:
    """Let ``mlu-conformance init`` make a network of a model, and give it a sample."""
    if code := cli.main(["init", str(model), "--random-inputs=1", f"-o={place.network}"]):
        raise InfrastructureError(f"`mlu-conformance init {model.name}` ended with exit code {code}")
    (entry,) = Network(place.network).description.input
    np.save(place.network / entry.files[0], sample, allow_pickle=False)


def _describe(place: Place) -> None:
    """Write graph, feeds and outputs of the network for TensorFlow alone."""
    network = Network(place.network)
    graph = place.network / network.description.network.graph
    if network.description.weights:  # the file has no values
        network.graph.save(graph := place.directory / "frozen.pb")
    np.savez(place.directory / "feeds.npz", **network.feeds(0))
    outputs = [output.name for output in network.outputs]
    write_json_atomically(place.stock, {"graph": str(graph), "feeds": "feeds.npz", "outputs": outputs})


if __name__ == "__main__":
    try:
        build(Place(sys.argv[1], Path(sys.argv[2])))
    except ConformanceError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
