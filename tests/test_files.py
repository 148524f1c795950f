"""Tables of entries are written one entry per line, and read back as they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.files import read_json, write_json_table_atomically

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=VALUES)
def test_it_is_read_back(tmp_path_factory, value):
    path = tmp_path_factory.mktemp("files") / "table.json"
    write_json_table_atomically(path, value)
    text = path.read_text("utf-8")
    assert json.loads(text) == value
    assert read_json(path, object, "table") == value
    assert text.endswith("\n")


def test_every_entry_of_a_table_has_its_line(tmp_path):
    path = tmp_path / "table.json"
    value = {
        "name": "n",
        "nodes": [{"a": 1, "b": [1, 2]}, {"a": 2, "b": []}],
        "scales": {"x": {"y": 0.5}},
        "none": [],
    }
    write_json_table_atomically(path, value)
    assert path.read_text("utf-8").splitlines() == [
        "{",
        '"name":"n",',
        '"nodes":[',
        '{"a":1,"b":[1,2]},',
        '{"a":2,"b":[]}',
        "],",
        '"scales":{',
        '"x":{"y":0.5}',
        "},",
        '"none":[]',
        "}",
    ]


def test_a_failed_write_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        write_json_table_atomically(tmp_path / "table.json", {"a": object()})
    assert not list(tmp_path.iterdir())
