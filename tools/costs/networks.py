"""The networks of the cost table, and where each one is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path

from conformance import locations
from conformance.errors import UsageError, near_names
from conformance.files import sha256
from conformance.machine import TENSORFLOW, installed_version
from conformance.network_file import FILE

SOURCES = Path(__file__).resolve().parent
APPLICATIONS = {
    "mobilenet-v2": ("MobileNetV2", (-1.0, 1.0)),
    "efficientnet-b0": ("EfficientNetB0", (0.0, 255.0)),
    "resnet-50": ("ResNet50", (-2.0, 2.0)),
    "vgg-16": ("VGG16", (-1.0, 1.0)),
}
"""Networks of ``tf.keras.applications``: their name there, and the smallest and largest pixel."""
BERT = "bert-base"
UNROLLED = "unrolled-lstm"
OWN = "beautygan"
GIVEN = "given"
TITLES = {
    UNROLLED: "LSTM of 200 steps",
    OWN: "BeautyGAN",
    "mobilenet-v2": "MobileNetV2",
    "efficientnet-b0": "EfficientNetB0",
    "resnet-50": "ResNet-50",
    BERT: "BERT-base",
    "vgg-16": "VGG-16",
}
"""The networks that are built, and the project's own, as the table shows them: the smallest first."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one network and what is made of it lie.

    Attributes:
        source: a name of ``TITLES``, or the directory of a network of the user's.
        cache: the directory of all networks.
    """

    source: str
    cache: Path

    @property
    def title(self) -> str:
        """What the table calls it."""
        return TITLES.get(self.source, Path(self.source).resolve().name)

    @property
    def directory(self) -> Path:
        """Everything of this network; those of the user's are apart from those that are built."""
        return self.cache / self.source if self.source in TITLES else self.cache / GIVEN / self.title

    @property
    def network(self) -> Path:
        """The directory with ``network.toml``; of the project's own network, its own."""
        return locations.NETWORKS / OWN if self.source == OWN else self.directory / self.directory.name

    @property
    def goldens(self) -> Path:
        """The directory of its goldens."""
        return self.directory / "goldens"

    @property
    def stock(self) -> Path:
        """What stock TensorFlow is to run."""
        return self.directory / "stock.json"

    @property
    def graph(self) -> Path:
        """The frozen graph that stock TensorFlow runs, weights included."""
        return Path(json.loads(self.stock.read_text())["graph"])

    @property
    def stamp(self) -> Path:
        """Says what it was built from; written last."""
        return self.directory / "built-from.txt"

    @property
    def recipe(self) -> str:
        """What a built network depends on; '' for one that is copied, which is done anew every time."""
        if self.source not in TITLES or self.source == OWN:
            return ""
        digest = hashlib.sha256((installed_version(*TENSORFLOW) or "").encode())
        for name in ("bert.py", "building.py", "keras_networks.py", "networks.py", "unrolled_lstm.py"):
            digest.update(sha256((SOURCES / name).read_bytes()).encode())
        return digest.hexdigest()

    @property
    def fresh(self) -> bool:
        """Whether it need not be built again."""
        return bool(self.recipe) and self.stamp.exists() and self.stamp.read_text() == self.recipe


def places(sources: list[str], cache: Path) -> list[Place]:
    """Return where each network lies; all of the table if none is named.

    Raises:
        UsageError: one is neither known nor a directory with a ``network.toml``, or stands there twice.
    """
    found = [Place(source, cache) for source in sources or TITLES]
    for place in found:
        if place.source not in TITLES and not (Path(place.source) / FILE).is_file():
            near = near_names(place.source, list(TITLES))
            raise UsageError(f"network {place.source!r} is neither known nor a directory with {FILE}{near}")
        if [other.directory for other in found].count(place.directory) > 1:
            raise UsageError(f"network {place.source!r} is called like another one; measure them one by one")
    return found
