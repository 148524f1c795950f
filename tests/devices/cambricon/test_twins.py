"""Twins files of offline models: what they say, and that half a file is never taken for a whole one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.refusals import refused
from support.twins_files import twins_text

from conformance.devices.cambricon.twins import TwinFunction, Twins, TwinTensor, read_twins
from conformance.errors import InfrastructureError, UsageError

PICTURE, SCORES = (1, 256, 256, 3), (1, 1, 1, 10)
TEXT = twins_text(([PICTURE], [SCORES, PICTURE]), ([SCORES], [SCORES]), model="a/net.cambricon", cores=4)


@pytest.fixture
def read(tmp_path):
    def read_text(text):
        path = tmp_path / "net.cambricon_twins"
        path.write_text(text)
        return read_twins(path)

    return read_text


def tensor(shape):
    return TwinTensor(shape, "CNRT_FLOAT16", "CNRT_NHWC")


def test_functions_tensors_and_limits_are_read(read):
    first = TwinFunction("subnet0", (tensor(PICTURE),), (tensor(SCORES), tensor(PICTURE)), 4, 4)
    second = TwinFunction("subnet1", (tensor(SCORES),), (tensor(SCORES),), 4, 4)
    assert read(TEXT) == Twins("a/net.cambricon", (first, second))


shapes = st.lists(st.lists(st.integers(1, 4096), min_size=1, max_size=4).map(tuple), max_size=3)


@given(st.lists(st.tuples(shapes, shapes), max_size=3), st.sampled_from([1, 4, 16]))
def test_what_is_written_is_read(tmp_path_factory, functions, cores):
    path = tmp_path_factory.getbasetemp() / "drawn.cambricon_twins"
    path.write_text(twins_text(*functions, cores=cores))
    found = read_twins(path).functions
    assert [([t.shape for t in f.inputs], [t.shape for t in f.outputs]) for f in found] == functions
    assert {function.core_limit for function in found} <= {cores}


@given(st.integers(0, len(TEXT.rstrip()) - 1))
def test_a_file_cut_anywhere_is_no_whole_one(tmp_path_factory, end):
    path = tmp_path_factory.getbasetemp() / "cut.cambricon_twins"
    path.write_text(TEXT[:end])
    with pytest.raises(InfrastructureError, match=r"is truncated: .* is missing after line|is no twins file"):
        read_twins(path)


@pytest.mark.parametrize(
    ("old", "new", "missing"),
    [
        ("Function number: 2", "Function number: 3", "Function #2"),
        ("Output number: 2", "Output number: 3", "Output #2"),
        ("Input #0.", "Input #1.", "Input #0"),
        ("    Core limit: 4\n", "", "Core limit"),
        ("Shape(dim)", "Shape", "the shape of Input #0"),
        ("Data type", "Type", "the data type of Input #0"),
    ],
)
def test_what_is_missing_is_said(read, old, new, missing):
    with refused(rf"is truncated: {missing} is missing after line \d+; save the", InfrastructureError):
        read(TEXT.replace(old, new))


@pytest.mark.parametrize("text", ["", f"bit_width:8\n{TEXT}"])
def test_a_file_of_another_kind(read, text):
    with refused(
        "is no twins file: its first line does not say of which model it is; save", InfrastructureError
    ):
        read(text)


def test_a_file_that_is_not_there(tmp_path):
    with refused("twins file .*none cannot be read: No such file", UsageError):
        read_twins(tmp_path / "none")
