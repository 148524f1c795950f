"""The page of a probe: switches, trees, curves, what no switch explains; and the same in a run's page."""

import msgspec
import pytest
from support.report_sources import ALL, FP16, NASTY, own, probe, small_records, write_run

from conformance.errors import UsageError
from conformance.files import write_json_atomically
from conformance.html.function_chart import function_chart
from conformance.html.probe_findings import arithmetic, explained_of_run, unexplained
from conformance.html.probe_page import probe_page
from conformance.html.run_page import run_page
from conformance.html.sum_tree import sum_tree
from conformance.probing.orders import BY_WORDS
from conformance.probing.result import PROBE, Answer, Curve, Property, read_probe


@pytest.fixture
def page(parsed):
    """Return the page of a probe with these changes."""
    return lambda **changes: parsed(probe_page(probe(**changes), "found.json"))


TOLD = [answer for answer in probe().answers if answer.state in ("told", "same")]
WHOLE = msgspec.structs.replace(probe().explained, explained=8, others={})


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "FOUND IN PART"),
        ({"answers": TOLD}, "FOUND IN PART"),
        ({"answers": TOLD, "explained": WHOLE}, "FOUND"),
        ({"answers": TOLD, "explained": None}, "FOUND"),
        ({"answers": probe().answers[3:]}, "NOTHING FOUND"),
        ({"answers": []}, "NOTHING FOUND"),
    ],
)
def test_the_verdict_comes_first(page, changes, verdict):
    assert page(**changes).verdict == verdict


def test_a_switch_has_its_value_how_sure_it_is_and_what_decided_it(page):
    made = page()
    assert "Of 5 switches: 1 told by a result, 1 not told apart, 1 none of the alternatives" in made.words
    assert (
        "The profile found explains 7 of 8 nodes of n; not explained: Exp at int8-fp32 (1 of 2)."
        in made.texts
    )
    assert "96 of 96 results that tell the values apart at int8-fp16, int16-fp16" in made.texts
    assert "Add(1, 0.00048828125) gave 1.0009766" in made.texts
    assert "as-conversions = toward-zero" in made.texts
    assert "none of these" in made.texts
    assert "87.5 %" in made.texts
    assert "int8-fp16 tanh: it <broke>" in made.texts
    assert "driver 4.20.11" in made.words


def test_sums_that_come_about_alike_share_a_tree(page):
    made = page()
    drawn = [svg["aria-label"] for svg in made.all("svg") if "terms, summed" in svg["aria-label"]]
    assert len(drawn) == 1
    assert drawn[0].endswith(
        "of 256 terms, summed in blocks of 16, each one after the other, the blocks one after the other"
    )
    assert "Sum at fp16, Mean at fp16" in made.texts
    assert "no tree: no order shows, or none that is known here" in made.texts


@pytest.mark.parametrize("order", [*list(BY_WORDS)[:5], *list(BY_WORDS)[5::40]])
def test_an_order_has_a_tree_with_its_telling_terms(order, parsed):
    drawn = parsed(f"<script></script>{sum_tree(order, 'tree')}")
    assert {"0", "255"} & set(drawn.texts)
    assert 4 <= len(drawn.texts) <= 64
    assert len(set(drawn.texts)) == len(drawn.texts)


def test_a_function_has_a_curve_for_what_differs(page):
    made = page()
    charts = [svg["aria-label"] for svg in made.all("svg") if svg["aria-label"].startswith("error of")]
    assert [label.split()[2] for label in charts] == ["Exp", "Sqrt"]
    assert "fp16: correctly rounded" in made.texts
    assert "fp32: off by up to 1.74 units in the last place" in made.texts
    assert "all precisions: not described" in made.texts


def test_what_no_switch_explains_is_said():
    assert unexplained(probe()) == [
        "Exp at int8-fp32: 1 of 2 nodes have other bits",
        "reduction_sum: none of the alternatives; Sum of 64 terms gave 4",
        "Exp at fp32: off by up to 1.74 units in the last place; no switch describes this function",
    ]
    right = probe(answers=TOLD, properties=probe().properties[:4], explained=WHOLE)
    assert unexplained(right) == []


def test_a_function_that_a_switch_describes_is_not_unexplained():
    words = "off by up to 4 units in the last place"
    tanh = Property(subject="Tanh", precisions=FP16, words=words)
    curve = Curve(function="Tanh", precisions=FP16, inputs=1, x=[1.0], ulps=[4.0])
    found = probe(answers=TOLD, properties=[tanh], curves=[curve], explained=None)
    assert unexplained(found) == []


