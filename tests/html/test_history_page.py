"""The page of a history: steps first, courses with driver and firmware marked, broken runs named."""

import json

import msgspec
import pytest
from support.report_sources import history

from conformance.errors import UsageError
from conformance.html.history_chart import marks
from conformance.html.history_page import history_page, read_history_file


@pytest.fixture
def page(parsed):
    """Return the page of a history."""
    return lambda found: parsed(history_page(found, "history.json"))


@pytest.mark.parametrize(
    ("found", "verdict", "says"),
    [
        (history(), "WORSE", "2 steps for the worse in 40 runs."),
        (history(change=-0.05), "STEADY", "2 steps for the better."),
        (history(change=0.0), "STEADY", "No step for the worse in 40 runs."),
        (history(runs=5, change=0.0), "CANNOT TELL", "at least 3 runs on either side"),
    ],
)
def test_the_verdict_comes_first(page, found, verdict, says):
    made = page(found)
    assert made.verdict == verdict
    assert says in made.words
    assert "1 run could not be read." in made.texts


def test_a_step_says_what_changed_there(page):
    made = page(history())
    assert made.texts.count("device.driver 4.20.6 →") == 2
    assert "+5 %" in made.texts
    assert "12.6 ms" in made.texts


def test_courses_mark_the_driver(page):
    made = page(history())
    assert made.texts.count("driver 4.20.11") == 2 + 1  # in every chart, and in the table
    assert "runs/bad: it was cut short" in made.texts


def test_marks_are_where_a_label_becomes_another():
    found = history(runs=8).runs
    assert [(mark.place, mark.text) for mark in marks(found)] == [(6, "driver 4.20.11")]
    assert marks(found[:6]) == []


@pytest.mark.parametrize("driver", ["4.2\x1b[31m", "$\\frac", "牛4.20", "\x00"])
def test_a_label_may_be_any_text(page, driver):
    found = history(runs=8)
    found.runs[-1] = msgspec.structs.replace(found.runs[-1], driver=driver)
    assert page(found).verdict


def test_pointing_at_a_course_shows_its_runs(page):
    made = page(history(runs=1000, series=1))
    assert "MLU270 0123; 300 of 1,000 runs are drawn" in made.texts
    text = made.text
    start = text.index('<script type="application/json">') + len('<script type="application/json">')
    data = json.loads(text[start : text.index("</script>", start)])
    figures = data["figures"][""]
    assert len(data["nodes"]) == len(figures["device time"]) == len(figures["driver"]) == 300
    assert data["nodes"][-1][0] == "runs/00999"
    assert (figures["driver"][0], figures["driver"][-1]) == ("4.20.6", "4.20.11")


def test_a_long_history_is_below_a_megabyte(page):
    assert len(page(history(runs=2000, series=40)).text) < 1_000_000


def test_another_format_and_no_run_are_one_sentence(tmp_path):
    file = tmp_path / "history.json"
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(history(), schema=99)))
    with pytest.raises(UsageError, match="has the format 99, but this version reads 1; track the runs again"):
        read_history_file(file)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(history(), runs=[])))
    with pytest.raises(UsageError, match="has no run"):
        read_history_file(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"figure": ""}, "its figure '' is none of answers"),
        ({"runs": [], "values": []}, "it has 0 values of 0 runs"),
        ({"values": [1.0]}, "it has 1 value of 12 runs"),
        ({"runs": [*range(11), 12]}, "its run 12 is none of the 12 there are"),
        ({"runs": [-1, *range(1, 12)]}, "its run -1 is none of the 12 there are"),
        ({"values": [1e300] * 12}, "its value 1e\\+300 is beyond"),
    ],
)
def test_a_series_that_track_does_not_write_is_one_sentence(tmp_path, change, words):
    file, good = tmp_path / "history.json", history(runs=12, series=2)
    odd = msgspec.structs.replace(good.series[1], **change)
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(good, series=[good.series[0], odd])))
    with pytest.raises(UsageError, match=f"series 2: {words}"):
        read_history_file(file)


def test_a_step_at_no_run_of_its_series_is_one_sentence(tmp_path):
    file, good = tmp_path / "history.json", history(runs=12, series=1)
    series = good.series[0]
    assert series.steps
    step = msgspec.structs.replace(series.steps[0], run=99)
    odd = msgspec.structs.replace(series, steps=[step])
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(good, series=[odd])))
    with pytest.raises(UsageError, match="its step at run 99 is at no run"):
        read_history_file(file)
