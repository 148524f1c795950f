"""Hair behind and before the head: strands, shine, outline."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faces.fields import bell, blend, smooth, strands

if TYPE_CHECKING:
    from faces.fields import Field
    from faces.head import Grid


CROWN = -0.10
"""v above which the outline of the hair is round."""
SHORT = 0.5
"""Length up to which no hair falls beside the cheeks."""


def _crown(grid: Grid, u: Field, v: Field) -> Field:
    """Distance from the middle of the hair above the ears: 1 on its outline."""
    face = grid.face
    return np.hypot(u / (face.width + face.hair_volume), (v - CROWN) / (0.76 + 0.6 * face.hair_volume))


def _coloured(grid: Grid, along: Field, shine: Field) -> Field:
    """Colour of strands: ``along`` numbers them, ``shine`` (0..1) is where they catch the light."""
    hair = np.asarray(grid.face.hair, np.float32)
    depth = np.float32(0.34 - 0.28 * hair.mean())  # light through fair hair fills the dark between strands
    rough = depth * strands(grid.table, along)
    light = np.clip(0.62 + rough + (0.65 + rough) * shine, 0.12, None)
    sheen = np.array([0.10, 0.085, 0.07], np.float32) * np.clip(shine, 0.0, 1.0)[..., None]
    return np.clip((hair + sheen) * light[..., None], 0.0, 1.0)


def back_hair(grid: Grid) -> tuple[Field, Field]:
    """Colour and cover of the hair behind head and neck."""
    face, u, v = grid.face, grid.u, grid.v
    ragged = 0.012 * strands(grid.table, v * 14.0 + 300.0) + 0.02 * face.curl * np.sin(v * 23.0 + np.sign(u))
    reach = face.width + face.hair_volume - 0.02 + 0.05 * np.sin(v * 5.0 + 0.8) * face.hair_length + ragged
    edge = grid.edge(0.012)
    end = 0.12 + 1.0 * face.hair_length
    ends = end + 0.05 * strands(grid.table, u * 40.0 + 100.0)
    crown = smooth(1.0 + edge, 1.0 - edge, _crown(grid, u, v) + 0.5 * ragged)
    sides = smooth(edge, -edge, grid.side - reach) * smooth(0.06, -0.06, v - ends)
    cover = np.where(v < CROWN, crown, sides)
    wave = (3.0 + 6.0 * face.curl) * np.sin(v * (3.0 + 10.0 * face.curl))
    shine = bell(grid.side, face.width + 0.12, 0.05) * bell(v, 0.0, 0.25) * (0.33 + 0.4 * grid.light[0] * u)
    return _coloured(grid, u * 26.0 + wave + 400.0, shine), cover


class FrontHair(NamedTuple):
    """The hair over forehead and temples: colour, cover and the light that it leaves, over ``window``."""

    window: tuple[slice, slice]
    colour: Field
    cover: Field
    light: Field


def front_hair(grid: Grid) -> FrontHair:
    """Return the hair over forehead and temples, combed from a parting."""
    face = grid.face
    reach = face.width + face.hair_volume + 0.05
    low = 0.9 if face.hair_length > SHORT else 0.2
    window = grid.window((-reach, reach), (-1.25, low))
    u, v = grid.at(window)
    away = u - face.parting
    hairline = face.hairline + np.where(away > 0.0, 0.45, 0.60) * np.abs(away) ** 1.5
    inner = face.width - 0.17 + 0.05 * (1.0 - face.hair_length)
    hairline = hairline + (0.35 + 0.6 * face.hair_length) * smooth(inner, inner + 0.2, np.abs(u)) ** 1.5
    hairline = hairline + 0.022 * strands(grid.table, away * 40.0 + 300.0)
    edge = grid.edge(0.012)
    outside = smooth(1.0 + edge, 1.0 - edge, _crown(grid, u, v))
    shadow = 0.40 * smooth(0.10, -0.01, v - hairline) * outside
    cover = smooth(edge, -edge, v - hairline) * outside
    angle = np.arctan2(away, -(v + 0.98) - 0.12)
    along = angle * 26.0 + 1.5 * face.curl * np.sin(v * 20.0) + 5.0 * np.hypot(away, v + 0.9) + 400.0
    light = 0.8 + 0.9 * grid.light[0] * u
    shine = 0.8 * bell(np.hypot(away * 0.9, v + 1.02), 0.36, 0.08) * light
    return FrontHair(window, _coloured(grid, along, shine), cover, 1.0 - shadow)


def paint_front_hair(picture: Field, hair: FrontHair) -> None:
    """Lay ``hair`` and its shadow over ``picture``."""
    picture[hair.window] *= hair.light[..., None]
    blend(picture[hair.window], hair.colour, hair.cover)
