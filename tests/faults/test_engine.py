"""What strikes commands sees when one does what it may not; and which part of the matrix is tried."""

import pytest
from faults import cells, engine
from faults.engine import Places, processes_of, stopped, strike


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("nothing", None),
        ("leaves a process", "it did not come"),
        ("loses a golden", "a golden is lost"),
        ("loses a record", "a record is lost"),
    ],
)
def test_it_is_seen_what_a_command_leaves_or_loses(tmp_path, monkeypatch, kind, seen):
    places = Places(tmp_path)
    found = stopped(places, "file *half.part 1", ["faults.careless", kind, str(tmp_path)])
    monkeypatch.setattr(engine, "SECONDS", 8)
    if seen is None:
        struck = strike(found, "SIGINT", tmp_path / "records.jsonl", [tmp_path])
        assert (struck.code, struck.records) == (130, b"first\n")
    else:
        with pytest.raises(AssertionError, match=seen):
            strike(found, "SIGINT", tmp_path / "records.jsonl", [tmp_path])
    assert processes_of(found.tag) == []


def test_a_command_that_never_comes_to_a_point_is_no_cell(tmp_path):
    with pytest.raises(AssertionError, match="never came to file nothing 1"):
        stopped(Places(tmp_path), "file nothing 1", ["faults.careless", "nothing", str(tmp_path)])


def test_a_tenth_is_the_same_one_every_time(monkeypatch):
    monkeypatch.setattr(cells, "CHOSEN", "5")
    once, again = cells.chosen(cells.OF_SUITE), cells.chosen(cells.OF_SUITE)
    assert once == again
    assert len(once) == -(-len(cells.OF_SUITE) // cells.PART)
    monkeypatch.setattr(cells, "CHOSEN", "6")
    assert cells.chosen(cells.OF_SUITE) != once
    monkeypatch.setattr(cells, "CHOSEN", "all")
    assert cells.chosen(cells.OF_SUITE) == cells.OF_SUITE
