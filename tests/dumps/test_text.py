"""Numbers in text: what is written reads back, what is no number is named with its line."""

import io
import math
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conformance.dumps import text as reading
from conformance.dumps.manifest import FORMATS, LINES
from conformance.dumps.text import read_numbers
from conformance.errors import UsageError

FLOATS = st.floats(width=32)
TEXTS = [FORMATS["text"], FORMATS["text5"]]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("text") / "numbers.txt"


def written(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def dumped(path, form, values):
    with path.open("wb") as file:
        form.write(file, np.asarray(values, np.float32))
    return path


@settings(deadline=None)
@given(values=st.lists(FLOATS, min_size=1), form=st.sampled_from(TEXTS))
@example(values=[-0.0, -0.0004, 0.0005, 3.4e38, -1e38, 12345678.0], form=TEXTS[0])
@example(values=[math.nan, math.inf, -math.inf], form=TEXTS[0])
@example(values=[math.nan, 1.0], form=TEXTS[1])
def test_a_dump_in_text_reads_back_within_its_resolution(path, values, form):
    expected = np.asarray(values, np.float32).astype(np.float64)
    numbers = read_numbers(dumped(path, form, expected))
    assert numbers.values.shape == expected.shape
    assert np.array_equal(np.isnan(numbers.values), np.isnan(expected))
    infinite = np.isinf(expected)
    assert np.array_equal(numbers.values[infinite], expected[infinite])
    finite = np.isfinite(expected)
    for found, true in zip(numbers.values[finite], expected[finite], strict=True):
        last_bits = Decimal(math.ulp(found))
        assert abs(Decimal(found) - Decimal(true)) <= Decimal(str(form.resolution)) + last_bits
    if finite.any():
        assert numbers.resolution == pytest.approx(form.resolution)


def test_the_lines_are_those_of_the_engineers_scripts(path):
    dumped(path, FORMATS["text"], [[0.5, -0.0], [math.nan, math.inf], [123456.789, -math.inf]])
    assert path.read_text().splitlines() == [
        "   0.500",
        "  -0.000",
        "     nan",
        "     inf",
        "123456.789",
        "    -inf",
    ]
    dumped(path, FORMATS["text5"], [0.5, -1.234567])
    assert path.read_text() == "0.50000\n-1.23457\n"


def test_rows_and_channels_are_written_in_nhwc_order_whatever_the_layout_in_memory(path):
    values = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    dumped(path, FORMATS["text"], np.asfortranarray(values))
    assert read_numbers(path).values.tolist() == list(range(24))


def test_more_lines_than_are_formatted_at_once(path):
    values = np.arange(2 * LINES + 3, dtype=np.float32)
    assert read_numbers(dumped(path, FORMATS["text"], values)).values.tolist() == values.tolist()


@settings(deadline=None)
@given(
    values=st.lists(st.floats(), min_size=1, max_size=40),
    pattern=st.sampled_from(["%.18e", "%r", "%.17g", "%E"]),
    gaps=st.lists(st.sampled_from([" ", "\n", "\t", "\r\n", "\n\n  ", "\v"]), min_size=1),
    chunk=st.integers(1, 64),
)
def test_any_layout_and_notation_reads_back_in_chunks_of_any_size(path, values, pattern, gaps, chunk):
    words = [pattern % value for value in values]
    content = "".join(word + gaps[index % len(gaps)] for index, word in enumerate(words))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "CHUNK", chunk)
        found = read_numbers(written(path, content)).values
    assert np.array_equal(found, [float(word) for word in words], equal_nan=True)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        ("1", [1.0]),
        ("\n\n 1.5 2.5\n\n-3 \n", [1.5, 2.5, -3.0]),
        ("+1e3 .5 5. -.5E-2", [1000.0, 0.5, 5.0, -0.005]),
        ("NaN -nan INF -Infinity +inf", [math.nan, math.nan, math.inf, -math.inf, math.inf]),
    ],
)
def test_what_counts_as_a_number(path, content, values):
    assert np.array_equal(read_numbers(written(path, content)).values, values, equal_nan=True)


