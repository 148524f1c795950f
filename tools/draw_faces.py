"""Draw the faces of ``fixtures/networks/beautygan/inputs`` that are not photographs.

A head is a height field: an egg-shaped dome with bumps for nose, lips, brows, cheeks and chin. Its normals
give the shading; skin, makeup, eyes, brows and hair are layers of colour with soft edges. All arithmetic is
float64 NumPy and seeded, so that the same pixels come out everywhere.

Run ``python tools/draw_faces.py``, which draws what ``faces.toml`` describes; two runs write the same pixels.

Coordinates: x to the right and y down, both -1..1 over the picture; distances in the same unit. Colours are
red, green and blue in 0..1.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import msgspec
import numpy as np
from PIL import Image

from conformance.errors import ConformanceError
from conformance.files import read_toml, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Field: TypeAlias = NDArray[np.float64]

Colour: TypeAlias = tuple[float, float, float]

INPUTS = Path(__file__).resolve().parents[1] / "fixtures/networks/beautygan/inputs"
FACES = Path(__file__).resolve().with_name("faces.toml")
SIZE = 256
OVERSAMPLING = 3
NOISE = 0.008  # standard deviation of the grain of the finished picture
EYE = (0.235, -0.06)  # centre of the right-hand eye
EYE_SIZE = (0.112, 0.045, 0.035)  # half width, height above and below the centre
CROWN = -0.10  # y from which the outline of long hair is round
NECK = 0.30  # y below which the neck may show
MOUTH = 0.47  # y of the line between the lips


class Face(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one face looks like; strengths of makeup are 0 (none) to 1."""

    seed: int
    skin: Colour
    hair: Colour
    iris: Colour
    lips: Colour
    background: Colour
    clothes: Colour
    width: float = 0.53  # half width of the head
    brow: float = 1.0  # thickness of the brows
    mouth: float = 0.19  # half width of the mouth
    long_hair: bool = True
    lip_colour: float = 0.35
    shadow: Colour = (0.0, 0.0, 0.0)
    shadow_strength: float = 0.0
    blush: Colour = (0.8, 0.3, 0.3)
    blush_strength: float = 0.0
    lashes: float = 0.3


