"""Draw the faces of ``fixtures/networks/beautygan/inputs`` that are not photographs.

Run ``python tools/draw_faces.py``, which draws what ``faces.toml`` describes. The people, makeup and scenes
are described there one by one; none of them is in the training of the network.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from faces import BARE, Face, Makeup, Portrait, Scene

from conformance.errors import ConformanceError
from conformance.files import read_toml, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from faces.camera import Pixels

INPUTS = Path(__file__).resolve().parents[1] / "fixtures/networks/beautygan/inputs"
FACES = Path(__file__).resolve().with_name("faces.toml")
SIZE = 256


class Picture(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of ``faces.toml``."""

    face: Face
    scene: Scene = Scene()
    makeup: Makeup = BARE


def draw(picture: Picture) -> Pixels:
    """Return the picture: (256, 256, 3) uint8."""
    return Portrait(picture.face, picture.scene, SIZE).photograph(picture.makeup)


def save(pixels: Pixels, path: Path) -> None:
    """Write ``pixels`` as a PNG, whole or not at all."""
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG", optimize=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw every face."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=INPUTS, help="the folder that gets the pictures")
    options = parser.parse_args(arguments)
    for name, picture in read_toml(FACES, dict[str, Picture], "faces").items():
        save(draw(picture), options.output / name)
        print(options.output / name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"draw_faces: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
