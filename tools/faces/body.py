"""Neck, shoulders, clothes and ears."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from faces.fields import bell, blend, smooth, strands

if TYPE_CHECKING:
    from faces.fields import Field
    from faces.head import Grid

NECK = 0.30  # v below which the neck may show


def paint_neck(grid: Grid, picture: Field, cover: Field) -> None:
    """Neck, shoulders and a round collar; adds what they hide to ``cover``."""
    window = grid.window((-1.25, 1.25), (NECK, 1.25))
    u, v = grid.at(window)
    side = np.abs(u)
    shoulder = 0.30 + 0.62 * smooth(0.62, 1.0, v) ** 1.5
    height = 0.45 * np.sqrt(np.clip(1.0 - (side / (shoulder + 0.06)) ** 2, 0.0, 1.0) + 0.01)
    diffuse, _ = grid.lit(height)
    under_chin = 1.0 - 0.55 * bell(u, 0.07, 0.30) * bell(v, 0.72, 0.14)
    edge = grid.edge(0.012)
    skin = diffuse * (np.asarray(grid.face.skin, np.float32) * 0.88) * under_chin[..., None]
    body = smooth(edge, -edge, side - shoulder)
    blend(picture[window], skin, body)
    collar = 0.93 - 0.10 * (side / 0.4) ** 2
    weave = 1.0 + 0.04 * strands(grid.table, (u + 0.3 * v) * 50.0 + 500.0)
    cloth = diffuse * np.asarray(grid.face.clothes, np.float32) * weave[..., None]
    clothed = smooth(-edge, edge, v - collar) * smooth(edge, -edge, side - shoulder - 0.03)
    blend(picture[window], cloth, clothed)
    cover[window] = np.maximum(cover[window], np.maximum(body, clothed))


def paint_ears(grid: Grid, picture: Field, cover: Field) -> None:
    """Ears that look out beside the head; adds them to ``cover``."""
    reach = grid.face.width + 0.15
    window = grid.window((-reach, reach), (-0.25, 0.30))
    u, v = grid.at(window)
    ears = bell(np.abs(u), grid.face.width, 0.055) * bell(v, 0.03, 0.11)
    tone = np.asarray(grid.face.skin, np.float32) * np.array([0.92, 0.78, 0.74], np.float32)
    shown = smooth(0.50, 0.56, ears)
    blend(picture[window], tone * (0.55 + 0.45 * smooth(0.6, 0.95, ears))[..., None], shown)
    cover[window] = np.maximum(cover[window], shown)
