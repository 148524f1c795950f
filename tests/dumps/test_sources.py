"""What can be compared: dumps, files of every format, goldens; and what each damaged one is answered with."""

import json

import numpy as np
import pytest
from dumps.made_dumps import VALUES, dump, edited
from support.kept_network import kept_network

from conformance.dumps.sources import goldens_side, side_of
from conformance.errors import UsageError


def only(side):
    (tensor,) = side.tensors
    return tensor


def npy(path, values, **options):
    np.save(path, values, **options)
    return path


@pytest.mark.parametrize("form", ["npy", "text", "text5"])
@pytest.mark.parametrize("part", ["", "dump.json"])
def test_a_dump(tmp_path, form, part):
    manifest = dump(tmp_path / "dump", form=form)
    side = side_of(tmp_path / "dump" / part)
    assert (side.graph_sha256, side.input_sha256) == ("g", "i")
    assert side.complete
    assert not side.one_file
    tensor = only(side)
    assert (tensor.name, tensor.sample, tensor.whole) == ("a/b:0", 0, True)
    reading = tensor.read()
    assert np.array_equal(reading.values, VALUES)
    assert (reading.resolution, reading.shaped) == (manifest.files[0].resolution, True)


def test_a_bare_npy(tmp_path):
    side = side_of(npy(tmp_path / "generatorconcat0mlu-1.npy", VALUES))
    tensor = only(side)
    assert side.one_file
    assert (tensor.name, tensor.sample, tensor.whole) == ("generatorconcat0", 1, False)
    assert np.array_equal(tensor.read().values, VALUES)


def test_a_bare_text_has_no_shape_and_tells_its_resolution(tmp_path):
    (tmp_path / "xs0cpu.txt").write_text("1.000\n2.000\n")
    reading = only(side_of(tmp_path / "xs0cpu.txt")).read()
    assert reading.values.tolist() == [1.0, 2.0]
    assert (reading.resolution, reading.shaped) == (pytest.approx(5e-4), False)


def test_an_archive(tmp_path):
    np.savez(tmp_path / "all.npz", **{"generator/xs:0": VALUES, "generator/concat": VALUES + 1})
    side = side_of(tmp_path / "all.npz")
    assert [tensor.name for tensor in side.tensors] == ["generator/xs:0", "generator/concat:0"]
    assert np.array_equal(side.tensors[1].read().values, VALUES + 1)


def test_what_polygraphy_saved_in_a_directory(tmp_path):
    (tmp_path / "0000000000.json").write_text(json.dumps({"lst": [["r", [{"outputs": {}}]]]}))
    with pytest.raises(UsageError, match="holds no outputs; save them again"):
        side_of(tmp_path)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32, np.uint8, np.bool_])
def test_numbers_of_any_kind_keep_their_values(tmp_path, dtype):
    values = np.array([[0, 1], [1, 0]], dtype)
    found = only(side_of(npy(tmp_path / "x.npy", values))).read().values
    assert found.dtype in (np.float32, np.float64)
    assert np.array_equal(found, values)


def test_goldens_are_all_nodes_on_all_samples_and_read_when_wanted(tmp_path):
    kept = kept_network().copied(tmp_path)
    store = kept.store
    side = goldens_side(store)
    assert len(side.tensors) == 2 * len(store.manifest.nodes)
    assert not side.complete
    tensor = next(tensor for tensor in side.tensors if (tensor.name, tensor.sample) == ("relu_wide:0", 1))
    side.prepare([tensor.name])
    assert np.array_equal(tensor.read().values, store.get("relu_wide", 1))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gone.npy", None, "gone.npy does not exist; give a dump's directory or a file"),
        ("picture.png", b"x", "picture.png is none of .npy, .npz, .txt, .json; rename it"),
        ("empty.npz", b"", "empty.npz is no .npz archive, or a damaged one; save it again"),
        ("text.npz", b"1.0\n", "text.npz is no .npz archive, or a damaged one; save it again"),
    ],
)
def test_what_cannot_be_compared_at_all(tmp_path, name, content, sentence):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=sentence):
        side_of(tmp_path / name)