def test_what_comes_from_outside_is_text(page):
    nasty = [Answer(switch=NASTY, state="none", observation=NASTY)]
    strange = [Property(subject=NASTY, precisions=[NASTY], words=NASTY, order=NASTY)]
    curves = [Curve(function=NASTY, precisions=[NASTY], inputs=1, x=[1.0], ulps=[1.0])]
    made = page(answers=nasty, properties=strange, curves=curves, base=NASTY, declined={NASTY: NASTY})
    assert made.texts.count(NASTY) >= 4
    assert len(made.all("script")) == 1


def test_a_huge_probe_is_below_a_megabyte_and_says_what_it_leaves_out(page):
    many = [Answer(switch=f"s{number}", state="none", observation="so " * 900) for number in range(1000)]
    words = list(BY_WORDS)[:60]
    sums = [
        Property(subject="Sum", precisions=[ALL[0]], words=f"summed {order}", order=order) for order in words
    ]
    x = [float(number) for number in range(-100, 100)]
    curves = [
        Curve(function=f"f{number}", precisions=list(ALL), inputs=200, x=x, ulps=[0.3] * len(x))
        for number in range(60)
    ]
    made = page(answers=many, properties=sums, curves=curves)
    assert len(made.text.encode()) < 1_000_000
    assert "1,000 entries more than this page has room for stand in probe.json." in made.texts


@pytest.mark.parametrize(
    ("x", "ulps"),
    [([0.0], [0.0]), ([-3e38, 3e38], [1e300, 0.0]), ([-1e-300], [0.5]), ([1e-300], [0.5])],
)
def test_odd_curves_are_drawn(x, ulps):
    curve = Curve(function="Exp", precisions=FP16, inputs=len(x), x=x, ulps=ulps)
    assert function_chart([curve], "c").startswith("<svg")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format": 99}, "has the format 99, but this version reads 1; probe the device again"),
        ({"seconds": -1}, "Expected `float` >= 0"),
        ({"answers": [{"switch": "tanh", "state": "sure"}]}, "Invalid enum value 'sure'"),
        ({"answers": [{"switch": "tanh", "state": "told", "more": 1}]}, "unknown field `more`"),
        ({"explained": {"network": "n", "explained": 2, "nodes": 1}}, "2 nodes are explained of 1"),
        ({"explained": {"network": "n", "explained": -1, "nodes": 1}}, "Expected `int` >= 0"),
        (
            {"curves": [{"function": "f", "precisions": [], "inputs": 1, "x": [1.0], "ulps": []}]},
            "1 x, but 0 ulps",
        ),
        (
            {"curves": [{"function": "f", "precisions": [], "inputs": 1, "x": [1e300], "ulps": [0]}]},
            "Expected `float` <= 3.5e+38",
        ),
    ],
)
def test_what_is_no_probe_is_one_sentence(tmp_path, changes, sentence):
    write_json_atomically(tmp_path / PROBE, msgspec.to_builtins(probe()) | changes)
    with pytest.raises(UsageError) as error:
        read_probe(tmp_path)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_written_is_read(tmp_path):
    write_json_atomically(tmp_path / PROBE, probe())
    assert read_probe(tmp_path) == probe()


def test_a_run_with_a_probe_has_a_section_of_its_arithmetic(tmp_path, parsed):
    records = [
        *(msgspec.structs.replace(item, explained=True) for item in small_records()),
        own("exp", op="Exp", explained=False),
    ]
    run = write_run(tmp_path / "run", records)
    assert "Arithmetic" not in parsed(run_page(run)).texts
    write_json_atomically(run / PROBE, probe())
    made = parsed(run_page(run))
    assert made.texts.count("Arithmetic") == 2  # a link, and the heading it leads to
    total = len(records)
    said = f"An emulator with the profile found gives the same bits in {total - 1} of {total} results."
    assert said in made.texts
    assert "Exp at int8-fp16: 1 of 1 have other bits" in made.texts
    assert "Sum at fp16, Mean at fp16" in made.texts


def test_a_run_whose_records_say_nothing_has_no_share():
    assert explained_of_run(small_records()) == []


def test_nothing_is_left_out_of_a_probe_of_usual_size():
    assert arithmetic(probe()).left_out == 0


def test_a_run_whose_probe_is_damaged_is_one_sentence(tmp_path):
    run = write_run(tmp_path / "run", small_records())
    (run / PROBE).write_text('{"answers": [')
    with pytest.raises(UsageError, match=r"probe .*probe\.json is malformed: Input data was truncated"):
        run_page(run)
