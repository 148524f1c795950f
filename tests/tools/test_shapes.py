"""The drawn shapes: the same for the same seed, every class another, whole and told from the backdrop."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from shapes import CLASSES, SIZE, drawn
from shapes.picture import draw
from shapes.scene import APART, Scene, distance, random_scene

NAMES = list(CLASSES)


def plain(**changes):
    """Return a scene without anything but the shape: white on black, in the middle, upright."""
    fields = {
        "seed": 1,
        "centre": (32.0, 32.0),
        "radius": 22.0,
        "angle": 0.0,
        "stretch": 1.0,
        "colour": (1.0, 1.0, 1.0),
        "fill": "flat",
        "relief": 0.0,
        "outline": 0.0,
        "border": (1.0, 1.0, 1.0),
        "shadow": 0.0,
        "backdrop": "plain",
        "ground": (0.0, 0.0, 0.0),
        "contrast": 0.0,
        "tint": (0.0, 0.0, 0.0),
        "blur": 0.0,
        "noise": 0.0,
        "strokes": (),
    }
    return Scene(**(fields | changes))


def silhouette(name, **changes):
    return draw(name, plain(**changes))[..., 0] / 255.0


def test_the_same_seed_draws_the_same():
    first, second = drawn(3, 12), drawn(3, 12)
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[0], drawn(4, 12)[0])
    assert first[0].shape == (12, SIZE, SIZE, 3)
    assert first[0].dtype == np.uint8


@pytest.mark.parametrize("count", [10, 40, 43])
def test_classes_come_evenly_and_in_random_order(count):
    classes = drawn(5, count)[1]
    counts = np.bincount(classes, minlength=len(NAMES))
    assert counts.max() - counts.min() <= 1
    assert not np.array_equal(classes, np.arange(count) % len(NAMES))


def test_every_class_looks_different_however_it_is_turned():
    turned = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    upright = {name: silhouette(name) for name in NAMES}
    for name in NAMES:
        shown = [silhouette(name, angle=angle) for angle in turned]
        for other in NAMES:
            if other == name:
                continue
            unlike = min(np.abs(view - upright[other]).sum() for view in shown)
            smaller = min(upright[name].sum(), upright[other].sum())
            assert unlike > 0.08 * smaller, (name, other)


def test_a_shape_has_the_area_that_geometry_gives_it():
    radius = 22.0
    areas = {
        "circle": np.pi * (0.92 * radius) ** 2,
        "ring": np.pi * ((0.98 * radius) ** 2 - (0.54 * radius) ** 2),
        "square": (1.56 * radius) ** 2,
        "triangle": 0.75 * np.sqrt(3) * radius**2,
        "hexagon": 2 * np.sqrt(3) * (0.84 * radius) ** 2,
        "cross": (2 * 1.9 * 0.62 - 0.62**2) * radius**2,
    }
    for name, area in areas.items():
        assert silhouette(name).sum() == pytest.approx(area, rel=0.02), name


def test_turning_moves_no_area():
    for name in NAMES:
        areas = [silhouette(name, angle=angle).sum() for angle in (0.0, 0.4, 1.9)]
        assert areas == pytest.approx([areas[0]] * 3, rel=0.02), name


@given(st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_a_shape_is_whole_and_its_colour_stands_out(seed):
    scene = random_scene(np.random.RandomState(seed), SIZE)
    assert scene.radius <= min(scene.centre) + 1e-9
    assert max(scene.centre) <= SIZE - scene.radius + 1e-9
    assert distance(scene.colour, scene.ground) >= APART


def test_colours_are_apart_by_brightness_more_than_by_hue():
    assert distance((0, 0, 0), (1, 1, 1)) == pytest.approx(np.sqrt(2))
    assert distance((1, 0, 0), (0, 0, 1)) < distance((0, 0, 0), (0.9, 0.9, 0.9))
    assert distance((0.3, 0.2, 0.1), (0.3, 0.2, 0.1)) == 0
