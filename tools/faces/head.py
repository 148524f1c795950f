"""The head as a height field, and the light on it.

The person is drawn upright and from the front on a grid of face coordinates: ``u`` to the right, ``v``
down, both 0 in the middle of the face; the camera places the result. Most shapes are products of a function
of u and one of v, which costs almost nothing.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from faces.fields import bell, smooth, strand_table

if TYPE_CHECKING:
    from faces.describe import Face, Scene
    from faces.fields import Field

EXTENT = 1.25
"""The grid reaches from -EXTENT to EXTENT."""
MOUTH = 0.47
EYE_LEVEL = -0.06
POWER = 2.35  # of the super-ellipse that is the outline


class Grid:
    """Face coordinates, random numbers and light of one portrait.

    Args:
        face: who is drawn.
        scene: whose light falls on the face.
        size: width and height of the finished picture.
    """

    def __init__(self, face: Face, scene: Scene, size: int) -> None:
        self.face, self.scene = face, scene
        self.size = round(size * EXTENT)
        self.pixel = 2.0 * EXTENT / self.size
        axis = ((np.arange(self.size) + 0.5) * self.pixel - EXTENT).astype(np.float32)
        self.u, self.v = axis[None, :], axis[:, None]
        self.side = np.abs(self.u)
        self.random = np.random.RandomState(face.seed)
        self.table = strand_table(self.random)
        cosine, sine = np.cos(scene.rotation), np.sin(scene.rotation)
        right, down, out = scene.light
        light = np.array([cosine * right + sine * down, cosine * down - sine * right, out])
        self.light = (light / np.sqrt(np.sum(light**2))).astype(np.float32)

    def edge(self, width: float) -> float:
        """Half width of a soft edge: ``width``, but not less than the grid can show."""
        return max(width, 0.7 * self.pixel)

    def window(self, u: tuple[float, float], v: tuple[float, float]) -> tuple[slice, slice]:
        """Rows and columns of the grid that cover a rectangle."""
        return self._span(v), self._span(u)

    def _span(self, reach: tuple[float, float]) -> slice:
        first, last = ((value + EXTENT) / self.pixel for value in reach)
        return slice(*(int(np.clip(place, 0, self.size)) for place in (first, last + 1.0)))

    def at(self, window: tuple[slice, slice]) -> tuple[Field, Field]:
        """Return ``u`` and ``v`` inside ``window``."""
        return self.u[:, window[1]], self.v[window[0]]

    @cached_property
    def box(self) -> tuple[slice, slice]:
        """The window of the head."""
        reach = self.face.width + 0.03
        return self.window((-reach, reach), (-0.90, 0.86))

    @cached_property
    def dome(self) -> Field:
        """Over ``box``, the distance from the middle of the head, squared: 0 there, 1 on its outline."""
        u, v = self.at(self.box)
        down = (v + 0.02) / 0.84
        narrowing = 1.0 - self.face.jaw * smooth(0.1, 1.05, down) ** 1.3 - 0.05 * smooth(-0.2, -1.0, down)
        across = np.abs(u) ** POWER * (self.face.width * narrowing) ** -POWER
        return (across + np.abs(down) ** POWER) ** np.float32(2.0 / POWER)

    @cached_property
    def skin_cover(self) -> Field:
        """Over ``box``, 1 on the head."""
        edge = self.edge(0.008)
        return smooth(1.0 + edge, 1.0 - edge, np.sqrt(self.dome))

    def relief(self) -> Field:
        """Over ``box``, the height of the skin towards the viewer."""
        u, v = self.at(self.box)
        shapes = _bumps(self.face, np.abs(u), v)
        rows = np.concatenate([size * column for size, _, column in shapes], axis=1)
        columns = np.concatenate([row for _, row, _ in shapes], axis=0)
        height = np.float32(0.62) * np.sqrt(np.clip(1.0 - self.dome, 0.0, 1.0) + np.float32(0.004))
        return height + rows @ columns

    @cached_property
    def head_light(self) -> tuple[Field, Field]:
        """Diffuse light and shine over ``box``."""
        return self.lit(self.relief())

    def lit(self, height: Field) -> tuple[Field, Field]:
        """Light on the surface ``height``: diffuse, (rows, columns, 3), red reaching furthest, and shine."""
        down, right = np.gradient(height, np.float32(self.pixel))
        length = 1.0 / np.sqrt(1.0 + down * down + right * right)
        x, y, z = self.light
        toward = (z - x * right - y * down) * length
        wrap = np.array([0.42, 0.30, 0.26], np.float32)
        diffuse = np.clip((toward[..., None] + wrap) / (1.0 + wrap), 0.0, None)
        half = np.array([x, y, z + 1.0]) / np.sqrt(x * x + y * y + (z + 1.0) ** 2)
        shine = np.clip((half[2] - half[0] * right - half[1] * down) * length, 0.0, None) ** np.float32(28.0)
        ambient = np.float32(self.scene.ambient)
        return ambient + (np.float32(1.12) - ambient) * diffuse, shine.astype(np.float32)


def _bumps(face: Face, side: Field, v: Field) -> list[tuple[float, Field, Field]]:
    """What stands out of the dome: height, function of u (1, columns), function of v (rows, 1)."""
    tip = 0.215 + face.nose_length
    ridge = np.clip((v + 0.14) / (tip + 0.145), 0.0, 1.0) ** 1.2 * smooth(tip + 0.125, tip - 0.015, v)

    def bump(size: float, at: tuple[float, float], spread: tuple[float, float]) -> tuple[float, Field, Field]:
        return size, bell(side, at[0], spread[0]), bell(v, at[1], spread[1])

    eye = face.eye_distance
    return [
        (0.105, bell(side, 0.0, 0.058 * face.nose), ridge),
        bump(0.052, (0.0, tip), (0.062 * face.nose, 0.058)),
        bump(0.036, (0.082 * face.nose, tip + 0.03), (0.034, 0.036)),  # wings of the nose
        bump(-0.060, (eye, -0.08), (0.120, 0.075)),  # sockets
        bump(0.035, (eye, EYE_LEVEL), (0.080, 0.050)),  # eyeballs
        bump(0.030, (0.24, -0.20), (0.150, 0.055)),  # brow ridge
        bump(0.040 + 0.25 * face.smile, (0.30, 0.14), (0.110, 0.100)),  # cheeks
        bump(-0.012, (0.0, tip + 0.15), (0.022, 0.040)),  # philtrum
        bump(0.030, (0.0, MOUTH - 0.035), (0.120, 0.026)),
        bump(0.042, (0.0, MOUTH + 0.050), (0.100, 0.030)),
        bump(-0.030, (0.0, MOUTH + 0.125), (0.090, 0.026)),
        bump(-0.016, (face.mouth + 0.02, MOUTH), (0.030, 0.030)),
        bump(0.040, (0.0, 0.70), (0.100, 0.065)),  # chin
    ]
