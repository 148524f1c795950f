"""Random people, makeup and scenes."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

import numpy as np

from faces.backdrop import KINDS
from faces.describe import Face, Makeup, Scene

if TYPE_CHECKING:
    from faces.describe import Colour

SKINS = ((0.95, 0.79, 0.70), (0.90, 0.70, 0.58), (0.80, 0.59, 0.45), (0.66, 0.45, 0.32), (0.46, 0.29, 0.20))
HAIRS = (
    (0.05, 0.04, 0.04),
    (0.17, 0.10, 0.07),
    (0.30, 0.18, 0.10),
    (0.50, 0.34, 0.18),
    (0.74, 0.58, 0.36),
    (0.52, 0.22, 0.10),
    (0.55, 0.54, 0.53),
)
IRISES = ((0.24, 0.13, 0.07), (0.34, 0.24, 0.11), (0.26, 0.36, 0.22), (0.30, 0.45, 0.55))
LIPSTICKS = ((0.86, 1.03), (0.65, 1.0), (0.35, 0.9))  # ranges of hue (in turns), saturation, value
BLUSHES = ((0.92, 1.05), (0.6, 0.9), (0.7, 0.95))
MEAN = np.array([0.54, 0.49, 0.45])
"""Mean colour of a picture, around which scenes vary."""
SPREAD = 0.26
"""Standard deviation of a picture, likewise."""


def random_face(random: np.random.RandomState) -> Face:
    """Return somebody."""
    skin = _between(random, SKINS)
    lips = skin * random.uniform([0.80, 0.58, 0.62], [0.92, 0.72, 0.78])
    return Face(
        seed=int(random.randint(2**31)),
        skin=_colour(skin),
        hair=_colour(_near(random, HAIRS) * random.uniform(0.8, 1.2)),
        iris=_colour(_near(random, IRISES)),
        lips=_colour(lips),
        clothes=_colour(random.uniform(0.08, 0.85) + random.uniform(-0.15, 0.15, 3)),
        width=random.uniform(0.48, 0.57),
        jaw=random.uniform(0.25, 0.40),
        eye_distance=random.uniform(0.22, 0.25),
        eye_size=random.uniform(0.88, 1.1),
        eye_open=random.uniform(0.7, 1.15),
        eye_tilt=random.uniform(-0.004, 0.022),
        brow=random.uniform(0.6, 1.4),
        brow_height=random.uniform(-0.02, 0.03),
        nose=random.uniform(0.8, 1.25),
        nose_length=random.uniform(-0.03, 0.025),
        mouth=random.uniform(0.16, 0.215),
        lip_fullness=random.uniform(0.65, 1.15),
        freckles=_sometimes(random, 0.2) * random.uniform(0.3, 1.0),
        **_smile(random),
        **_hair_style(random),
    )


def _smile(random: np.random.RandomState) -> dict[str, float]:
    smile = max(random.uniform(-0.02, 0.06), -0.01)
    return {"smile": smile, "teeth": _sometimes(random, 0.3) * random.uniform(0.02, 0.06)}


def _hair_style(random: np.random.RandomState) -> dict[str, float]:
    kind = random.choice(3, p=(0.25, 0.35, 0.4))
    length, volume = ((0.0, 0.05), (random.uniform(0.05, 0.45), 0.16), (random.uniform(0.6, 1.2), 0.19))[kind]
    return {
        "hair_length": length,
        "hair_volume": volume * random.uniform(0.7, 1.3),
        "hairline": random.uniform(-0.70, -0.46),
        "parting": random.uniform(-0.25, 0.25),
        "curl": _sometimes(random, 0.3) * random.uniform(0.2, 1.0),
    }


def random_makeup(random: np.random.RandomState) -> Makeup:
    """Return makeup that is seen at a glance."""
    return Makeup(
        lips=_dye(random, LIPSTICKS),
        lip_strength=random.uniform(0.85, 1.0),
        gloss=random.uniform(0.0, 1.0),
        shadow=_dye(random, ((0.0, 1.0), (0.45, 0.95), (0.2, 0.8))),
        shadow_strength=random.uniform(0.75, 0.97),
        shadow_extent=random.uniform(0.6, 1.3),
        blush=_dye(random, BLUSHES),
        blush_strength=random.uniform(0.4, 0.8),
        liner=random.uniform(0.3, 1.0),
        brows=random.uniform(0.0, 1.0),
    )


def random_scene(random: np.random.RandomState, variety: float = 1.0) -> Scene:
    """Return a scene; ``variety`` from 0 (all alike but for the backdrop) to 1 scales how far it strays."""
    side, height = random.uniform(-0.6, 0.6), random.uniform(-0.6, -0.2)
    mean = MEAN + variety * (random.normal(0.0, 0.05) + random.normal(0.0, 0.02, 3))
    return Scene(
        seed=int(random.randint(2**31)),
        scale=1.0 + variety * random.uniform(-0.12, 0.15),
        shift=(variety * random.uniform(-0.1, 0.1), variety * random.uniform(-0.08, 0.08)),
        rotation=variety * random.uniform(-0.14, 0.14),
        turn=(variety * random.uniform(-0.07, 0.07), variety * random.uniform(-0.04, 0.04)),
        aspect=1.0 + variety * random.uniform(-0.06, 0.06),
        light=(side, height, 0.82),
        ambient=0.28 + variety * random.uniform(-0.08, 0.25),
        backdrop=KINDS[random.randint(len(KINDS))],
        contrast=random.uniform(0.02, 0.16),
        tint=_triple(random.normal(0.0, 0.25, 3)),
        mean=_triple(mean),
        spread=SPREAD * float(np.exp(variety * random.normal(0.0, 0.12))),
        gamma=float(np.exp(variety * random.uniform(-0.15, 0.15))),
        balance=_triple(1.0 + variety * random.uniform(-0.04, 0.04, 3)),
        blur=random.uniform(0.0, 0.4 + 0.8 * variety),
        noise=random.uniform(0.0, 0.008 + 0.010 * variety),
        quality=int(random.randint(35, 95)) if _sometimes(random, 0.3 * variety) else 0,
    )


def _sometimes(random: np.random.RandomState, probability: float) -> float:
    """1.0 with this probability, else 0.0."""
    return float(random.uniform() < probability)


def _near(random: np.random.RandomState, colours: tuple[Colour, ...]) -> np.ndarray:
    """One of ``colours``, a little changed."""
    return np.asarray(colours[random.randint(len(colours))]) * random.uniform(0.93, 1.07, 3)


def _between(random: np.random.RandomState, colours: tuple[Colour, ...]) -> np.ndarray:
    """A colour anywhere along the row of ``colours``, a little changed."""
    place = random.uniform(0.0, len(colours) - 1.001)
    first, part = int(place), place % 1.0
    row = np.asarray(colours)
    return (row[first] * (1.0 - part) + row[first + 1] * part) * random.uniform(0.96, 1.04, 3)


def _dye(random: np.random.RandomState, ranges: tuple[tuple[float, float], ...]) -> Colour:
    """A colour by ranges of hue, saturation and value."""
    hue, saturation, value = (random.uniform(*pair) for pair in ranges)
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def _colour(values: np.ndarray) -> Colour:
    return _triple(np.clip(values, 0.02, 0.98))


def _triple(values: np.ndarray) -> Colour:
    return float(values[0]), float(values[1]), float(values[2])
