"""``tools/faces`` draws what the descriptions say: again the same pixels, makeup in its masks alone."""

import sys

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from faces import BARE, MASKS, Face, Makeup, Portrait, Scene, draw, random_face, random_makeup, random_scene
from faces.backdrop import KINDS

SIZE = 96
STILL = Scene(noise=0.0)
PAINTED = Makeup(lip_strength=0.9, shadow_strength=0.9, blush_strength=0.6)
SEEDS = st.integers(0, 2**32 - 1)


def anybody(seed):
    random = np.random.RandomState(seed)
    return random_face(random), random_makeup(random), random_scene(random)


def changed(value, **changes):
    return msgspec.structs.replace(value, **changes)


def drawn(face=None, scene=STILL, size=SIZE):
    return Portrait(face or Face(), scene, size).photograph().astype(float)


def middle(mask):
    """Where a mask is: x and y of its centre in pixels."""
    rows, columns = np.indices(mask.shape)
    weight = mask / mask.sum()
    return np.array([(columns * weight).sum(), (rows * weight).sum()])


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS, size=st.sampled_from([32, 64, 96]))
def test_anybody_can_be_drawn_and_again_the_same(seed, size):
    picture, masks = draw(*anybody(seed), size)
    assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
    assert (masks.shape, masks.dtype) == ((size, size, len(MASKS)), np.uint8)
    assert picture.std() > 10
    again, masks_again = draw(*anybody(seed), size)
    np.testing.assert_array_equal(again, picture)
    np.testing.assert_array_equal(masks_again, masks)


@settings(deadline=None, max_examples=15)
@given(seed=SEEDS)
def test_a_face_is_in_the_picture_and_upright(seed):
    face, makeup, scene = anybody(seed)
    masks = Portrait(face, scene, SIZE).masks(makeup)
    lips, eyes, blush, skin = (masks[..., index] >= 128 for index in range(4))
    assert min(lips.sum(), eyes.sum(), blush.sum()) > 20
    assert not (lips & ~skin).any()
    assert middle(eyes)[1] < middle(blush)[1] < middle(lips)[1]


def test_another_seed_of_face_or_scene_is_another_picture():
    first = drawn()
    assert (drawn(Face(seed=1)) != first).any()
    noisy = changed(STILL, noise=0.02)
    assert (drawn(scene=noisy) != drawn(scene=changed(noisy, seed=1))).any()


@settings(deadline=None, max_examples=10)
@given(seed=SEEDS)
def test_makeup_changes_its_masks_and_nothing_else(seed):
    face, makeup, scene = anybody(seed)
    makeup = changed(makeup, liner=0.0, brows=0.0)  # these two have no mask
    portrait = Portrait(face, changed(scene, blur=0.0), SIZE)
    bare, painted = (portrait.photograph(worn, noise=False).astype(int) for worn in (BARE, makeup))
    anywhere = portrait.masks(makeup)[..., :3].any(-1)
    assert np.abs(painted - bare)[~anywhere].max() <= 3  # rounding, developed
    for index in range(3):
        mask = portrait.masks(makeup)[..., index] >= 128
        assert np.abs(painted - bare)[mask].mean() > 4


@pytest.mark.parametrize(
    ("part", "index"), [("lip_strength", 0), ("shadow_strength", 1), ("blush_strength", 2)]
)
def test_each_strength_rules_its_own_mask(part, index):
    portrait = Portrait(Face(), STILL, SIZE)
    bare, painted = (portrait.photograph(worn).astype(int) for worn in (BARE, Makeup(**{part: 0.9})))
    masks = portrait.masks(BARE)
    assert np.abs(painted - bare)[masks[..., index] >= 128].mean() > 10
    others = np.delete(masks[..., :3], index, axis=-1) >= 128
    own_only = others.any(-1) & (masks[..., index] == 0)
    assert np.abs(painted - bare)[own_only].max() <= 1


def test_a_strength_of_zero_makes_its_colour_meaningless():
    portrait = Portrait(Face(), STILL, SIZE)
    plain, green = (
        portrait.photograph(Makeup(lips=colour, shadow=colour, blush=colour))
        for colour in ((0.9, 0.1, 0.1), (0.0, 1.0, 0.0))
    )
    np.testing.assert_array_equal(plain, green)


def test_lipstick_has_its_colour_on_any_skin():
    for skin in ((0.95, 0.79, 0.70), (0.46, 0.29, 0.20)):
        portrait = Portrait(Face(skin=skin), STILL, SIZE)
        picture = portrait.photograph(Makeup(lips=(0.1, 0.2, 0.9), lip_strength=1.0)).astype(float)
        red, green, blue = picture[portrait.masks(BARE)[..., 0] > 200].mean(0)
        assert blue > 1.5 * max(red, green)


