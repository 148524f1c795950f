"""Reading checkpoints: the index as TensorFlow wrote it, every byte verified, every damage named."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.damage import flip
from support.emulation import same_bits
from support.refusals import refused
from support.saved_checkpoints import save, save_values, variable

from conformance.errors import EXIT_USAGE, UsageError
from conformance.freezing.checkpoint import FOOTER, Checkpoint, checkpoint_name
from conformance.graph.lazy_tensorflow import tensorflow

MANY = 1100
"""Variables: enough for an index of several blocks."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    def build(tf):
        variable("plain", (3, 5))
        variable("half", (7,), "float16", resource=True)
        variable("brain", (2, 2), "bfloat16", resource=True)
        variable("number", (), "int64")
        tf.compat.v1.get_variable(
            "parts",
            (7, 3),
            initializer=tf.compat.v1.random_normal_initializer(seed=1),
            partitioner=tf.compat.v1.fixed_size_partitioner(3),
        )

    return save(tmp_path_factory.mktemp("saved"), build)


@pytest.fixture
def copy(saved, tmp_path):
    """Return the prefix of a copy that a test may damage."""
    return copied(saved, tmp_path)


def copied(saved, directory):
    for path in (saved.index, saved.data):
        shutil.copy(path, directory / path.name)
    return directory / saved.prefix.name


def data_of(prefix):
    return Path(f"{prefix}.data-00000-of-00001")


def index_of(prefix):
    return Path(f"{prefix}.index")


def test_names_shapes_dtypes_and_values_are_tensorflows(saved):
    checkpoint = Checkpoint(saved.prefix)
    tf = tensorflow()
    reader = tf.train.load_checkpoint(str(saved.prefix))
    stored = checkpoint.variables
    assert {name: list(entry.shape) for name, entry in stored.items()} == reader.get_variable_to_shape_map()
    dtypes = {name: tf.as_dtype(entry.dtype) for name, entry in stored.items()}
    assert dtypes == reader.get_variable_to_dtype_map()
    for name, value in saved.values.items():
        assert same_bits(checkpoint.value(name), np.asarray(value)), name


def test_bytes_lie_where_the_index_says_with_its_checksum(saved, tmp_path):
    checkpoint = Checkpoint(saved.prefix)
    raw = saved.data.read_bytes()
    for name in ("plain", "half", "brain", "number"):
        entry = checkpoint.variables[name]
        found = raw[entry.offset : entry.offset + entry.size]
        assert found == np.asarray(saved.values[name]).tobytes()
        assert entry.crc32c == masked_crc32c(found, tmp_path / "record")


def masked_crc32c(data, path):
    """Return the checksum by which TensorFlow ends a record of a TFRecord file: that of a checkpoint, too."""
    with tensorflow().io.TFRecordWriter(str(path)) as writer:
        writer.write(data)
    return int.from_bytes(path.read_bytes()[-4:], "little")


def test_slices_are_listed_in_the_order_of_the_parts(saved):
    assert Checkpoint(saved.prefix).variables["parts"].slices == (
        ((0, 3), (0, 3)),
        ((3, 2), (0, 3)),
        ((5, 2), (0, 3)),
    )


def test_an_index_of_several_blocks(tmp_path):
    names = [hashlib.sha512(str(number).encode()).hexdigest() * 2 for number in range(MANY)]
    values = [np.full(number % 3 + 1, number, np.float32) for number in range(MANY)]
    save_values(tmp_path / "many", dict(zip(names, values, strict=True)))
    checkpoint = Checkpoint(tmp_path / "many")
    assert checkpoint.index.stat().st_size > 2**18  # bytes of a block
    assert {name: entry.shape for name, entry in checkpoint.variables.items()} == {
        name: value.shape for name, value in zip(names, values, strict=True)
    }
    assert len({entry.offset for entry in checkpoint.variables.values()}) == MANY


def test_several_data_files(tmp_path):
    parts = [tmp_path / "first", tmp_path / "second"]
    for number, part in enumerate(parts):
        save_values(part, {f"v{number}": np.full(4, number, np.float32)})
    whole = tmp_path / "whole"
    tensorflow().raw_ops.MergeV2Checkpoints(
        checkpoint_prefixes=[str(part) for part in parts], destination_prefix=str(whole)
    )
    checkpoint = Checkpoint(whole)
    assert checkpoint.shards == 2
    assert [checkpoint.value(f"v{number}").tolist() for number in range(2)] == [[0] * 4, [1] * 4]
    Path(f"{whole}.data-00001-of-00002").unlink()
    with refused(r"lacks its data file .*data-00001-of-00002; copy it here, too"):
        Checkpoint(whole)


def test_the_digest_tells_checkpoints_apart(copy):
    before = checkpoint_name(copy)
    assert len(before) == 8
    assert checkpoint_name(copy) == before
    flip(index_of(copy), 30)
    assert checkpoint_name(copy) != before


def test_a_missing_index(copy):
    index_of(copy).unlink()
    with refused(r"has no index: .*model.ckpt.index is missing"):
        Checkpoint(copy)
    with refused(r"checkpoint index .*model.ckpt.index cannot be read"):
        checkpoint_name(copy)


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_truncated_data_file(copy, left):
    size = data_of(copy).stat().st_size
    data_of(copy).write_bytes(data_of(copy).read_bytes()[:left])
    with refused(rf"has {left} bytes, but .*\.index says {size}: it is truncated") as error:
        Checkpoint(copy)
    assert error.value.exit_code == EXIT_USAGE


def test_a_data_file_that_lacks_its_last_byte(copy):
    data_of(copy).write_bytes(data_of(copy).read_bytes()[:-1])
    with refused("truncated"):
        Checkpoint(copy)


@settings(max_examples=25, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_one_changed_byte_is_an_error_that_names_the_variable(saved, tmp_path_factory, where, mask):
    prefix = copied(saved, tmp_path_factory.mktemp("copy"))
    checkpoint = Checkpoint(prefix)
    entries = {name: entry for name, entry in checkpoint.variables.items() if not entry.slices}
    bytes_of = [(name, entry.offset + byte) for name, entry in entries.items() for byte in range(entry.size)]
    name, position = bytes_of[int(where * len(bytes_of))]
    flip(data_of(prefix), position, mask)
    for other in entries:
        if other == name:
            with refused(f"variable '{name}' of checkpoint .* is damaged: .* CRC-32C"):
                checkpoint.value(other)
        else:
            assert same_bits(checkpoint.value(other), np.asarray(saved.values[other]))


@settings(max_examples=40, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
@example(where=0.875, mask=1)  # the footer points beyond the file
def test_a_changed_index_is_an_error_or_says_the_same(saved, tmp_path_factory, where, mask):
    """Bytes that no checksum covers, the filling of the footer, say nothing."""
    prefix = copied(saved, tmp_path_factory.mktemp("copy"))
    position = int(where * index_of(prefix).stat().st_size)
    flip(index_of(prefix), position, mask)
    try:
        changed = Checkpoint(prefix)
    except UsageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
    else:
        assert changed.variables == Checkpoint(saved.prefix).variables


@pytest.mark.parametrize("kept", [0, 5, FOOTER - 1, FOOTER, 200])
def test_a_truncated_index(copy, kept):
    index_of(copy).write_bytes(index_of(copy).read_bytes()[:kept])
    with refused(r"checkpoint index .*model.ckpt.index is damaged"):
        Checkpoint(copy)