@pytest.mark.parametrize(
    ("content", "line", "word"),
    [
        ("1.0\n2.0\nx\n", 3, "x"),
        ("1.0\n\n2,5\n", 3, "2,5"),
        ("1.0 1.02.0\n", 1, "1.02.0"),
        ("1.000-2.000 x\n", 1, "1.000-2.000"),
        ("1_0\n", 1, "1_0"),
        ("0x10\n", 1, "0x10"),
        ("1.0\n--\n", 2, "--"),
        ("1e\n", 1, "1e"),
        ("# shape 1 2\n1 2\n", 1, "#"),
        (b"\xef\xbb\xbf1.0\n", 1, "\\xef\\xbb\\xbf1.0"),
        (b"1.0\n\x002.0\n", 2, "\\x002.0"),
        (b"\x93NUMPY\x01\x00", 1, "\\x93NUMPY\\x01\\x00"),
        ("1\n" * 40 + "nanan\n", 41, "nanan"),
    ],
)
def test_what_is_no_number_is_named_with_its_line(path, content, line, word, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 16)
    with pytest.raises(UsageError) as error:
        read_numbers(written(path, content))
    shown = repr(word).replace("\\\\", "\\")
    assert (
        str(error.value).replace("\\\\", "\\")
        == f"{path} line {line}: {shown} is not a number; dump it again"
    )


@pytest.mark.parametrize("content", ["", "\n\n", "  \t \r\n"])
def test_a_file_without_numbers(path, content):
    with pytest.raises(UsageError, match="holds no numbers; dump it again"):
        read_numbers(written(path, content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UsageError, match=r"gone.txt cannot be read: No such file"):
        read_numbers(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("content", "resolution"),
    [
        ("1.000 -2.000", 5e-4),
        ("1.00000\n20.00000\nnan\n", 5e-6),
        ("1 20 300", 0.5),
        ("nan inf", 0.0),
        ("1.5e+02 2.5e-03", 5.0),  # 1.5e+02 may stand for 145 to 155
        ("1.234560e+00 0.000000e+00", 5e-7),
        ("0.000e+00", 0.0),
        ("0.1 123.25 0.5", 5e-3),  # %.5g or the shortest: 5 digits of a number above 100
        ("0.000123456 1.5", 5e-6),
    ],
)
def test_the_resolution_is_told_by_the_digits(path, content, resolution):
    assert read_numbers(written(path, content)).resolution == pytest.approx(resolution, rel=1e-12)


@settings(deadline=None)
@given(st.lists(st.floats(1e-3, 1e6), min_size=1), st.sampled_from(["%.4e", "%.2f", "%.7f"]))
def test_no_number_is_farther_off_than_the_resolution(path, values, pattern):
    numbers = read_numbers(written(path, "\n".join(pattern % value for value in values)))
    off = np.abs(numbers.values - values)
    assert (off <= numbers.resolution * (1 + 1e-9) + np.spacing(values)).all()


def test_digits_are_counted_over_all_chunks(path, monkeypatch):
    monkeypatch.setattr(reading, "CHUNK", 8)
    assert read_numbers(written(path, "1.000\n" * 20)).resolution == pytest.approx(5e-4)
    assert read_numbers(written(path, "1.000\n" * 20 + "1.00\n" * 20)).resolution == pytest.approx(5e-4)
    assert read_numbers(written(path, "1.000\n" * 20 + "1000.00\n" * 20)).resolution == pytest.approx(5e-3)


def test_npy_keeps_every_bit():
    values = np.array([[math.nan, -0.0], [1e-45, math.inf]], np.float32)
    sink = io.BytesIO()
    FORMATS["npy"].write(sink, values)
    sink.seek(0)
    found = np.load(sink, allow_pickle=False)
    assert (found.dtype, found.shape, found.tobytes()) == (values.dtype, values.shape, values.tobytes())
