"""Arrays as pixels: scaling, magenta for what is not finite, differences by heat."""

import numpy as np
import pytest

from conformance.network_file import Input, Output
from conformance.report.pixels import (
    GAIN,
    NOT_FINITE,
    difference_pixels,
    fitted,
    heat,
    input_pixels,
    is_picture,
    is_picture_shape,
    output_pixels,
    shown,
)

OUTPUT = Output(name="o", range=(-1.0, 1.0), scale=0.5, offset=0.5)


def plain(*colour, size=16):
    return np.full((1, size, size, len(colour)), colour, np.float32)


@pytest.mark.parametrize(
    ("shape", "is_one"),
    [
        ((1, 16, 16, 3), True),
        ((2, 8, 300, 1), True),
        ((1, 16, 16, 2), False),
        ((1, 7, 16, 3), False),
        ((1, 1, 1, 3), False),
        ((16, 16, 3), False),
        ((1, 1000), False),
    ],
)
def test_a_picture_has_one_or_three_channels_and_some_size(shape, is_one):
    assert is_picture_shape(shape) is is_one


@pytest.mark.parametrize(
    "value",
    [
        None,
        [[1.0]],
        3.0,
        np.zeros((0, 16, 16, 3)),
        np.zeros((1, 16, 16, 3), np.int32),
        np.zeros((1, 8, 8, 3), object),
    ],
)
def test_what_a_device_may_return_instead_is_none(value):
    assert not is_picture(value)


@pytest.mark.parametrize("low_high", [(-1.0, 1.0), (0.0, 1.0), (0.0, 255.0), (3.0, 4.0)])
def test_without_a_scale_the_range_is_drawn_from_black_to_white(low_high):
    low, high = low_high
    output = Output(name="o", range=low_high)
    middle = (low + high) / 2
    assert output_pixels(plain(low, middle, high), output)[0, 0].tolist() == [0, 128, 255]
    eighth = difference_pixels(plain(low), plain(low + (high - low) / GAIN), output)
    assert eighth[0, 0].tolist() == [255, 255, 255]


def test_scale_or_offset_alone_leaves_the_range_out_of_it():
    assert Output(name="o", range=(-1.0, 1.0), scale=0.5).shades == (0.5, 0.0)
    assert Output(name="o", range=(-1.0, 1.0), offset=0.5).shades == (1.0, 0.5)


def test_an_output_is_shown_as_its_network_says_and_clipped():
    assert output_pixels(plain(-1.0, 0.0, 1.0), OUTPUT)[0, 0].tolist() == [0, 128, 255]
    assert output_pixels(plain(-7.0, 7.0, 0.0), OUTPUT)[0, 0].tolist() == [0, 255, 128]
    assert output_pixels(plain(1.0), OUTPUT)[3, 4].tolist() == [255, 255, 255]


def test_an_input_is_shown_as_its_file_shows_it():
    entry = Input(name="x", files=["a.png"], scale=2 / 255, offset=-1.0)
    value = plain(10.0, 128.0, 250.0) * entry.scale + entry.offset
    assert input_pixels(value.astype(np.float32), entry, "a.png")[0, 0].tolist() == [10, 128, 250]


def test_numbers_of_a_file_are_shown_from_the_smallest_to_the_largest():
    value = np.linspace(-3, 5, 16 * 16 * 3, dtype=np.float32).reshape(1, 16, 16, 3)
    pixels = input_pixels(value, Input(name="x", files=["a.npy"]), "a.npy")
    assert (pixels.min(), pixels.max()) == (0, 255)
    assert input_pixels(plain(2.0), Input(name="x", files=["a.npy"]), "a.npy").max() == 0


@pytest.mark.parametrize("stray", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_magenta_in_the_result_and_in_the_difference(stray):
    value = plain(0.0, 0.0, 0.0)
    value[0, 2, 3, 1] = stray
    for pixels in (output_pixels(value, OUTPUT), difference_pixels(plain(0.0, 0.0, 0.0), value, OUTPUT)):
        magenta = (pixels == NOT_FINITE).all(axis=2)
        assert np.argwhere(magenta).tolist() == [[2, 3]]


def test_heat_goes_from_black_by_red_and_yellow_to_white():
    levels = np.array([[0, 1 / 3, 2 / 3, 1, 9]])
    assert heat(levels)[0].tolist() == [
        [0, 0, 0],
        [255, 0, 0],
        [255, 255, 0],
        [255, 255, 255],
        [255, 255, 255],
    ]


def test_no_heat_is_magenta_but_that_of_what_is_not_finite():
    assert not (heat(np.linspace(0, 1, 9999)[None]) == NOT_FINITE).all(axis=2).any()


def test_a_difference_is_black_for_equal_results_and_white_from_an_eighth_on():
    golden = plain(0.0, 0.0, 0.0)
    assert difference_pixels(golden, golden, OUTPUT).max() == 0
    assert difference_pixels(golden, golden + np.float32(2 / GAIN), OUTPUT).min() == 255
    assert difference_pixels(golden, golden - np.float32(2 / GAIN), OUTPUT).min() == 255
    assert difference_pixels(golden, golden + np.float32(1 / GAIN), OUTPUT)[0, 0].tolist() == [255, 128, 0]


@pytest.mark.parametrize(
    ("size", "side"), [((16, 16), 192), ((256, 256), 192), ((100, 200), 64), ((9, 8), 192)]
)
def test_a_picture_keeps_its_form_and_its_plain_colour(size, side):
    pixels = np.full((*size, 3), (10, 20, 30), np.uint8)
    scaled = fitted(pixels, side)
    assert max(scaled.shape[:2]) == side
    assert scaled.shape[0] / scaled.shape[1] == pytest.approx(size[0] / size[1], rel=0.02)
    assert (scaled == (10, 20, 30)).all()


@pytest.mark.parametrize("size", [16, 256, 1024])
def test_a_single_lost_pixel_is_to_be_seen_however_much_the_picture_shrinks(size):
    value = plain(0.0, 0.0, 0.0, size=size)
    value[0, size // 2, size // 3, 0] = np.nan
    assert (fitted(shown(value, 1.0, 0.0), 128) == NOT_FINITE).all(axis=2).any()
