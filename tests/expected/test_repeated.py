"""A network that repeats itself is prepared part by part, with the bounds that it has as a whole."""

import pytest
from support.recurrent_network import write
from support.toy_network import prepared

from conformance.expected import repeated
from conformance.expected.attainable import read_attainable


def bounds(directory, many):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(repeated, "MANY", many)
        return read_attainable(prepared(directory, write).store)


def test_bounds_do_not_depend_on_it(tmp_path, monkeypatch):
    found = []

    class Counted(repeated.Parts):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            found.append(self.repeats)

    monkeypatch.setattr(repeated, "Parts", Counted)
    whole = bounds(tmp_path / "whole", many=10**6)
    assert found == []
    monkeypatch.setattr("conformance.graph.alike.OFTEN", 1)
    parted = bounds(tmp_path / "parted", many=1)
    assert found == [True, True]
    assert parted == whole
