"""Grids: what each block says and shows, whatever the device returned."""

import numpy as np
import pytest
from support.picture_network import GREENS, REDS, kept_pictures

from conformance.devices.cpu import CpuDevice
from conformance.errors import GoldenError
from conformance.goldens import GoldenStore
from conformance.judging.answers import Answers
from conformance.judging.findings import Problem
from conformance.judging.verdicts import Acceptance
from conformance.networks import Network
from conformance.precision import PRECISIONS
from conformance.report.drawing import drawn
from conformance.report.grid_layout import layout_of, paired
from conformance.report.grids import Grid, device_words, figures, sheet_of, summary_lines
from conformance.report.on_device import goldens_of, grids_on, judged, picture_outputs
from conformance.report.pixels import NOT_FINITE
from conformance.report.sheet import laid_out


@pytest.fixture(scope="module")
def store():
    kept = kept_pictures()
    return kept.store


@pytest.fixture(scope="module")
def layout(store):
    return layout_of(store.network)


@pytest.fixture(scope="module")
def goldens(store, layout):
    (output,) = picture_outputs(store)
    return goldens_of(store, layout, [output.name])[output.name]


@pytest.fixture
def shown(store, layout, goldens):
    """Return the heading of results that ``change`` makes of the goldens."""

    def judge(change=lambda value: value, problem=None):
        output = store.network.outputs[0]
        values = [change(golden) for golden in goldens]
        return judged(store.network, layout, output, "int8-fp16", goldens, values, problem)

    return judge


def texts(block):
    return [line.text for line in block.heading]


def block_of(store, layout, goldens, found):
    made = sheet_of(
        store.network, "a device", layout, [Grid(store.network.outputs[0], goldens, [found])], simulated=True
    )
    return made, made.bands[0].blocks[1]


def test_what_is_no_sample_is_computed_as_goldens_are(store, goldens):
    reds = [red for red in REDS.values() for _ in GREENS]
    for red, green, golden in zip(reds, [*GREENS.values()] * 2, goldens, strict=True):
        assert golden.dtype == np.float32
        assert golden[0, 3, 4].tolist() == pytest.approx([red / 127.5 - 1, green / 127.5 - 1, 0], abs=1e-6)
    assert np.array_equal(goldens[0], store.get("made/up", 0))
    assert not list((store.directory / "tensors").glob("*.3.npy"))  # nothing was stored


def test_goldens_of_samples_are_the_stored_ones_and_damage_is_found(tmp_path, layout):
    copy = kept_pictures().copied(tmp_path)
    store = copy.store
    store.ensure(["made/up"])
    (path,) = (copy.goldens / "painted/tensors").glob("made%2Fup.1.npy")
    np.save(path, np.load(path) + 1)
    with pytest.raises(GoldenError, match=r"made%2Fup.1.npy"):
        goldens_of(copy.store, layout, ["made/up"])


