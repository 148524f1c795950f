"""Drawing a sheet of pictures, and writing it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from conformance.files import write_atomically
from conformance.report.pixels import fitted
from conformance.report.sheet import CAPTION, Cell, Line, laid_out

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

    from conformance.report.sheet import Box, Placed, Sheet

BACKGROUND, GAP_FILL = (255, 255, 255), (216, 216, 216)
"""Of the sheet, and of frames and cells without a result."""
COMPRESSION = 4
"""Level of zlib: half the time of the usual 6, for 1 % of size."""
TONES = {
    "ink": (26, 26, 26),
    "faint": (110, 110, 110),
    "good": (0, 125, 60),
    "bad": (200, 20, 30),
    "warning": (190, 95, 0),
}


def drawn(sheet: Sheet) -> Image:
    """Return a sheet as a picture."""
    from PIL import Image, ImageDraw

    layout = laid_out(sheet)
    picture = Image.new("RGB", layout.size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    for thing in layout.things:
        _draw(picture, draw, thing)
    return picture


def save(picture: Image, path: Path) -> None:
    """Write a PNG, whole or not at all."""
    write_atomically(path, lambda file: picture.save(file, format="PNG", compress_level=COMPRESSION))


def _draw(picture: Image, draw: ImageDraw, thing: Placed) -> None:
    from PIL import Image

    if isinstance(thing.what, Cell):
        _draw_cell(picture, draw, thing.box, thing.what)
    elif isinstance(thing.what, Line):
        _write(draw, thing.box, thing.what)
    else:
        bar = Image.fromarray(thing.what).resize(thing.box[2:], Image.Resampling.BILINEAR)
        picture.paste(bar, thing.box[:2])


def _draw_cell(picture: Image, draw: ImageDraw, box: Box, cell: Cell) -> None:
    """Draw a picture in the middle of its box, or a grey panel that says why there is none."""
    from PIL import Image

    x, y, width, height = box
    if cell.pixels is None:
        draw.rectangle((x, y, x + width - 1, y + height - 1), fill=GAP_FILL)
        text = _cut(cell.instead, 20, width - 8)
        draw.text((x + width / 2, y + height / 2), text, TONES["faint"], _font(20), anchor="mm")
    else:
        pixels = Image.fromarray(fitted(cell.pixels, width))
        left, top = x + (width - pixels.width) // 2, y + (height - pixels.height) // 2
        draw.rectangle((left - 1, top - 1, left + pixels.width, top + pixels.height), outline=GAP_FILL)
        picture.paste(pixels, (left, top))
    if cell.caption:
        _write(draw, (x, y + height, width, 0), Line(cell.caption, CAPTION, "faint"))


def _write(draw: ImageDraw, box: Box, line: Line) -> None:
    text = _cut(line.text, line.size, box[2])
    draw.text(box[:2], text, TONES[line.tone], _font(line.size))


def _cut(text: str, size: int, width: int) -> str:
    """Return a text, cut short where it is wider than there is room."""
    if _font(size).getlength(text) <= width:
        return text
    while text and _font(size).getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


@functools.cache
def _font(size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=size)
