"""Skin, blush and what the relief is too coarse for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faces.fields import bell, blend, smooth, texture

if TYPE_CHECKING:
    from faces.describe import Makeup
    from faces.fields import Field
    from faces.head import Grid


def skin_albedo(grid: Grid) -> Field:
    """Colour of the bare skin over the head's box: base tone, ruddy parts, mottle, freckles."""
    face = grid.face
    u, v = grid.at(grid.box)
    side = np.abs(u)
    shape = (v.shape[0], u.shape[1])
    ruddy = 0.22 * bell(side, 0.27, 0.13) * bell(v, 0.17, 0.12)
    ruddy = ruddy + 0.28 * bell(side, 0.0, 0.08) * bell(v, 0.21, 0.06)
    base = np.asarray(face.skin, np.float32)
    mottle = 0.012 * texture(grid.random, (50, 36), shape) + 0.016 * texture(grid.random, (9, 6), shape)
    tone = base * (1.0 + mottle)[..., None]
    blend(tone, base * np.array([1.02, 0.76, 0.72], np.float32), ruddy)
    if face.freckles > 0.0:
        spots = smooth(1.2, 2.2, texture(grid.random, (72, 48), shape))
        spots = spots * (bell(side, 0.25, 0.2) * bell(v, 0.13, 0.13) + 0.2) * np.float32(face.freckles)
        blend(tone, base * np.array([0.68, 0.55, 0.45], np.float32), np.clip(spots, 0.0, 0.8))
    return tone


def blush_cover(grid: Grid) -> Field:
    """Where blush goes, over the head's box: along the cheekbones, up to the temples."""
    u, v = grid.at(grid.box)
    side = np.abs(u)
    slant = v + 0.55 * (side - 0.36)
    cover = bell(side, 0.345, 0.115) * bell(slant, 0.135, 0.085)
    return np.clip(1.15 * cover, 0.0, 1.0) * grid.skin_cover


def paint_blush(albedo: Field, makeup: Makeup, cover: Field) -> None:
    """Lay blush on the skin's colour."""
    blend(albedo, makeup.blush, cover * np.float32(makeup.blush_strength))


def creases(grid: Grid) -> Field:
    """Factor, over the head's box, for folds beside the nose, its wings and the dark below it."""
    face = grid.face
    u, v = grid.at(grid.box)
    side = np.abs(u)
    low = 0.245 + face.nose_length
    wing = bell(side, 0.112 * face.nose, 0.012) * bell(v, low, 0.030)
    fold = bell(side, 0.125 + 0.42 * (v - 0.26), 0.02) * smooth(0.24, 0.30, v) * smooth(0.46, 0.34, v)
    below = bell(side, 0.0, 0.07) * bell(v, low + 0.08, 0.02)
    return 1.0 - 0.22 * wing - (0.07 + 1.2 * face.smile) * fold - 0.10 * below


def paint_nostrils(grid: Grid, picture: Field) -> None:
    """Two dark openings, over the head's box."""
    face = grid.face
    u, v = grid.at(grid.box)
    side = np.abs(u)
    at = 0.292 + face.nose_length
    nostril = bell(side, 0.045 * face.nose, 0.022) * bell(v + 0.35 * side, at, max(0.010, grid.edge(0.008)))
    blend(picture, np.asarray(face.skin) * 0.16, np.clip(1.25 * nostril, 0.0, 0.9))
