"""Procedural faces: a face, makeup and a scene, each described by itself, give a picture and makeup masks.

Everything is float32 NumPy and Pillow and seeded. ``draw`` takes one picture; a ``Portrait`` keeps what the
bare and the made-up picture of one face have in common, and draws both for little more than the price of
one.
"""

from __future__ import annotations

from faces.describe import BARE, Face, Makeup, Scene
from faces.portrait import MASKS, Portrait, draw
from faces.sample import random_face, random_makeup, random_scene

__all__ = [
    "BARE",
    "MASKS",
    "Face",
    "Makeup",
    "Portrait",
    "Scene",
    "draw",
    "random_face",
    "random_makeup",
    "random_scene",
]
