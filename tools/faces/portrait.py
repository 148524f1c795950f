"""One person in one scene, photographed bare or made up."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from faces import camera
from faces.backdrop import pattern
from faces.body import paint_ears, paint_neck
from faces.describe import BARE
from faces.eyes import eye, paint_brow, paint_eye, shadow_cover
from faces.fields import blend
from faces.hair import back_hair, front_hair, paint_front_hair
from faces.head import Grid
from faces.mouth import mouth, paint_lips, paint_opening
from faces.skin import blush_cover, creases, paint_blush, paint_nostrils, skin_albedo

if TYPE_CHECKING:
    from faces.camera import Pixels
    from faces.describe import Face, Makeup, Scene
    from faces.fields import Field

MASKS = ("lips", "eyes", "blush", "face")
"""The channels of masks: the first three are where makeup goes."""
SIDES = (-1.0, 1.0)


class Portrait:
    """Draws a person with any makeup; what makeup does not change is drawn once.

    Args:
        face: who is shown.
        scene: framing, light, backdrop, camera.
        size: width and height of the picture in pixels.
    """

    def __init__(self, face: Face, scene: Scene, size: int) -> None:
        self.face, self.scene, self.size = face, scene, size
        self.grid = Grid(face, scene, size)
        self.albedo = skin_albedo(self.grid)
        self.mouth = mouth(self.grid)
        self.hair = front_hair(self.grid)
        self.eyes = [eye(self.grid, side) for side in SIDES]
        self.mesh = camera.quadrilaterals(scene, size, self.grid.size)
        self.random = np.random.RandomState(scene.seed)
        self._bare = self._placed(BARE)
        self.backdrop = camera.wall(scene, self._bare, pattern(scene, self.random, size))
        self._exposure = camera.expose(scene, self._developed(self._bare))

    def photograph(self, makeup: Makeup = BARE, *, noise: bool = True) -> Pixels:
        """Return the picture, (size, size, 3) uint8; backdrop and exposure are those for the bare face.

        Args:
            makeup: what the person wears.
            noise: whether the noise of sensor and JPEG is in it.
        """
        person = self._bare if makeup == BARE else self._placed(makeup)
        pixels = camera.finish(self.scene, self._developed(person), self._exposure)
        return camera.spoil(self.scene, pixels, self.random) if noise else pixels

    def _placed(self, makeup: Makeup) -> Field:
        return camera.place(self.person(makeup), self.mesh, self.size)

    def _developed(self, person: Field) -> Field:
        return camera.develop(self.scene, camera.compose(person, self.backdrop))

    def masks(self, makeup: Makeup) -> Pixels:
        """Return where ``MASKS`` are, (size, size, 4) uint8: 255 where makeup would cover fully."""
        layer = np.zeros((self.grid.size, self.grid.size, 4), np.float32)
        head = layer[self.grid.box]
        head[..., 2], head[..., 3] = self._blush, self.grid.skin_cover
        layer[..., 0][self.mouth.window] = self.mouth.lips
        for shape in self.eyes:
            lids = layer[..., 1][shape.window]
            np.maximum(lids, shadow_cover(shape, makeup), out=lids)
        placed = camera.place(layer, self.mesh, self.size)
        return np.rint(placed * 255.0).astype(np.uint8)

    def person(self, makeup: Makeup) -> Field:
        """Return the person on the grid: red, green, blue, cover."""
        picture, cover = self._behind[0].copy(), self._behind[1].copy()
        box = self.grid.box
        blend(picture[box], self._head(makeup), self.grid.skin_cover)
        cover[box] = np.maximum(cover[box], self.grid.skin_cover)
        for shape in self.eyes:
            paint_eye(self.grid, picture[shape.window], shape, makeup)
            paint_brow(self.grid, picture, shape.side, makeup)
        paint_front_hair(picture, self.hair)
        return np.concatenate([picture, cover[..., None]], axis=-1)

    @cached_property
    def _blush(self) -> Field:
        return blush_cover(self.grid)

    @cached_property
    def _behind(self) -> tuple[Field, Field]:
        """Hair behind, neck, clothes and ears, and what they cover."""
        picture, cover = back_hair(self.grid)
        picture = np.ascontiguousarray(picture)
        paint_neck(self.grid, picture, cover)
        paint_ears(self.grid, picture, cover)
        return picture, cover

    def _head(self, makeup: Makeup) -> Field:
        """The lit skin with its makeup, over the head's box."""
        full = np.zeros((self.grid.size, self.grid.size, 3), np.float32)
        box, lips = self.grid.box, self.mouth.window
        full[box] = self.albedo
        paint_blush(full[box], makeup, self._blush)
        for shape in self.eyes:
            cover = shadow_cover(shape, makeup) * np.float32(makeup.shadow_strength)
            blend(full[shape.window], makeup.shadow, cover)
        gloss = paint_lips(self.grid, full[lips], self.mouth, makeup)
        diffuse, shine = self.grid.head_light
        full[box] = full[box] * diffuse * creases(self.grid)[..., None] + np.float32(0.11) * shine[..., None]
        full[lips] += gloss[..., None]
        paint_opening(self.grid, full[lips], self.mouth)
        paint_nostrils(self.grid, full[box])
        return full[box]


def draw(face: Face, makeup: Makeup, scene: Scene, size: int = 256) -> tuple[Pixels, Pixels]:
    """Return the picture, (size, size, 3) uint8, and its ``MASKS``, (size, size, 4) uint8."""
    portrait = Portrait(face, scene, size)
    return portrait.photograph(makeup), portrait.masks(makeup)
