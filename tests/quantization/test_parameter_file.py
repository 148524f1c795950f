"""The quantisation parameter file: round trips, and one clear sentence for every malformed file."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from support.refusals import refused

from conformance.errors import UsageError
from conformance.quantization.parameter_file import (
    QuantizationScales,
    as_written,
    check_against,
    format_scales,
    parse,
    read,
    write,
)

PLAIN = """bit_width:8
quant_mode:naive
scale_map:
{
resnet_v1_50/conv1/Conv2D/input:0.913669
resnet_v1_50/conv1/Conv2D/filter:180.315
}
"""
WITH_CONVFIRST = """bit_width:16
quant_mode:naive

convfirst_param:
{
node_name: net/conv1/Conv2D\x20
mean:124, 116, 127\x20
std: 1,1,1
color_mode: rgb
}

scale_map:
{
net/conv1/Conv2D/input:18
net/conv1/Conv2D/filter:16384
}
"""

NODES = st.from_regex(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]{0,20}", fullmatch=True)
KEYS = st.tuples(NODES, st.sampled_from(["input", "filter"])).map("/".join)
POSITIVE = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
CONTENT = st.from_regex(r"[a-z_]{1,9}: ?[A-Za-z0-9/, .]{0,12}", fullmatch=True)
CONVFIRST = st.lists(CONTENT, max_size=5).map(lambda lines: ("convfirst_param:", "{", *lines, "}"))
FILES = st.builds(
    QuantizationScales,
    bits=st.sampled_from([8, 16]),
    scales=st.dictionaries(KEYS, POSITIVE.map(as_written), max_size=8),
    convfirst=st.one_of(st.just(()), CONVFIRST),
)


# --- reading and writing ---------------------------------------------------------------------------


@given(FILES)
def test_what_is_written_is_read_back(scales):
    text = format_scales(scales)
    again = parse(text, "file")
    assert again == scales
    assert list(again.scales) == list(scales.scales)  # the order stays
    assert format_scales(again) == text


@given(FILES, st.randoms(use_true_random=False))
def test_spaces_blank_lines_and_line_ends_mean_nothing(scales, random):
    lines = []
    for line in format_scales(scales).split("\n")[:-1]:
        lines += [" \t"] * random.randrange(3)
        spaced = f" {line}\t" if line.endswith(":") else f" {line}\t".replace(":", " : ")
        lines.append(line if scales.convfirst else spaced)
    parsed = parse(random.choice(["\n", "\r\n"]).join(lines), "file")
    text = format_scales(parsed)
    assert (parsed.bits, parsed.scales) == (scales.bits, scales.scales)
    assert format_scales(parse(text, "file")) == text


def test_line_ends_of_another_system_are_no_part_of_the_preprocessing_block():
    assert parse(WITH_CONVFIRST.replace("\n", "\r\n"), "f") == parse(WITH_CONVFIRST, "f")


@pytest.mark.parametrize("text", [PLAIN, WITH_CONVFIRST])
def test_files_as_published_come_back_byte_for_byte(text):
    assert format_scales(parse(text, "file")) == text


def test_what_a_file_says():
    scales = parse(WITH_CONVFIRST, "file")
    assert (scales.bits, scales.mode) == (16, "naive")
    assert scales.scales == {"net/conv1/Conv2D/input": 18.0, "net/conv1/Conv2D/filter": 16384.0}
    assert scales.convfirst[2] == "node_name: net/conv1/Conv2D "
    assert len(scales.convfirst) == 7
    assert scales.lines == {"net/conv1/Conv2D/input": 14, "net/conv1/Conv2D/filter": 15}
    assert scales.end == 16
    assert parse(PLAIN, "file").scales["resnet_v1_50/conv1/Conv2D/input"] == 0.913669


@pytest.mark.parametrize(
    ("scale", "written"),
    [
        (127 / 139, "0.913669"),
        (16384.0, "16384"),
        (1e6, "1e+06"),
        (1234567.0, "1.23457e+06"),
        (999999.5, "1e+06"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (2 / 3, "0.666667"),
    ],
)
def test_scales_are_written_as_cpp_writes_them(scale, written):
    text = format_scales(QuantizationScales(8, {"n/input": scale}))
    assert f"\nn/input:{written}\n" in text
    assert as_written(scale) == float(written)
    assert parse(text, "file").scales == {"n/input": as_written(scale)}


@given(POSITIVE)
def test_as_written_keeps_six_digits(scale):
    assert as_written(scale) == pytest.approx(scale, rel=5.001e-6, abs=5e-324)
    assert as_written(as_written(scale)) == as_written(scale)


def test_write_and_read_a_file(tmp_path):
    path = tmp_path / "network" / "int8.txt"
    scales = parse(PLAIN, "file")
    write(path, scales)
    assert path.read_bytes() == PLAIN.encode()
    assert read(path) == scales
    assert [entry.name for entry in path.parent.iterdir()] == ["int8.txt"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 4},
        {"mode": "threshold_search"},
        {"scales": {"n/bias": 1.0}},
        {"scales": {"n/input": 0.0}},
        {"scales": {"n/input": -1.0}},
        {"scales": {"n/input": math.nan}},
        {"scales": {"n/filter": math.inf}},
        {"scales": {"a\nb/input": 1.0}},
    ],
)
def test_scales_that_no_file_holds_cannot_be_made(wrong):
    with pytest.raises(ValueError, match="not"):
        QuantizationScales(**{"bits": 8, "scales": {}, **wrong})


# --- malformed files ---------------------------------------------------------------------------------

HEADER = "bit_width:8\nquant_mode:naive\n"
MALFORMED = {
    "empty": ("", 1, "'bit_width' is missing"),
    "blank": ("\n\n  \n", 3, "'bit_width' is missing"),
    "no bit width": ("quant_mode:naive\nscale_map:\n{\n}\n", 2, "'bit_width' is missing before 'scale_map:'"),
    "no mode": ("bit_width:8\nscale_map:\n{\n}\n", 2, "'quant_mode' is missing before 'scale_map:'"),
    "header behind": ("scale_map:\n{\n}\n" + HEADER, 1, "the header comes first"),
    "header only": (HEADER, 2, "there is no 'scale_map:'"),
    "template": (HEADER + "convfirst_param:\n{\n}\n", 5, "there is no 'scale_map:'"),
    "unknown width": ("bit_width:12\n", 1, "bit_width is '12' but must be one of 8, 16"),
    "width no number": ("bit_width:eight\n", 1, "'eight'"),
    "width padded": ("bit_width:08\n", 1, "'08'"),
    "width empty": ("bit_width:\n", 1, "''"),
    "unknown mode": (
        "bit_width:8\nquant_mode:median\n",
        2,
        "quant_mode is 'median' but must be one of naive",
    ),
    "second width": ("bit_width:8\nbit_width:8\n", 2, "a second 'bit_width'"),
    "second mode": (HEADER + "quant_mode:naive\n", 3, "a second 'quant_mode'"),
    "misspelt header": ("bit_with:8\n", 1, "'bit_with:8' is no entry.*near names: bit_width"),
    "junk before": ("hello\n" + HEADER, 1, "'hello' is no entry"),
    "junk between": (HEADER + "\nhello world\n", 4, "'hello world' is no entry"),
    "junk behind": (PLAIN + "what:ever\n", 8, "'what:ever' is no entry"),
    "second map": (PLAIN + "scale_map:\n{\n}\n", 8, "a second 'scale_map:'"),
    "second convfirst": (HEADER + "convfirst_param:\n{\n}\n" * 2, 6, "a second 'convfirst_param:'"),
    "no opening brace": (HEADER + "scale_map:\nn/input:1\n}\n", 4, "'{' is missing .* there is 'n/input:1'"),
    "ends before brace": (HEADER + "scale_map:\n", 3, "'{' is missing .* the file ends"),
    "no closing brace": (HEADER + "scale_map:\n{\nn/input:1\n", 5, "'}' is missing .* the file ends"),
    "two opening braces": (HEADER + "scale_map:\n{\n{\n}\n", 5, "'}' is missing"),
    "brace of convfirst": (HEADER + "convfirst_param:\n{\nstd: 1\nscale_map:\n{\n}\n", 6, "'}' is missing"),
    "convfirst unopened": (HEADER + "convfirst_param:\nstd: 1\n}\n", 4, "'{' is missing"),
    "a stray brace": (PLAIN + "}\n", 8, "'}' is no entry"),
    "no colon": (HEADER + "scale_map:\n{\nn/input\n}\n", 5, "not of the form NODE/input:SCALE"),
    "no value": (HEADER + "scale_map:\n{\nn/input:\n}\n", 5, "is '', .*not a number"),
    "a word": (HEADER + "scale_map:\n{\nn/input:big\n}\n", 5, "'big'.* not a number"),
    "hexadecimal": (HEADER + "scale_map:\n{\nn/input:0x10\n}\n", 5, "not a number"),
    "underscores": (HEADER + "scale_map:\n{\nn/input:1_000\n}\n", 5, "not a number"),
    "two values": (HEADER + "scale_map:\n{\nn/input:1 2\n}\n", 5, "not a number"),
    "other tensor": (HEADER + "scale_map:\n{\nn/bias:1\n}\n", 5, "'n/bias' is neither NODE/input nor"),
    "no node": (HEADER + "scale_map:\n{\n/input:1\n}\n", 5, "'/input' is neither"),
    "only input": (HEADER + "scale_map:\n{\ninput:1\n}\n", 5, "'input' is neither"),
    "space in node": (HEADER + "scale_map:\n{\na b/input:1\n}\n", 5, "'a b/input' is neither"),
    "header in map": (HEADER + "scale_map:\n{\nbit_width:8\n}\n", 5, "'bit_width' is neither"),
    "doubled node": (
        HEADER + "scale_map:\n{\nn/input:1\nm/input:1\nn/input:1\n}\n",
        7,
        "a second scale of 'n/input', the first is in line 5",
    ),
    "binary": ("\x7fELF\x02\x01\x01\x00\x00", 1, "no entry"),
}
BAD_SCALES = ["0", "0.0", "-0", "-1.5", "nan", "NaN", "-nan", "inf", "-Inf", "infinity", "1e999", "1e-999"]


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_files(case):
    text, line, message = MALFORMED[case]
    with pytest.raises(UsageError) as error:
        parse(text, "dir/int8.txt")
    assert re.match(rf"dir/int8\.txt:{line}: ", str(error.value)), error.value
    assert re.search(message.replace("{", r"\{").replace("}", r"\}"), str(error.value)), error.value
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", BAD_SCALES)
def test_scales_that_are_not_finite_and_positive(value):
    with refused(r"f:5: the scale of 'n/filter' is '.*' but must be finite and pos"):
        parse(HEADER + f"scale_map:\n{{\nn/filter:{value}\n}}\n", "f")


@pytest.mark.parametrize("removed", range(7))
def test_without_any_one_of_its_lines_a_file_is_malformed_or_lacks_a_scale(removed):
    lines = PLAIN.split("\n")
    del lines[removed]
    with refused(r"^f:\d+: "):
        check_against(parse("\n".join(lines), "f"), list(parse(PLAIN, "f").scales), "f")


def refusal_of(text, expected):
    """Return the error that a file gets beside a graph of the ``expected`` tensors, None if it fits."""
    try:
        check_against(parse(text, "f"), expected, "f")
    except UsageError as error:
        return str(error)
    return None


@given(st.one_of(st.text(), st.text().map(lambda text: f"{HEADER}scale_map:\n{{\n{text}\n}}\n")))
@example("bit_width:8\nquant_mode:naive\nscale_map:\n{\n\u0661/input:\u0661\n}\n")
def test_any_text_is_read_or_refused_in_one_sentence(text):
    refusal = refusal_of(text, [])
    assert refusal is None or re.match(r"f:\d+: [^\n]{1,400}$", refusal)


@given(st.integers(0, len(PLAIN)), st.sampled_from(["", "\n", "}", "{", ":", "x", "-", "0", "\x00", "é"]))
def test_a_damaged_file_is_never_read_as_other_nodes(position, inserted):
    text = PLAIN[:position] + inserted + PLAIN[position + 1 :]
    expected = list(parse(PLAIN, "f").scales)
    refusal = refusal_of(text, expected)
    if refusal is None:
        scales = parse(text, "f").scales
        assert sorted(scales) == sorted(expected)
        assert all(math.isfinite(scale) and scale > 0 for scale in scales.values())
    else:
        assert re.match(r"f:\d+: ", refusal)


@pytest.mark.parametrize(
    ("data", "line"),
    [(b"\x89PNG\r\n\x1a\n\x00", 1), (b"bit_width:8\nquant_mode:na\xefve\n", 2), (b"\xff\xfe", 1)],
)
def test_a_binary_file(tmp_path, data, line):
    path = tmp_path / "int8.txt"
    path.write_bytes(data)
    with refused(rf"^{re.escape(str(path))}:{line}: byte 0x.. is not text"):
        read(path)


def test_files_that_cannot_be_read(tmp_path):
    with refused("cannot be read: No such file"):
        read(tmp_path / "absent.txt")
    with refused("cannot be read"):
        read(tmp_path)
    empty = tmp_path / "empty.txt"
    empty.touch()
    with refused(r"empty\.txt:1: 'bit_width' is missing"):
        read(empty)


# --- against a graph ---------------------------------------------------------------------------------

EXPECTED = ["resnet_v1_50/conv1/Conv2D/filter", "resnet_v1_50/conv1/Conv2D/input"]


def test_a_file_that_fits_its_graph():
    check_against(parse(PLAIN, "f"), EXPECTED, "f")
    check_against(parse(HEADER + "scale_map:\n{\n}\n", "f"), [], "f")


def test_a_scale_for_a_node_that_the_graph_lacks():
    with pytest.raises(UsageError) as error:
        check_against(parse(PLAIN.replace("conv1/Conv2D/filter", "conv9/Conv2D/filter"), "f"), EXPECTED, "f")
    assert str(error.value).startswith("f:6: the graph has no fixed-point tensor 'resnet_v1_50/conv9/")
    assert "near names: resnet_v1_50/conv1/Conv2D/filter" in str(error.value)


def test_a_tensor_without_a_scale():
    expected = [*EXPECTED, "resnet_v1_50/conv2/Conv2D/input"]
    with pytest.raises(UsageError) as error:
        check_against(parse(PLAIN, "f"), expected, "f")
    assert str(error.value).startswith("f:7: there is no scale of 'resnet_v1_50/conv2/Conv2D/input' (near")
    assert "near names" in str(error.value)
    with refused(r"conv2/Conv2D/input. \(2 such tensors\)"):
        check_against(parse(PLAIN, "f"), [*expected, "logits/MatMul/filter"], "f")


def test_scales_that_come_from_no_file_have_no_line():
    with refused(r"^calibration: there is no scale of"):
        check_against(QuantizationScales(8, {}), EXPECTED, "calibration")


def test_a_file_without_scales_for_a_graph_that_needs_them():
    with refused(r"f:5: there is no scale of"):
        check_against(parse(HEADER + "scale_map:\n{\n}\n", "f"), EXPECTED, "f")
