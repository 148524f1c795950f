"""What a drawn photograph shows: the face, the makeup on it, and the scene around it, as plain values.

Colours are red, green and blue in 0..1. Lengths are in units of half the picture at scale 1.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

Colour: TypeAlias = tuple[float, float, float]


class Face(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person without makeup."""

    seed: int = 0  # of skin mottle, strands of hair, freckles
    skin: Colour = (0.86, 0.66, 0.55)
    hair: Colour = (0.20, 0.12, 0.08)
    iris: Colour = (0.30, 0.22, 0.12)
    lips: Colour = (0.72, 0.42, 0.39)
    clothes: Colour = (0.25, 0.28, 0.36)
    width: float = 0.53  # half width of the head
    jaw: float = 0.33  # how much it narrows towards the chin
    eye_distance: float = 0.235  # of an eye from the middle of the face
    eye_size: float = 1.0
    eye_open: float = 1.0
    eye_tilt: float = 0.012  # rise of the outer corner
    brow: float = 1.0  # thickness
    brow_height: float = 0.0
    nose: float = 1.0  # width
    nose_length: float = 0.0
    mouth: float = 0.19  # half width
    lip_fullness: float = 1.0
    smile: float = 0.0  # rise of the corners of the mouth
    teeth: float = 0.0  # opening of the mouth
    hair_length: float = 1.0  # 0 a cap that ends at the ears, 1 down to the shoulders
    hair_volume: float = 0.19  # how far the hair stands out from the head
    hairline: float = -0.56  # y of its middle
    parting: float = -0.10  # x where the hair parts
    curl: float = 0.0
    freckles: float = 0.0


class Makeup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Strengths are 0 (none) to 1; a strength of 0 makes its colour meaningless."""

    lips: Colour = (0.7, 0.1, 0.15)
    lip_strength: float = 0.0
    gloss: float = 0.0
    shadow: Colour = (0.4, 0.2, 0.45)
    shadow_strength: float = 0.0
    shadow_extent: float = 1.0  # how far up towards the brow, and out
    blush: Colour = (0.85, 0.3, 0.35)
    blush_strength: float = 0.0
    liner: float = 0.0
    brows: float = 0.0


BARE = Makeup()


class Scene(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Framing, light, backdrop and camera."""

    seed: int = 0  # of the backdrop's pattern and the camera's noise
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    rotation: float = 0.0  # radians, clockwise in the picture
    turn: tuple[float, float] = (0.0, 0.0)  # of the head: to the right, downwards
    aspect: float = 1.0  # width over height of the person, as seen
    light: tuple[float, float, float] = (-0.38, -0.42, 0.82)  # towards it: right, down, to the viewer
    ambient: float = 0.26
    backdrop: str = "plain"
    contrast: float = 0.1  # of the backdrop's pattern
    tint: Colour = (0.0, 0.0, 0.0)  # of the pattern's colour variation
    mean: Colour = (0.52, 0.47, 0.43)  # of the whole picture, which the backdrop's brightness brings about
    spread: float = 0.26  # standard deviation of the whole picture, which exposure brings about
    gamma: float = 1.0
    balance: Colour = (1.0, 1.0, 1.0)
    blur: float = 0.0  # standard deviation in pixels of a picture 256 wide
    noise: float = 0.01  # standard deviation
    quality: int = 0  # of JPEG; 0: not compressed
