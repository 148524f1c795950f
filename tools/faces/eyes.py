"""Eyes and brows, eye shadow, liner."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faces.fields import bell, blend, smooth, strands
from faces.head import EYE_LEVEL

if TYPE_CHECKING:
    from faces.describe import Makeup
    from faces.fields import Field
    from faces.head import Grid

DARK = (0.06, 0.04, 0.04)


class Eye(NamedTuple):
    """Coordinates and lids of one eye over ``window``; ``x`` grows towards the temple."""

    window: tuple[slice, slice]
    side: float  # -1 left in the picture, 1 right
    x: Field
    y: Field
    upper: Field
    lower: Field
    half: float  # half width


def eye(grid: Grid, side: float) -> Eye:
    """Return the shape of the eye on ``side``."""
    face = grid.face
    half, above, below = 0.112 * face.eye_size, 0.045 * face.eye_open, 0.035 * face.eye_open
    reach = sorted((side * (face.eye_distance - 0.19), side * (face.eye_distance + 0.24)))
    window = grid.window((reach[0], reach[1]), (EYE_LEVEL - 0.24, EYE_LEVEL + 0.14))
    u, v = grid.at(window)
    x, y = u * np.float32(side) - np.float32(face.eye_distance), v - np.float32(EYE_LEVEL)
    t = np.clip(x / half, -1.0, 1.0)
    tilt = -face.eye_tilt * np.clip(x / half, -1.5, 1.5)
    upper = tilt - above * np.clip(1.0 - np.abs(t + 0.08) ** 2.2, 0.0, None) ** 0.75
    lower = tilt + below * np.clip(1.0 - np.abs(t - 0.05) ** 2.4, 0.0, None) ** 0.8
    return Eye(window, side, x, y, upper, lower, half)


def shadow_cover(shape: Eye, makeup: Makeup) -> Field:
    """Where eye shadow goes, over the eye's window: the lid, towards brow and temple, a little below."""
    x, y, half = shape.x, shape.y, shape.half
    height = (0.075 + 0.05 * makeup.shadow_extent) * (1.0 + 0.25 * np.clip(x / half, -1.0, 1.0))
    above = smooth(-1.15, -0.35, (y - shape.upper) / height) * smooth(0.02, -0.005, y - shape.upper)
    below = 0.65 * bell(y, shape.lower + 0.012, 0.014)
    along = smooth(-half - 0.03, -half + 0.05, x) * smooth(half + 0.12, half - 0.03, x)
    return np.maximum(above, below) * along


def paint_eye(grid: Grid, picture: Field, shape: Eye, makeup: Makeup) -> None:
    """Eyeball, lids, lashes and liner, over the eye's window of the lit picture."""
    x, y, half = shape.x, shape.y, shape.half
    edge = grid.edge(0.004)
    inside = smooth(-edge, edge, y - shape.upper) * smooth(-edge, edge, shape.lower - y)
    inside = inside * smooth(half, half - 0.01, np.abs(x))
    blend(picture, _eyeball(grid, shape), inside)
    lashes = 0.25 + 0.75 * makeup.liner
    within = smooth(half + 0.012, half - 0.015, np.abs(x))
    t = np.clip(x / half, -1.0, 1.0)
    lash = np.maximum(0.008 + 0.012 * lashes * (0.5 + 0.5 * t), 0.6 * grid.pixel)
    line = np.exp(-1.6 * ((y - shape.upper + 0.3 * lash) / lash) ** 2) * within
    blend(picture, DARK, np.clip((0.7 + 0.3 * lashes) * line, 0.0, 1.0))
    wing = bell(y, 0.012 - grid.face.eye_tilt - 0.5 * (x - half), 0.008) * bell(x, half + 0.014, 0.022)
    blend(picture, DARK, np.float32(makeup.liner) * wing)
    crease = bell(y, 1.15 * shape.upper - 0.030, 0.007) * within
    rim = bell(y, shape.lower, 0.006) * within
    bag = bell(x, 0.0, 0.085) * bell(y, 0.085, 0.014)
    picture *= (1.0 - 0.34 * crease - (0.36 + 0.4 * makeup.liner) * rim - 0.07 * bag)[..., None]


def _eyeball(grid: Grid, shape: Eye) -> Field:
    """White, iris, pupil and catchlight."""
    size = grid.face.eye_size
    x, y = shape.x * np.float32(shape.side), shape.y + np.float32(0.006)
    corners = 1.0 - 0.35 * np.abs(shape.x / shape.half) ** 3
    white = np.array([0.90, 0.87, 0.85], np.float32) * corners[..., None]
    radius = np.hypot(x, y) / np.float32(size)
    rays = 1.0 + 0.25 * strands(grid.table, np.arctan2(y, x) * 30.0 + 300.0)
    ring = 0.55 + 0.75 * smooth(0.050, 0.022, radius)
    iris = np.asarray(grid.face.iris) * (rays * ring * (1.0 + 6.0 * np.clip(y, -0.03, 0.05)))[..., None]
    edge = grid.edge(0.003)
    ball = white + np.zeros_like(iris)
    blend(ball, iris, smooth(0.051 + edge, 0.051 - edge, radius))
    blend(ball, np.asarray(grid.face.iris) * 0.25, 0.7 * bell(radius, 0.050, 0.004))
    blend(ball, (0.02, 0.02, 0.02), smooth(0.022 + edge, 0.022 - edge, radius))
    ball *= (0.45 + 0.55 * smooth(0.0, 0.040, shape.y - shape.upper))[..., None]
    side, height = 0.019 * np.sign(-grid.light[0]), 0.019
    glint = smooth(0.0105 + edge, 0.0105 - edge, np.hypot(x + side, y + height))
    blend(ball, (0.97, 0.98, 1.0), 0.95 * glint)
    return ball


def paint_brow(grid: Grid, picture: Field, side: float, makeup: Makeup) -> None:
    """An arched brow of slanting hairs, thinner towards the temple, over the whole grid."""
    face = grid.face
    reach = sorted((side * 0.06, side * 0.44))
    window = grid.window((reach[0], reach[1]), (-0.34, -0.10))
    u, v = grid.at(window)
    x, y = u * np.float32(side), v + np.float32(face.brow_height)
    t = (x - 0.095) / 0.30  # 0 at the nose, 1 at the temple
    arch = -0.185 - 0.055 * np.sin(np.clip(t, 0.0, 1.0) * np.pi * 0.78)
    thick = face.brow * (1.0 + 0.25 * makeup.brows) * (0.025 - 0.016 * np.clip(t, 0.0, 1.0) ** 1.6)
    hairs = strands(grid.table, (x + (y - arch) * (1.4 - 1.2 * t)) * 90.0 + 250.0)
    cover = np.exp(-(np.minimum(np.abs((y - arch) / (thick * (1.0 + 0.25 * hairs))), 9.0) ** 2.6))
    strength = 0.68 + 0.30 * makeup.brows
    ends = smooth(-0.03, 0.08, t) * smooth(1.06, 0.90, t)
    cover = cover * ends * np.clip(strength + 0.22 * hairs, 0.0, 1.0)
    colour = np.asarray(face.hair) * (0.85 - 0.45 * makeup.brows)
    blend(picture[window], colour, cover)
