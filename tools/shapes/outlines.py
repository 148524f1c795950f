"""The classes: each a signed distance to its outline, negative inside, in units of the shape's radius."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Plane = NDArray[np.float64]
    Outline: TypeAlias = Callable[[Plane, Plane], Plane]


def circle(x: Plane, y: Plane) -> Plane:
    """A disc."""
    return np.hypot(x, y) - 0.92


def ring(x: Plane, y: Plane) -> Plane:
    """A disc with a round hole."""
    return np.abs(np.hypot(x, y) - 0.76) - 0.22


def square(x: Plane, y: Plane) -> Plane:
    """Four equal sides."""
    return np.maximum(np.abs(x), np.abs(y)) - 0.78


def triangle(x: Plane, y: Plane) -> Plane:
    """Three equal sides."""
    return _folded(x, y, 3)[0] - 0.5


def hexagon(x: Plane, y: Plane) -> Plane:
    """Six equal sides."""
    return _folded(x, y, 6)[0] - 0.84


def star(x: Plane, y: Plane) -> Plane:
    """Five points."""
    along, across = _folded(x, y, 5)
    inner = 0.42
    tip = np.array([np.cos(np.pi / 5.0), np.sin(np.pi / 5.0)])
    edge = tip - [inner, 0.0]
    normal = np.array([edge[1], -edge[0]]) / np.hypot(*edge)
    return (along - inner) * normal[0] + across * normal[1]


def cross(x: Plane, y: Plane) -> Plane:
    """Two bars across each other."""
    return np.minimum(_box(x, y, 0.95, 0.31), _box(x, y, 0.31, 0.95))


def heart(x: Plane, y: Plane) -> Plane:
    """Two lobes and a point (distance after I. Quilez, "2D distance functions")."""
    scale = 0.62
    side, up = np.abs(x) * scale, 0.56 - y * scale
    lobe = np.hypot(side - 0.25, up - 0.75) - np.sqrt(2.0) / 4.0
    middle = 0.5 * np.maximum(side + up, 0.0)
    flank = np.minimum(np.hypot(side, up - 1.0), np.hypot(side - middle, up - middle))
    return np.where(side + up > 1.0, lobe, flank * np.sign(side - up)) / scale


def crescent(x: Plane, y: Plane) -> Plane:
    """A disc with a bite of another."""
    return np.maximum(np.hypot(x, y) - 0.96, 0.78 - np.hypot(x - 0.46, y))


def arrow(x: Plane, y: Plane) -> Plane:
    """A shaft and a head."""
    shaft = _box(x + 0.35, y, 0.6, 0.19)
    flank = ((x - 1.0) * 0.68 + np.abs(y) * 1.05) / np.hypot(0.68, 1.05)
    return np.minimum(shaft, np.maximum(-0.05 - x, flank))


def _box(x: Plane, y: Plane, width: float, height: float) -> Plane:
    return np.maximum(np.abs(x) - width, np.abs(y) - height)


def _folded(x: Plane, y: Plane, count: int) -> tuple[Plane, Plane]:
    """Turn every point into the sector of ``count`` around the x axis; return how far along and across it."""
    sector = 2.0 * np.pi / count
    angle = np.arctan2(y, x)
    angle = angle - sector * np.round(angle / sector)
    radius = np.hypot(x, y)
    return radius * np.cos(angle), radius * np.abs(np.sin(angle))


CLASSES: dict[str, Outline] = {
    outline.__name__: outline
    for outline in (circle, ring, square, triangle, hexagon, star, cross, heart, crescent, arrow)
}
"""Every class by name; its place is its number."""
