"""File names of dumps: as engineers write them, all different, and telling which tensor they hold."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.dumps.manifest import bare_name, device_word, file_names, squashed, tensor_name

NODES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_./-]{0,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("word", "name"), [("cpu", "generatorconcat0cpu.txt"), ("mlu", "generatorconcat0mlu.txt")]
)
def test_a_file_is_called_after_tensor_and_device(word, name):
    assert file_names([("generator/concat", 0)], word, ".txt") == [name]


def test_the_only_sample_has_no_number_and_several_have():
    assert file_names([("a/b", 1)], "cpu", ".npy") == ["ab0cpu.npy"]
    assert file_names([("a/b", 0), ("a/b", 1)], "cpu", ".npy") == ["ab0cpu-0.npy", "ab0cpu-1.npy"]


def test_tensors_that_come_out_alike_are_told_apart():
    tensors = [("a/b", 0), ("ab", 0), ("A/b", 0)]
    assert file_names(tensors, "cpu", ".txt") == ["ab0cpu.txt", "ab0cpu~2.txt", "Ab0cpu~3.txt"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(NODES, st.integers(0, 3)), unique=True, min_size=1), st.sampled_from(["cpu", "mlu"])
)
def test_all_names_of_a_dump_differ_whatever_the_tensors(tensors, word):
    names = file_names(tensors, word, ".txt")
    assert len({name.casefold() for name in names}) == len(tensors)
    assert not any("/" in name or ":" in name for name in names)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("cambricon", "mlu"),
        ("cpu", "cpu"),
        ("emulator", "emulator"),
        ("cambricon-stock", "cambriconstock"),
        ("My Card", "mycard"),
        ("…", "device"),
    ],
)
def test_the_word_of_a_device(kind, word):
    assert device_word(kind) == word


@pytest.mark.parametrize(
    ("stem", "name", "sample"),
    [
        ("generatorconcat0cpu", "generatorconcat0", None),
        ("generatorconcat0mlu", "generatorconcat0", None),
        ("generatorconcat:0_mlu", "generatorconcat0", None),
        ("generatorconcat0emulator-1", "generatorconcat0", 1),
        ("xs0_CPU", "xs0", None),
        ("xs-1", "xs-1", None),
        ("relu5", "relu5", None),
        ("cpu", "cpu", None),
        ("mlu_cpu", "mlu", None),
    ],
)
def test_a_bare_file_name_tells_tensor_and_sample(stem, name, sample):
    assert bare_name(stem) == (name, sample)


@settings(deadline=None)
@given(NODES, st.sampled_from(["cpu", "mlu", "emulator", "golden"]), st.integers(0, 20))
def test_what_was_named_is_found_again(node, word, sample):
    (one,) = file_names([(node, sample)], word, "")
    assert bare_name(one) == (squashed(tensor_name(node)), None)
    numbered = file_names([(node, sample), (node, sample + 1)], word, "")
    assert bare_name(numbered[0]) == (squashed(tensor_name(node)), sample)
