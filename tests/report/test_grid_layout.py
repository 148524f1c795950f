"""Which inputs meet: every one with every other, or the samples one by one."""

import msgspec
import numpy as np
import pytest
from support import recurrent_network
from support.kept_network import kept_network
from support.picture_network import GREENS, REDS, kept_pictures

from conformance.networks import Network
from conformance.report.grid_layout import MOST, crossed, layout_of, paired


@pytest.fixture(scope="module")
def painted():
    return Network(kept_pictures().directory)


def test_distinct_files_of_two_pictures_are_crossed(painted):
    layout = layout_of(painted)
    assert [row[0].caption for row in layout.left] == ["X: a.png", "X: b.png"]
    assert [cell.caption for cell in layout.top] == ["Y: c.png", "Y: d.png", "Y: e.png"]
    assert layout.columns == 3
    assert layout.samples == [0, None, 2, None, 1, None]
    assert "X at the left, Y on top" in layout.explanation
    for fed, (red, green) in zip(
        layout.feeds, [(red, green) for red in REDS.values() for green in GREENS.values()], strict=True
    ):
        assert fed["X"][0, 0, 0, 0] == pytest.approx(red / 127.5 - 1)
        assert fed["Y"][0, 0, 0, 1] == pytest.approx(green / 127.5 - 1)


def test_inputs_are_shown_as_their_files_are(painted):
    layout = layout_of(painted)
    assert [tuple(row[0].pixels[0, 0]) for row in layout.left] == [(220, 0, 0), (120, 0, 0)]
    assert [tuple(cell.pixels[0, 0]) for cell in layout.top] == [(0, 30, 0), (0, 140, 0), (0, 250, 0)]


def test_one_input_gives_a_row_per_sample():
    layout = layout_of(Network(kept_pictures("X").directory))
    assert [cell.caption for row in layout.left for cell in row] == ["X: a.png", "X: b.png", "X: a.png"]
    assert (layout.top, layout.columns, layout.samples) == ((), 1, [0, 1, 2])


def test_chosen_samples_are_paired(painted):
    layout = paired(painted, [2])
    assert [[cell.caption for cell in row] for row in layout.left] == [["X: a.png", "Y: e.png"]]
    assert layout.samples == [2]


def test_files_of_numbers_are_crossed_too():
    assert layout_of(Network(kept_network().directory)).samples == [0, None, None, 1]


def test_without_pictures_nothing_stands_at_the_left(tmp_path):
    network = Network(recurrent_network.write(tmp_path / "network"))
    layout = layout_of(network)
    assert (layout.left, layout.samples) == ((), [0, 1])


def test_more_than_a_person_can_look_at_is_left_out_and_said():
    network = Network(kept_pictures().directory)
    many = {
        entry.name: [f"{name}.png" for name in "abcdeabcde"[: MOST + 2]]
        for entry in network.description.input
    }
    for entry in network.description.input:
        entry.files = many[entry.name]
    network.samples = MOST + 2
    assert f"the first {MOST} of {MOST + 2} samples" in paired(network, range(MOST + 2)).explanation
    assert len(paired(network, range(MOST + 2)).feeds) == MOST
    assert crossed(network).columns == 5


def test_answers_are_counted_on_samples_only_so_nothing_is_crossed(painted, monkeypatch):
    answering = [msgspec.structs.replace(painted.outputs[0], answers=object())]
    monkeypatch.setattr(painted, "outputs", answering)
    assert layout_of(painted).samples == [0, 1, 2]


def test_the_feeds_are_those_of_the_samples(painted):
    layout = layout_of(painted)
    for fed, sample in zip(layout.feeds, layout.samples, strict=True):
        if sample is not None:
            assert all(np.array_equal(fed[name], painted.feeds(sample)[name]) for name in "XY")
