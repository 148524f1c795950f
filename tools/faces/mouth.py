"""Lips, the line between them, teeth, lipstick."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from faces.fields import bell, blend, smooth, strands
from faces.head import MOUTH

if TYPE_CHECKING:
    from faces.describe import Makeup
    from faces.fields import Field
    from faces.head import Grid


class Mouth(NamedTuple):
    """Shapes over ``window``."""

    window: tuple[slice, slice]
    lips: Field  # 1 on the lips
    gap: Field  # 1 between them
    line: Field  # 1 in the parting
    lines: Field  # brightness of the fine vertical lines
    light: Field  # where the lower lip shines


def mouth(grid: Grid) -> Mouth:
    """Return the shapes of the mouth."""
    face = grid.face
    half = face.mouth + 0.5 * face.smile
    window = grid.window((-half - 0.05, half + 0.05), (MOUTH - 0.14, MOUTH + 0.18))
    u, v = grid.at(window)
    t = np.clip(np.abs(u) / half, 0.0, 1.0)
    middle = MOUTH - (0.012 + face.smile) * t**2 + 0.4 * face.smile
    opening = face.teeth * (1.0 - t**2)
    full = face.lip_fullness
    bow = 0.058 * full * (1.0 - t**1.7) ** 0.9 - 0.016 * full * bell(u, 0.0, 0.020)
    top, bottom = middle - 0.3 * opening - bow, middle + 0.7 * opening + 0.088 * full * (1.0 - t**2.2) ** 0.8
    edge = grid.edge(0.006)
    outer = smooth(-edge, edge, v - top) * smooth(edge, -edge, v - bottom)
    outer = outer * smooth(half + 0.004, half - 0.012, np.abs(u))
    inner = smooth(-edge, edge, v - middle + 0.3 * opening) * smooth(edge, -edge, v - middle - 0.7 * opening)
    gap = inner * smooth(0.004, 0.02, opening)
    thick = 0.004 + 0.007 * (1.0 - t**2)
    wave = 0.006 * np.cos(np.pi * t * 2.0) * (face.teeth == 0.0)
    parting = bell(v, middle + wave, 0.7 * max(float(thick.min()), edge))
    line = parting * smooth(half + 0.012, half - 0.02, np.abs(u)) * (1.0 - smooth(0.0, 0.02, opening))
    lines = 1.0 + 0.10 * strands(grid.table, u * 60.0 + 200.0)
    shine = bell(u, -0.04 * np.sign(-grid.light[0]), 0.07) * bell(v, bottom - 0.042 * full, 0.014)
    return Mouth(window, outer * (1.0 - gap), gap, line, lines, shine)


def paint_lips(grid: Grid, albedo: Field, shape: Mouth, makeup: Makeup) -> Field:
    """Colour the lips of ``albedo``, which lies over the mouth's window, and return how they shine."""
    own = np.asarray(grid.face.lips, np.float32) * shape.lines[..., None]
    blend(albedo, own, 0.72 * shape.lips)
    colour = np.asarray(makeup.lips, np.float32) * shape.lines[..., None]
    blend(albedo, colour, np.float32(makeup.lip_strength) * shape.lips)
    return shape.lips * shape.light * np.float32(0.16 + 0.1 * makeup.lip_strength + 0.45 * makeup.gloss)


def paint_opening(grid: Grid, picture: Field, shape: Mouth) -> None:
    """Teeth and the dark between the lips, over the mouth's window."""
    u, v = grid.at(shape.window)
    if grid.face.teeth > 0.0:
        place = np.clip((v - MOUTH) / max(grid.face.teeth, 1e-6), -1.0, 1.0)
        white = (0.86 - 0.3 * smooth(0.5, 1.0, place)) * (1.0 - 2.2 * u * u)
        teeth = white * (1.0 - 0.12 * (np.cos(u * 90.0) > 0.9))
        blend(picture, np.array([1.0, 0.96, 0.90], np.float32) * teeth[..., None], shape.gap)
    blend(picture, (0.16, 0.04, 0.05), 0.85 * shape.line)
