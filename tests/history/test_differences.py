"""Environments of runs, flattened: every entry under its own name, whatever a device reports."""

import pytest

from conformance.history.differences import flattened


def test_entries_with_names_stand_under_them():
    found = flattened({"networks": [{"name": "lstm", "sha256": "ab"}], "device": {"driver": "4.9"}})
    assert found == {"networks.lstm.sha256": "ab", "device.driver": "4.9"}


@pytest.mark.parametrize(
    ("entry", "text"),
    [([None], ""), ([1, "name"], "1, name"), (["a name", "names"], "a name, names"), ([], ""), (None, "")],
)
def test_a_list_without_names_is_one_text(entry, text):
    assert flattened({"device": {"cards": entry}}) == ({"device.cards": text} if text else {})