def test_random_makeup_is_seen_at_a_glance():
    errors = []
    for seed in range(12):
        face, makeup, scene = anybody(seed)
        portrait = Portrait(face, scene, SIZE)
        bare, painted = (portrait.photograph(worn, noise=False) / 255.0 for worn in (BARE, makeup))
        inside = (portrait.masks(makeup)[..., :3] >= 128).any(-1)
        errors.append(np.mean((painted - bare)[inside] ** 2))
    assert -10 * np.log10(np.mean(errors)) < 19
    assert max(-10 * np.log10(errors)) < 25


def test_shift_scale_and_rotation_move_the_face():
    def masks(**changes):
        return Portrait(Face(), changed(STILL, **changes), SIZE).masks(BARE)

    plain = masks()
    moved = masks(shift=(0.2, -0.1))
    np.testing.assert_allclose(
        middle(moved[..., 0]) - middle(plain[..., 0]), [0.1 * SIZE, -0.05 * SIZE], atol=0.5
    )
    assert masks(scale=1.1)[..., 0].sum() / plain[..., 0].sum() == pytest.approx(1.21, rel=0.03)
    assert masks(aspect=1.1)[..., 0].sum() / plain[..., 0].sum() == pytest.approx(1.10, rel=0.03)
    turned = masks(rotation=0.2)
    centre = (SIZE - 1) / 2
    right, down = middle(plain[..., 0]) - centre
    cosine, sine = np.cos(0.2), np.sin(0.2)
    expected = [cosine * right - sine * down, sine * right + cosine * down]
    np.testing.assert_allclose(middle(turned[..., 0]) - centre, expected, atol=0.7)


def test_a_turned_head_moves_its_features_more_than_its_outline():
    plain, turned = (Portrait(Face(), changed(STILL, turn=(x, 0.0)), SIZE).masks(BARE) for x in (0.0, 0.07))
    eyes, outline = (middle(turned[..., index])[0] - middle(plain[..., index])[0] for index in (1, 3))
    assert eyes > 0.7
    assert abs(outline) < 0.8 * eyes


def test_light_falls_from_its_side():
    skin = Portrait(Face(), STILL, SIZE).masks(BARE)[..., 3] > 200
    brightness = []
    for right in (-0.6, 0.6):
        picture = drawn(scene=changed(STILL, light=(right, -0.3, 0.8))).mean(-1)
        half = np.arange(SIZE) < SIZE // 2
        brightness.append(picture[skin & half].mean() - picture[skin & ~half].mean())
    assert brightness[0] > 10
    assert brightness[1] < -10


@pytest.mark.parametrize("kind", KINDS)
def test_backdrops_differ_and_leave_the_person_alone(kind):
    scene = changed(STILL, backdrop=kind, contrast=0.12, seed=3)
    portrait = Portrait(Face(), scene, SIZE)
    assert portrait.backdrop.std((0, 1)) == pytest.approx([0.0 if kind == "plain" else 0.12] * 3, abs=0.03)
    person = portrait.person(BARE)
    np.testing.assert_array_equal(person, Portrait(Face(), STILL, SIZE).person(BARE))


def test_the_camera_brings_about_mean_and_deviation():
    """So what instance norm hides from the network is alike in scenes that are alike."""
    found = []
    for seed in range(8):
        random = np.random.RandomState(seed)
        face, scene = random_face(random), random_scene(random, variety=0.0)
        picture = drawn(face, scene) / 255.0
        found.append([*picture.mean((0, 1)), np.sqrt(np.mean((picture - picture.mean((0, 1))) ** 2))])
    np.testing.assert_allclose(found, np.tile([*scene.mean, scene.spread], (8, 1)), atol=0.06)
    assert np.std(found, axis=0).max() < 0.03


def test_sizes_show_the_same_picture():
    large, small = (drawn(size=size) for size in (192, 96))
    halved = large.reshape(96, 2, 96, 2, 3).mean((1, 3))
    assert np.abs(halved - small).mean() < 4


def test_noise_blur_and_jpeg_spoil_a_picture_more_or_less():
    clean = drawn()
    changes = ({"noise": 0.02}, {"blur": 2.0}, {"quality": 30})
    spoilt = [drawn(scene=changed(STILL, **change)) for change in changes]
    errors = [np.abs(picture - clean).mean() for picture in spoilt]
    assert min(errors) > 0.5
    assert np.std(drawn(scene=changed(STILL, noise=0.04)) - clean) > 1.5 * np.std(spoilt[0] - clean)


def test_exposure_does_not_depend_on_what_was_photographed_before():
    first = Portrait(Face(), STILL, SIZE).photograph(PAINTED)
    portrait = Portrait(Face(), STILL, SIZE)
    portrait.photograph()
    np.testing.assert_array_equal(portrait.photograph(PAINTED), first)