def test_every_cell_is_where_its_row_and_column_meet(store, layout):
    grids = grids_on(CpuDevice(), store, layout, PRECISIONS[-1:])
    made = sheet_of(store.network, "cpu", layout, grids, simulated=True)
    picture, places = drawn(made), {id(item.what): item.box for item in laid_out(made).things}
    for block in made.bands[0].blocks:
        for cells, red in zip(block.cells, REDS.values(), strict=True):
            for cell, green in zip(cells, GREENS.values(), strict=True):
                x, y, width, height = places[id(cell)]
                found = picture.getpixel((x + width // 2, y + height // 2))
                assert found == pytest.approx((red, green, 128), abs=1)
        for cell in (cell for cells in block.differences for cell in cells):
            assert cell.pixels.max() <= 3  # of 255, of eight times the difference


def test_a_block_says_precision_acceptance_worst_cosine_and_worst_psnr(store, layout, goldens, shown):
    found = shown(lambda value: value + np.float32(0.005))
    assert (found.judgement, found.precision) == ("accepted", "int8-fp16")
    assert found.reached.psnr == pytest.approx(52.04, abs=0.01)  # 20 log10(2 / 0.005)
    made, block = block_of(store, layout, goldens, found)
    assert texts(block)[:2] == ["int8-fp16", "accepted"]
    assert f"cosine {found.reached.cosine:.7f}" in texts(block)
    assert "52.0 dB" in texts(block)
    assert block.heading[1].tone == "good"
    said = " ".join(line.text for line in made.title)
    assert "SIMULATED" in said
    assert "at least cosine 0.99 and 30 dB" in said
    assert "the worst of 6 pictures" in said


def test_the_figures_are_those_of_the_worst_cell(store, layout, goldens):
    values = [golden.copy() for golden in goldens]
    values[4] += np.float32(0.2)
    found = judged(store.network, layout, store.network.outputs[0], "p", goldens, values)
    assert found.judgement == "NOT accepted"
    assert found.reached.psnr == pytest.approx(20, abs=0.01)


def test_equal_results_have_no_psnr(shown):
    assert figures(shown())[1] == "exact"


def test_nan_is_magenta_not_accepted_and_has_no_figure(store, layout, goldens, shown):
    found = shown(lambda value: np.where(np.arange(3) == 1, np.nan, value).astype(np.float32))
    assert (found.judgement, found.reached) == ("NOT accepted", None)
    assert "NaN" in figures(found)[0]
    made, block = block_of(store, layout, goldens, found)
    for cell in (*block.cells[0], *block.differences[0]):
        assert (cell.pixels == NOT_FINITE).all()
    assert any("magenta" in line.text for line in made.bands[0].blocks[0].below)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: None, "no result"),
        (lambda value: value[:, 1:], "wrong shape"),
        (lambda value: value.tolist(), "no picture"),
        (lambda value: value.astype(np.int32), "no picture"),
        (lambda _: np.float32(3), "no picture"),
    ],
)
def test_what_cannot_be_shown_is_a_grey_panel_that_says_why(store, layout, goldens, shown, change, said):
    found = shown(change)
    assert found.judgement == "NOT accepted"
    _, block = block_of(store, layout, goldens, found)
    for cell in (*block.cells[0], *block.differences[1]):
        assert (cell.pixels, cell.instead) == (None, said)
    assert block.heading[1].tone == "bad"


@pytest.mark.parametrize("state", ["broken", "unsupported"])
def test_a_device_that_gives_nothing_is_said_to(store, layout, goldens, shown, state):
    found = shown(lambda _: None, Problem(state, "it burnt down"))
    assert found.judgement == state
    assert "it burnt down" in texts(block_of(store, layout, goldens, found)[1])


def test_a_lost_cell_leaves_the_others_to_be_seen(store, layout, goldens):
    values = [None, *goldens[1:]]
    found = judged(store.network, layout, store.network.outputs[0], "p", goldens, values)
    assert found.judgement == "NOT accepted"
    _, block = block_of(store, layout, goldens, found)
    assert [cell.pixels is None for cell in block.cells[0]] == [True, False, False]


def test_answers_are_counted_where_an_output_gives_them(tmp_path):
    kept = kept_pictures().copied(tmp_path)
    for sample in range(3):
        np.save(kept.directory / f"truth-{sample}.npy", np.zeros((1, 16, 16), np.int64))
    network = Network(kept.directory)
    output = network.outputs[0]
    output.answers = Answers(measure="class", truth=[f"truth-{sample}.npy" for sample in range(3)])
    network.acceptance = Acceptance(answers=0.9)
    layout = paired(network, [0, 1])
    goldens = goldens_of(GoldenStore(network, kept.goldens), layout, ["made/up"])["made/up"]
    found = judged(network, layout, output, "p", goldens, goldens)
    # sample 0 is redder than it is green, so its answers are the true class 0; sample 1 is greener
    assert found.reached.answers == 0.0
    assert found.judgement == "NOT accepted"
    assert "0.0% right answers" in figures(found)


def test_the_table_says_what_the_headings_say(store, goldens, shown):
    found = shown(lambda value: value + np.float32(0.005))
    lines = summary_lines([Grid(store.network.outputs[0], goldens, [found])])
    assert lines[1].split() == [
        *("made/up", "int8-fp16", "accepted"),
        *f"cosine {found.reached.cosine:.7f}, 52.0 dB".split(),
    ]


def test_a_device_is_named_by_kind_model_and_profile():
    assert (
        device_words({"kind": "emulator", "model": "MLU270", "profile": "p"})
        == "emulator (MLU270, profile p)"
    )
    assert device_words({"kind": "cpu", "model": "", "profile": ""}) == "cpu"
    assert device_words({}) == "no device"


def test_a_card_is_not_said_to_be_simulated(store, layout, goldens, shown):
    grid = Grid(store.network.outputs[0], goldens, [shown()])
    made = sheet_of(store.network, "card", layout, [grid], simulated=False)
    assert "SIMULATED" not in " ".join(line.text for line in made.title)
