"""The roofline against figures worked out by hand."""

import pytest
from support.small_evaluation import expectations

from conformance import locations
from conformance.expected.expectations import Expectations
from conformance.expected.roofline import dram_bytes, hardware, operations, roofline
from conformance.goldens import GoldenStore
from conformance.judging.bounds import read_margins
from conformance.networks import find_network
from conformance.precision import PRECISIONS, parse_precision

PIXELS = 16 * 16
FIXED = 2 * PIXELS * (2 * 8 * 27 + 256 * 16 + 3 * 256)
SUMS = 2 * 8 * PIXELS
VECTOR = SUMS + PIXELS * (8 * 5 + 2 * 256 + 2 * 3) + 2 * 8
FILTERS = 2 * 27 * 8 + 16 * 256 + 256 * 3
VALUES = 3 * 3 * PIXELS


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_operations_of_the_small_network(precision):
    """Elementwise: five nodes of 8 channels, two of 256, two of 3, two of 8 numbers; concat moves."""
    assert operations(expectations(), precision) == (FIXED, VECTOR)


@pytest.mark.parametrize(
    ("name", "fixed", "floating"), [("int8-fp16", 1, 2), ("int16-fp32", 2, 4), ("int8-fp32", 1, 4)]
)
def test_bytes_of_the_small_network(name, fixed, floating):
    assert dram_bytes(expectations(), parse_precision(name)) == FILTERS * fixed + VALUES * floating


@pytest.mark.parametrize(
    ("name", "tensor", "vector"),
    [
        ("int8-fp16", 8.192e12, 64e9),
        ("int8-fp32", 8.192e12, 32e9),
        ("int16-fp16", 4.096e12, 64e9),
        ("int16-fp32", 4.096e12, 32e9),
    ],
)
def test_seconds_on_one_core(name, tensor, vector):
    found = roofline(expectations(), "MLU270", parse_precision(name))
    assert found["tensor_seconds"] == pytest.approx(FIXED / tensor)
    assert found["vector_seconds"] == pytest.approx(VECTOR / vector)
    terms = [found[f"{term}_seconds"] for term in ("tensor", "vector", "dram")]
    assert found["bound_seconds"] == max(terms) == found["vector_seconds"]
    assert "bound" in found["what"]


def test_a_model_without_data_has_no_roofline():
    assert hardware("CPU") is None
    assert roofline(expectations(), "CPU", PRECISIONS[0]) is None


def test_the_core_of_an_mlu270_is_a_sixteenth_of_the_card():
    core = hardware("MLU270")
    assert core.int8_operations_per_second * 16 == pytest.approx(128e12, rel=0.03)
    assert core.int16_operations_per_second * 16 == pytest.approx(64e12, rel=0.03)


def test_beautygan_takes_about_70_gigaflop_per_image():
    """Kernel, channels in and out, output side, and how often, as the generator's table has them."""
    layers = [
        (7, 3, 32, 256, 2),
        (3, 32, 64, 128, 2),
        (3, 64, 128, 64, 2),
        (3, 256, 256, 64, 12),
        (3, 256, 64, 128, 1),
        (3, 64, 32, 256, 1),
        (7, 32, 3, 256, 1),
    ]
    expected = sum(
        2 * size**2 * before * after * side**2 * times for size, before, after, side, times in layers
    )
    network = find_network("beautygan", locations.NETWORKS)
    store = GoldenStore(network, locations.GOLDENS)
    held = Expectations(store, read_margins(locations.MARGINS))
    fixed, vector = operations(held, PRECISIONS[0])
    assert fixed == expected
    assert expected == pytest.approx(70e9, rel=0.01)
    assert vector < fixed / 100
