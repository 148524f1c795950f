"""Where things stand on a sheet: nothing overlaps, nothing is outside, nothing is too wide."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.report.drawing import drawn, save
from conformance.report.sheet import LARGEST, SMALLEST, WIDEST, Band, Block, Cell, Line, Sheet, laid_out


def cells_of(layout):
    """Return the pictures that were placed."""
    return [thing for thing in layout.things if isinstance(thing.what, Cell)]


def colour(*rgb):
    return np.full((16, 16, 3), rgb, np.uint8)


def grid(rows, columns, shade):
    return tuple(
        tuple(Cell(colour(row * 20, column * 20, shade)) for column in range(columns)) for row in range(rows)
    )


def sheet(rows=2, columns=2, blocks=5, *, left=1, top=True):
    made = tuple(
        Block(
            (Line(f"block {index}", 32),),
            grid(rows, columns, index),
            (Line("difference"),),
            grid(rows, columns, 99),
        )
        for index in range(blocks)
    )
    band = Band(
        tuple((Cell(colour(row, 0, 200), f"left {row}"),) * left for row in range(rows)) if left else (),
        tuple(Cell(colour(0, column, 210), f"top {column}") for column in range(columns)) if top else (),
        made,
    )
    return Sheet((Line("a title", 40),), (band,))


SHEETS = st.builds(
    sheet, st.integers(1, 6), st.integers(1, 6), st.integers(1, 6), left=st.integers(0, 2), top=st.booleans()
)


@given(SHEETS)
def test_cells_are_inside_of_the_sheet_and_do_not_overlap(made):
    layout = laid_out(made)
    assert layout.size[0] <= WIDEST
    boxes = [placed.box for placed in cells_of(layout)]
    for x, y, width, height in boxes:
        assert x >= 0
        assert y >= 0
        assert x + width <= layout.size[0]
        assert y + height <= layout.size[1]
        assert SMALLEST <= width == height <= LARGEST
    for one, other in itertools.combinations(boxes, 2):
        apart = (
            one[0] + one[2] <= other[0]
            or other[0] + other[2] <= one[0]
            or one[1] + one[3] <= other[1]
            or other[1] + other[3] <= one[1]
        )
        assert apart, (one, other)


@given(SHEETS)
def test_every_cell_of_every_block_is_placed_once(made):
    placed = [id(item.what) for item in cells_of(laid_out(made))]
    blocks = [
        id(cell)
        for band in made.bands
        for block in band.blocks
        for row in (*block.cells, *block.differences)
        for cell in row
    ]
    assert len(blocks) == len(set(blocks))
    assert all(placed.count(cell) == 1 for cell in blocks)


@given(SHEETS)
def test_text_stands_beside_pictures_and_not_on_them(made):
    layout = laid_out(made)
    for line in (item for item in layout.things if isinstance(item.what, Line)):
        for cell in cells_of(layout):
            below = line.box[1] >= cell.box[1] + cell.box[3]
            above = line.box[1] + line.box[3] <= cell.box[1]
            beside = line.box[0] >= cell.box[0] + cell.box[2] or line.box[0] + line.box[2] <= cell.box[0]
            assert below or above or beside, (line, cell.box)


def test_results_stand_in_the_row_of_what_is_left_and_the_column_of_what_is_on_top():
    made = sheet(rows=3, columns=2, blocks=1)
    places = {id(item.what): item.box for item in cells_of(laid_out(made))}
    (band,) = made.bands
    for row, cells in enumerate(band.blocks[0].cells):
        for column, cell in enumerate(cells):
            assert places[id(cell)][1] == places[id(band.left[row][0])][1]
            assert places[id(cell)][0] == places[id(band.top[column])][0]


def test_blocks_that_do_not_fit_side_by_side_go_below_each_other_at_a_legible_size():
    wide = laid_out(sheet(rows=2, columns=6, blocks=5))
    assert all(placed.box[2] >= 128 for placed in cells_of(wide))
    few = laid_out(sheet(rows=2, columns=2, blocks=5))
    assert {placed.box[2] for placed in cells_of(few)} == {LARGEST}


def test_pixels_are_those_of_the_cells():
    made = sheet()
    picture = drawn(made)
    for placed in cells_of(laid_out(made)):
        x, y, width, height = placed.box
        assert picture.getpixel((x + width // 2, y + height // 2)) == tuple(placed.what.pixels[0, 0])


def test_a_cell_without_a_picture_is_grey_and_says_so():
    empty = Cell(None, instead="no result")
    made = Sheet((), (Band((), (), (Block((Line("b"),), ((empty,),)),)),))
    (placed,) = cells_of(laid_out(made))
    picture = drawn(made)
    x, y, width, height = placed.box
    assert picture.getpixel((x + 2, y + 2)) == (216, 216, 216)
    middle = picture.crop((x, y + height // 2 - 12, x + width, y + height // 2 + 12))
    assert len(middle.getcolors(9999)) > 2  # letters


def test_long_text_is_cut_where_there_is_no_room():
    made = Sheet((Line("w" * 2000),), (Band((), (), (Block((Line("x" * 500),), grid(1, 1, 0)),)),))
    assert drawn(made).width <= WIDEST


def test_a_picture_is_written_whole_or_not_at_all(tmp_path):
    save(drawn(sheet()), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        save(drawn(sheet()), tmp_path / "file" / "b.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "file"]
