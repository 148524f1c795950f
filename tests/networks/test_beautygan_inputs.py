"""The input pictures are what NOTICE and ``tools/draw_faces.py`` say they are."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.tool_modules import tool_module

ROOT = Path(__file__).resolve().parents[2]
INPUTS = ROOT / "fixtures/networks/beautygan/inputs"
NAMES = ["face-1.png", "face-2.png", "style-1.png", "style-2.png"]
DRAWN = NAMES[1:]


def pixels(path):
    with Image.open(path) as picture:
        assert picture.mode == "RGB"
        return np.asarray(picture)


@pytest.fixture(scope="module")
def tool():
    with tool_module("draw_faces") as module:
        yield module


@pytest.fixture(scope="module")
def redrawn(tool, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    assert tool.main(["--output", str(folder)]) == 0
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_pictures_are_small_and_not_flat(name):
    picture = pixels(INPUTS / name)
    assert picture.shape == (256, 256, 3)
    assert (INPUTS / name).stat().st_size < 150_000
    assert picture.std() > 30
    flat = np.mean(np.all(picture[:, 1:] == picture[:, :-1], axis=-1))
    assert flat < 0.1


def test_every_drawn_face_is_described(redrawn):
    assert sorted(path.name for path in redrawn.iterdir()) == DRAWN


@pytest.mark.parametrize("name", DRAWN)
def test_drawing_again_gives_the_same_pixels(redrawn, name):
    """But for the last level of a few: sines and exponentials differ between processors in their last bit."""
    difference = np.abs(pixels(redrawn / name).astype(int) - pixels(INPUTS / name))
    assert difference.max() <= 1
    assert np.mean(difference > 0) < 0.001


def test_another_seed_draws_another_picture(tool):
    import msgspec

    picture = tool.read_toml(tool.FACES, dict[str, tool.Picture], "faces")["style-1.png"]
    assert np.abs(tool.draw(picture).astype(int) - pixels(INPUTS / "style-1.png")).max() <= 1
    face = msgspec.structs.replace(picture.face, seed=picture.face.seed + 1)
    changed = tool.draw(msgspec.structs.replace(picture, face=face))
    assert np.abs(changed.astype(int) - pixels(INPUTS / "style-1.png")).max() > 10


def test_a_misspelt_key_is_an_error(tool, tmp_path, monkeypatch):
    from conformance.errors import UsageError

    path = tmp_path / "faces.toml"
    path.write_text(tool.FACES.read_text(encoding="utf-8").replace("liner", "lienr"), encoding="utf-8")
    monkeypatch.setattr(tool, "FACES", path)
    with pytest.raises(UsageError, match="lienr"):
        tool.main(["--output", str(tmp_path / "out")])


def test_the_notice_names_every_picture():
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert [name for name in NAMES if name not in notice] == []