def smooth(low: float, high: float, x: Field) -> Field:
    """Rise from 0 at ``low`` to 1 at ``high`` without corners (Hermite)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x: Field, y: Field, centre: tuple[float, float], spread: tuple[float, float]) -> Field:
    """Gaussian of height 1 around ``centre``; ``spread`` are its standard deviations."""
    return np.exp(-0.5 * (((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2))


def blend(picture: Field, colour: Field | Colour, cover: Field) -> Field:
    """Lay ``colour`` over ``picture`` where ``cover`` (0..1) says so."""
    return picture + (np.asarray(colour) - picture) * cover[..., None]


class Canvas:
    """The coordinates of one face and its random numbers."""

    def __init__(self, face: Face) -> None:
        self.face = face
        axis = (np.arange(SIZE * OVERSAMPLING) + 0.5) * 2.0 / (SIZE * OVERSAMPLING) - 1.0
        self.x, self.y = np.meshgrid(axis, axis)
        self.side = np.abs(self.x)  # both halves of a face are alike
        self.random = np.random.RandomState(face.seed)
        self.light = np.array([-0.38, -0.42, 0.82])

    def strands(self, along: Field, scale: float) -> Field:
        """Noise of mean 0 that depends on ``along`` only, in three octaves: hair, brows, lip lines."""
        total = np.zeros_like(along)
        for octave in range(3):
            values = self.random.standard_normal(1024)
            total += np.interp(along * scale * 2.0**octave % 1023.0, np.arange(1024), values) / 1.6**octave
        return total / 2.0

    def dome(self) -> Field:
        """Distance from the middle of the head: 0 there, 1 on its outline; narrower towards the chin."""
        down = (self.y + 0.02) / 0.84
        narrowing = 1.0 - 0.33 * smooth(0.1, 1.05, down) ** 1.3 - 0.05 * smooth(-0.2, -1.0, down)
        across = self.side / (self.face.width * narrowing)
        return (np.abs(across) ** 2.35 + np.abs(down) ** 2.35) ** (1.0 / 2.35)

    def relief(self) -> Field:
        """Height of the skin towards the viewer: the dome and everything that stands out of it."""
        side, y = self.side, self.y
        height = 0.62 * np.sqrt(np.clip(1.0 - self.dome() ** 2, 0.0, 1.0) + 0.004)
        ridge = np.clip((y + 0.14) / 0.36, 0.0, 1.0)  # of the nose: 0 between the brows, 1 at its tip
        bridge = bump(side, y, (0.0, 0.0), (0.058, 9.0)) * smooth(0.34, 0.20, y) * ridge**1.2
        bumps = (
            (0.105, bridge),
            (0.052, bump(side, y, (0.0, 0.215), (0.062, 0.058))),  # tip of the nose
            (0.036, bump(side, y, (0.082, 0.245), (0.034, 0.036))),  # its wings
            (-0.060, bump(side, y, (EYE[0], -0.08), (0.120, 0.075))),  # eye sockets
            (0.035, bump(side, y, (EYE[0], -0.06), (0.080, 0.050))),  # eyeballs
            (0.030, bump(side, y, (0.24, -0.20), (0.150, 0.055))),  # brow ridge
            (0.040, bump(side, y, (0.30, 0.14), (0.110, 0.100))),  # cheeks
            (-0.012, bump(side, y, (0.0, 0.365), (0.022, 0.040))),  # philtrum
            (0.030, bump(side, y, (0.0, MOUTH - 0.035), (0.120, 0.026))),  # upper lip
            (0.042, bump(side, y, (0.0, MOUTH + 0.050), (0.100, 0.030))),  # lower lip
            (-0.030, bump(side, y, (0.0, MOUTH + 0.125), (0.090, 0.026))),  # below it
            (-0.016, bump(side, y, (self.face.mouth + 0.02, MOUTH), (0.030, 0.030))),  # corners of the mouth
            (0.040, bump(side, y, (0.0, 0.70), (0.100, 0.065))),  # chin
        )
        return height + sum(size * shape for size, shape in bumps)

    def shade(self, albedo: Field, height: Field, gloss: Field | float) -> Field:
        """Light ``albedo`` on the surface ``height``; red light reaches furthest round into the shadow."""
        step = 2.0 / (SIZE * OVERSAMPLING)
        down, right = np.gradient(height, step)
        normal = np.stack([-right, -down, np.ones_like(height)], axis=-1)
        normal /= np.sqrt(np.sum(normal**2, axis=-1, keepdims=True))
        light = self.light / np.sqrt(np.sum(self.light**2))
        toward = np.sum(normal * light, axis=-1)[..., None]
        wrap = np.array([0.42, 0.30, 0.26])
        diffuse = np.clip((toward + wrap) / (1.0 + wrap), 0.0, None)
        half = light + np.array([0.0, 0.0, 1.0])
        half /= np.sqrt(np.sum(half**2))
        shine = np.clip(np.sum(normal * half, axis=-1), 0.0, None) ** 28
        lit: Field = albedo * (0.26 + 0.86 * diffuse) + (shine * gloss)[..., None]
        return lit


def draw(face: Face) -> NDArray[np.uint8]:
    """Return the picture of ``face``: 256 by 256 by 3, uint8."""
    canvas = Canvas(face)
    picture = paint_background(canvas)
    picture = paint_back_hair(canvas, picture)
    picture = paint_neck(canvas, picture)
    picture = paint_head(canvas, picture)
    for side in (-1.0, 1.0):
        picture = paint_eye(canvas, picture, side)
        picture = paint_brow(canvas, picture, side)
    picture = paint_front_hair(canvas, picture)
    small = picture.reshape(SIZE, OVERSAMPLING, SIZE, OVERSAMPLING, 3).mean(axis=(1, 3))
    grain = canvas.random.standard_normal((SIZE, SIZE, 1)) + 0.4 * canvas.random.standard_normal(small.shape)
    pixels: NDArray[np.uint8] = np.clip(np.rint((small + NOISE * grain) * 255.0), 0, 255).astype(np.uint8)
    return pixels


def paint_background(canvas: Canvas) -> Field:
    """A studio backdrop, lighter behind the lit side."""
    glow = bump(canvas.x, canvas.y, (-0.5, -0.2), (0.9, 1.0))
    cloth = canvas.strands(canvas.x * 3.0 + canvas.y * 1.3 + 40.0, 1.0) * 0.02
    return np.asarray(canvas.face.background) * (0.72 + 0.38 * glow + cloth)[..., None]


def paint_neck(canvas: Canvas, picture: Field) -> Field:
    """Neck, shoulders and a round collar."""
    face, side, y = canvas.face, canvas.side, canvas.y
    shoulder = 0.30 + 0.62 * smooth(0.62, 1.0, y) ** 1.5
    height = 0.45 * np.sqrt(np.clip(1.0 - (side / (shoulder + 0.06)) ** 2, 0.0, 1.0) + 0.01)
    under_chin = 1.0 - 0.55 * bump(canvas.x, y, (0.07, 0.72), (0.30, 0.14))
    skin = canvas.shade(np.broadcast_to(np.asarray(face.skin) * 0.88, (*y.shape, 3)), height, 0.02)
    picture = blend(
        picture, skin * under_chin[..., None], smooth(0.012, -0.012, side - shoulder) * (y > NECK)
    )
    collar = 0.93 - 0.10 * (side / 0.4) ** 2
    cloth = canvas.shade(np.broadcast_to(np.asarray(face.clothes), (*y.shape, 3)), height, 0.0)
    return blend(
        picture, cloth, smooth(-0.01, 0.01, y - collar) * smooth(0.012, -0.012, side - shoulder - 0.03)
    )


def paint_head(canvas: Canvas, picture: Field) -> Field:
    """The face with its makeup, ears and nostrils; eyes, brows and hair come later."""
    face, side, y = canvas.face, canvas.side, canvas.y
    ears = bump(side, y, (face.width, 0.03), (0.055, 0.11))
    ear = (
        np.asarray(face.skin)
        * np.array([0.92, 0.78, 0.74])
        * (0.55 + 0.45 * smooth(0.6, 0.95, ears))[..., None]
    )
    picture = blend(picture, ear, smooth(0.50, 0.56, ears))
    gloss = 0.10 + 0.10 * bump(canvas.x, y, (0.0, 0.1), (0.09, 0.2))
    albedo = paint_skin(canvas)
    lips, lip_gloss = lip_cover(canvas)
    lines = 1.0 + 0.10 * canvas.strands(canvas.x * 60.0 + 200.0, 1.0)
    albedo = blend(albedo, np.asarray(face.lips) * lines[..., None], lips * (0.55 + 0.45 * face.lip_colour))
    lit = canvas.shade(albedo, canvas.relief(), gloss + lip_gloss)
    lit = paint_creases(canvas, lit)
    return blend(picture, lit, smooth(1.006, 0.990, canvas.dome()))


def paint_skin(canvas: Canvas) -> Field:
    """Albedo of the skin: base tone, ruddy parts, pores, blush and eye shadow."""
    face, side, y = canvas.face, canvas.side, canvas.y
    skin = np.broadcast_to(np.asarray(face.skin), (*y.shape, 3))
    ruddy = 0.22 * bump(side, y, (0.27, 0.17), (0.13, 0.12)) + 0.28 * bump(side, y, (0.0, 0.21), (0.08, 0.06))
    skin = blend(skin, np.asarray(face.skin) * np.array([1.02, 0.76, 0.72]), ruddy)
    mottle = canvas.random.standard_normal((64, 64))
    rows, columns = (canvas.y + 1.0) * 31.4, (canvas.x + 1.0) * 31.4
    skin = skin * (1.0 + 0.012 * interpolate(mottle, rows, columns))[..., None]
    slant = y + 0.55 * (side - 0.36)
    skin = blend(skin, face.blush, face.blush_strength * bump(side, slant, (0.34, 0.13), (0.12, 0.075)))
    lid = bump(side, y, (EYE[0] + 0.02, EYE[1] - 0.035), (0.105, 0.050)) ** 0.8
    return blend(skin, face.shadow, face.shadow_strength * np.clip(lid * 1.15, 0.0, 1.0))


def interpolate(grid: Field, rows: Field, columns: Field) -> Field:
    """Bilinear values of ``grid`` at fractional ``rows`` and ``columns``."""
    r, c = rows.astype(int), columns.astype(int)
    fr, fc = rows - r, columns - c
    top = grid[r, c] * (1.0 - fc) + grid[r, c + 1] * fc
    bottom = grid[r + 1, c] * (1.0 - fc) + grid[r + 1, c + 1] * fc
    value: Field = top * (1.0 - fr) + bottom * fr
    return value


def lip_cover(canvas: Canvas) -> tuple[Field, Field]:
    """Where the lips are, and how they shine."""
    side, y, half = canvas.side, canvas.y, canvas.face.mouth
    t = np.clip(side / half, 0.0, 1.0)
    middle = MOUTH - 0.018 * t**2
    bow = 0.058 * (1.0 - t**1.7) ** 0.9 - 0.016 * np.exp(-((side / 0.028) ** 2))
    full = 0.088 * (1.0 - t**2.2) ** 0.8
    cover = smooth(-0.006, 0.006, y - middle + bow) * smooth(0.008, -0.008, y - middle - full)
    cover = cover * smooth(half + 0.004, half - 0.012, side)
    shine = (
        cover
        * bump(canvas.x, y, (-0.03, MOUTH + 0.04), (0.06, 0.014))
        * (0.10 + 0.35 * canvas.face.lip_colour)
    )
    return cover, shine


def paint_creases(canvas: Canvas, lit: Field) -> Field:
    """Dark places that the relief is too coarse for: between the lips, nostrils, folds beside the nose."""
    side, y, half = canvas.side, canvas.y, canvas.face.mouth
    t = np.clip(side / half, 0.0, 1.0)
    line = MOUTH - 0.018 * t**2 + 0.006 * np.cos(np.pi * t * 2.0)
    parting = np.exp(-(((y - line) / (0.004 + 0.007 * (1.0 - t**2))) ** 2)) * smooth(
        half + 0.012, half - 0.02, side
    )
    lit = blend(lit, (0.16, 0.04, 0.05), 0.85 * parting)
    nostril = bump(side, y + 0.35 * side, (0.045, 0.292), (0.022, 0.010))
    lit = blend(lit, np.asarray(canvas.face.skin) * 0.16, np.clip(1.25 * nostril, 0.0, 0.9))
    wing = bump(side, y, (0.112, 0.245), (0.012, 0.030))
    fold_at = 0.125 + 0.42 * (y - 0.26)
    fold = np.exp(-(((side - fold_at) / 0.028) ** 2)) * smooth(0.24, 0.30, y) * smooth(0.44, 0.34, y)
    dark = 1.0 - 0.22 * wing - 0.07 * fold - 0.10 * bump(side, y, (0.0, 0.325), (0.07, 0.02))
    return lit * dark[..., None]


def paint_eye(canvas: Canvas, picture: Field, side: float) -> Field:
    """Eyeball, iris, lids and lashes of the eye on one side (-1 left, 1 right in the picture)."""
    half, above, below = EYE_SIZE
    x, y = (canvas.x * side - EYE[0]), canvas.y - EYE[1]
    t = np.clip(x / half, -1.0, 1.0)
    tilt = -0.012 * x / half
    upper = tilt - above * (1.0 - np.abs(t + 0.08) ** 2.2).clip(0.0) ** 0.75
    lower = tilt + below * (1.0 - np.abs(t - 0.05) ** 2.4).clip(0.0) ** 0.8
    inside = (
        smooth(0.0, 0.006, y - upper) * smooth(0.0, 0.006, lower - y) * smooth(half, half - 0.01, np.abs(x))
    )
    picture = blend(picture, eyeball(canvas, canvas.x - side * EYE[0], y, y - upper), inside)
    within = smooth(half + 0.012, half - 0.015, np.abs(x))
    lash = 0.010 + 0.016 * canvas.face.lashes * (0.5 + 0.5 * t)
    line = np.exp(-(((y - upper + 0.3 * lash) / lash) ** 2) * 1.6) * within
    picture = blend(picture, (0.06, 0.04, 0.04), np.clip((0.75 + 0.25 * canvas.face.lashes) * line, 0.0, 1.0))
    wing = np.exp(-(((y - tilt + 0.45 * (x - half) + 0.01) / 0.009) ** 2)) * bump(
        x, y, (half + 0.012, 0.0), (0.020, 0.1)
    )
    picture = blend(picture, (0.06, 0.04, 0.04), np.clip(canvas.face.lashes - 0.3, 0.0, 1.0) * wing)
    crease = np.exp(-(((y - upper * 1.15 + 0.032) / 0.008) ** 2)) * within
    rim = np.exp(-(((y - lower) / 0.007) ** 2)) * within
    bag = bump(x, y, (0.0, 0.085), (0.085, 0.014))
    return picture * (1.0 - 0.38 * crease - 0.40 * rim - 0.07 * bag)[..., None]


def eyeball(canvas: Canvas, x: Field, y: Field, below_lid: Field) -> Field:
    """White, iris, pupil and catchlight; ``x`` and ``y`` from the middle of the eye."""
    white = np.asarray((0.90, 0.87, 0.85)) * (1.0 - 0.35 * (np.abs(x) / EYE_SIZE[0]) ** 3)[..., None]
    y = y + 0.006
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    rays = 1.0 + 0.25 * canvas.strands(angle * 30.0 + 300.0, 1.0)
    ring = 0.55 + 0.75 * smooth(0.050, 0.022, radius)
    iris = np.asarray(canvas.face.iris) * (rays * ring * (1.0 + 6.0 * np.clip(y, -0.03, 0.05)))[..., None]
    ball = blend(white, iris, smooth(0.0535, 0.0485, radius))
    ball = blend(ball, np.asarray(canvas.face.iris) * 0.25, 0.7 * np.exp(-(((radius - 0.050) / 0.005) ** 2)))
    ball = blend(ball, (0.02, 0.02, 0.02), smooth(0.0245, 0.0205, radius))
    ball = ball * (0.45 + 0.55 * smooth(0.0, 0.040, below_lid))[..., None]
    glint = smooth(0.0125, 0.0085, np.hypot(x + 0.019, y + 0.019))
    return blend(ball, (0.97, 0.98, 1.0), 0.95 * glint)


def paint_brow(canvas: Canvas, picture: Field, side: float) -> Field:
    """An arched brow of slanting hairs, thinner towards the temple."""
    x, y = canvas.x * side, canvas.y
    t = (x - 0.095) / 0.30  # 0 at the nose, 1 at the temple
    arch = -0.185 - 0.055 * np.sin(np.clip(t, 0.0, 1.0) * np.pi * 0.78)
    thick = canvas.face.brow * (0.025 - 0.016 * np.clip(t, 0.0, 1.0) ** 1.6)
    hairs = canvas.strands((x * 1.0 + (y - arch) * (1.4 - 1.2 * t)) * 90.0 + 250.0, 1.0)
    cover = np.exp(-(np.abs((y - arch) / (thick * (1.0 + 0.25 * hairs))).clip(0.0, 9.0) ** 2.6))
    cover = cover * smooth(-0.03, 0.08, t) * smooth(1.06, 0.90, t) * np.clip(0.80 + 0.22 * hairs, 0.0, 1.0)
    return blend(picture, np.asarray(canvas.face.hair) * 0.85, cover)


def hair_colour(canvas: Canvas, along: Field, shine: Field) -> Field:
    """Colour of strands: ``along`` numbers them, ``shine`` (0..1) is where they catch the light."""
    texture = canvas.strands(along, 1.0)
    light = 0.55 + 0.30 * texture + (0.75 + 0.5 * texture) * shine
    tint = (
        np.asarray(canvas.face.hair) + np.asarray((0.10, 0.085, 0.07)) * np.clip(shine, 0.0, 1.0)[..., None]
    )
    return np.clip(tint * np.clip(light, 0.12, None)[..., None], 0.0, 1.0)


def paint_back_hair(canvas: Canvas, picture: Field) -> Field:
    """The hair behind head and neck: down to the shoulders, or a cap just outside the head."""
    face, side, y = canvas.face, canvas.side, canvas.y
    ragged = 0.012 * canvas.strands(y * 14.0 + np.sign(canvas.x) * 70.0 + 300.0, 1.0)
    if face.long_hair:
        reach = face.width + 0.17 + 0.05 * np.sin(y * 5.0 + 0.8) + ragged
        top = np.hypot(side / (face.width + 0.19), (y - CROWN) / 0.87)
        cover = np.where(y < CROWN, smooth(1.01, 0.99, top), smooth(0.012, -0.012, side - reach))
    else:
        top = np.hypot(side / (face.width + 0.055), (y + 0.14) / 0.79) + ragged
        cover = smooth(1.01, 0.99, top) * smooth(0.16, 0.02, y)
    along = np.where(face.long_hair, canvas.x * 26.0 + 3.0 * np.sin(y * 3.0), canvas.x * 30.0) + 400.0
    shine = 0.30 * bump(side, y, (face.width + 0.12, 0.0), (0.05, 0.25)) * (1.1 - 0.5 * canvas.x)
    return blend(picture, hair_colour(canvas, along, shine), cover)


def paint_front_hair(canvas: Canvas, picture: Field) -> Field:
    """The hair over forehead and temples, combed from a parting."""
    face, x, y = canvas.face, canvas.x, canvas.y
    parting = -0.10
    away = x - parting
    hairline = -0.56 + np.where(away > 0.0, 0.45, 0.60) * np.abs(away) ** 1.5
    if face.long_hair:
        hairline = hairline + 0.95 * smooth(0.34, 0.56, canvas.side) ** 1.5
        outer = np.hypot(canvas.side / (face.width + 0.19), (y - CROWN) / 0.87)
    else:
        hairline = hairline + 0.35 * smooth(face.width - 0.10, face.width + 0.02, canvas.side)
        outer = np.hypot(canvas.side / (face.width + 0.055), (y + 0.14) / 0.79)
    shadow = 0.40 * smooth(0.10, -0.01, y - hairline) * smooth(1.0, 0.95, canvas.dome())
    hairline = hairline + 0.022 * canvas.strands(away * 40.0 + 300.0, 1.0)
    cover = smooth(0.014, -0.014, y - hairline) * smooth(1.01, 0.99, outer)
    angle = np.arctan2(away, -(y + 0.98) - 0.12)
    along = angle * 26.0 + 5.0 * np.hypot(away, y + 0.9) + 400.0
    shine = 0.8 * np.exp(-(((np.hypot(away * 0.9, y + 1.02) - 0.36) / 0.11) ** 2)) * (0.8 - 0.4 * x)
    picture = picture * (1.0 - shadow)[..., None]
    return blend(picture, hair_colour(canvas, along, shine), cover)


def save(pixels: NDArray[np.uint8], path: Path) -> None:
    """Write ``pixels`` as a PNG, whole or not at all."""
    write_atomically(path, lambda file: Image.fromarray(pixels).save(file, "PNG", optimize=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw every face."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=INPUTS, help="the folder that gets the pictures")
    options = parser.parse_args(arguments)
    for name, face in read_toml(FACES, dict[str, Face], "faces").items():
        save(draw(face), options.output / name)
        print(options.output / name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"draw_faces: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