def test_an_archive_of_nothing_and_one_that_is_none(tmp_path):
    np.savez(tmp_path / "none.npz")
    with pytest.raises(UsageError, match=r"none.npz holds no arrays; save it again"):
        side_of(tmp_path / "none.npz")
    npy(tmp_path / "x.npy", VALUES).rename(tmp_path / "x.npz")
    with pytest.raises(UsageError, match=r"x.npz is no .npz archive"):
        side_of(tmp_path / "x.npz")


def header(path, **changes):
    """Write a .npy file whose header claims something else."""
    with path.open("wb") as file:
        claims = {"descr": "<f4", "fortran_order": False, "shape": (2,)} | changes
        np.lib.format.write_array_header_1_0(file, claims)
        file.write(bytes(8))
    return path


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: path.write_bytes(b""), "x.npy cannot be read as .npy: EOF"),
        (lambda path: path.write_bytes(b"1.0\n2.0\n" * 9), "x.npy cannot be read as .npy: the magic string"),
        (lambda path: header(path, shape=(3,)), "x.npy cannot be read as .npy"),
        (lambda path: header(path, shape=(1 << 50,)), "x.npy cannot be read as .npy"),
        (lambda path: npy(path, np.array([None]), allow_pickle=True), "x.npy cannot be read as .npy: Object"),
        (lambda path: npy(path, np.array(["a"])), "x.npy holds values of type <U1; give real numbers"),
        (lambda path: npy(path, np.array([1j])), "x.npy holds values of type complex128; give real numbers"),
        (lambda path: npy(path, VALUES[:0]), r"x.npy holds no numbers \(shape \(0, 2, 3\)\); dump it again"),
    ],
)
def test_a_npy_that_is_damaged_or_empty(tmp_path, make, sentence):
    make(tmp_path / "x.npy")
    with pytest.raises(UsageError, match=sentence):
        only(side_of(tmp_path / "x.npy")).read()


def test_a_member_that_is_damaged(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", a=np.random.default_rng(0).random(1000))
    data = bytearray((tmp_path / "x.npz").read_bytes())
    data[500:600] = bytes(100)
    (tmp_path / "x.npz").write_bytes(data)
    with pytest.raises(UsageError, match=r"array 'a' of .*x.npz cannot be read"):
        only(side_of(tmp_path / "x.npz")).read()


def test_a_dumped_file_that_was_changed_since(tmp_path):
    dump(tmp_path / "dump", form="text")
    (tmp_path / "dump/ab0cpu.txt").write_text("1.000\n" * 6)
    with pytest.raises(UsageError, match=r"ab0cpu.txt is not what dump.json says \(sha256 .*…\); dump again"):
        only(side_of(tmp_path / "dump")).read()


def test_a_dumped_file_that_is_gone(tmp_path):
    dump(tmp_path / "dump")
    (tmp_path / "dump/ab0cpu.npy").unlink()
    with pytest.raises(UsageError, match=r"ab0cpu.npy cannot be read: No such file"):
        only(side_of(tmp_path / "dump")).read()


def test_a_dumped_file_whose_name_no_file_can_have(tmp_path):
    dump(tmp_path / "dump")
    edited(tmp_path / "dump", lambda content: content["files"][0].update(file="a\0b.npy"))
    with pytest.raises(UsageError, match="cannot be read: embedded null byte"):
        only(side_of(tmp_path / "dump")).read()


def test_a_manifest_whose_shape_does_not_fit(tmp_path):
    dump(tmp_path / "dump", form="text")
    edited(tmp_path / "dump", lambda content: content["files"][0].update(shape=[7]))
    with pytest.raises(UsageError, match=r"ab0cpu.txt has 6 numbers, but dump.json says shape \[7\]"):
        only(side_of(tmp_path / "dump")).read()
