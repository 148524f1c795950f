"""The page of a gate: its word, what is judged, what changed with before and after, how sure speed is."""

import msgspec
import pytest
from support.report_sources import gate

from conformance.errors import UsageError
from conformance.gating.result import Arithmetic, Difference
from conformance.html.gate_page import gate_page, read_gate


@pytest.fixture
def page(parsed):
    """Return the page of a gate with these changes."""
    return lambda **changes: parsed(gate_page(gate(**changes), "gate.json"))


@pytest.mark.parametrize(
    ("word", "tone"),
    [("GO", "good"), ("GO, CHANGED", "known"), ("NO-GO", "bad"), ("CANNOT TELL", "odd")],
)
def test_the_word_comes_first_with_its_reasons(page, word, tone):
    made = page(verdict=word, reasons=["it <is> so"])
    assert made.verdict == word
    assert made.all("header") == [{"class": f"verdict {tone}"}]
    assert "it <is> so" in made.texts


def test_what_is_judged_is_said(page):
    made = page()
    assert "driver 4.20.6 → 4.20.11 on MLU270 cambricon" in made.texts
    assert made.texts[made.texts.index("baseline") + 2 :][:4] == ["driver", "4.20.6", "→", "4.20.11"]
    assert "Nothing that is recorded differs" in page(judged=[]).words
    unknown = [Difference(what="firmware", baseline=[""], candidate=["1.1.6"])]
    assert "firmware not told → 1.1.6 on" in page(judged=unknown).words


@pytest.mark.parametrize(
    ("change", "decides", "tone"),
    [
        ("regressed", "accuracy", "bad"),
        ("unstable", "cannot tell", "odd"),
        ("still failing", "nothing", "known"),
        ("fixed", "nothing", "good"),
        ("fixed", "changed", "known"),
        ("appeared", "nothing", "faint"),
    ],
)
def test_what_still_fails_never_looks_good(page, change, decides, tone):
    case = msgspec.structs.replace(gate().outcomes[0], change=change, decides=decides, said="c: as it was")
    made = page(outcomes=[case])
    assert {"class": f"outcome {tone}"} in made.all("span")
    assert "as it was" in made.texts


def test_many_reasons_are_cut_and_counted(page):
    made = page(reasons=[f"reason {number}" for number in range(9)])
    assert "3 more reasons, see below." in made.texts
    assert "reason 6" not in made.texts


def test_an_operator_that_changed_is_named_and_leads_to_its_cases(page):
    made = page()
    cells = [item for item in made.all("a") if item["href"] == "#drift" and "data-set-op" in item]
    assert len(cells) == 8
    assert made.texts.count("11 of 12 changed") == 2
    assert made.texts.count("bit-identical") == 6 + 1  # and among the figures at the top
    assert "+11 attainable, error × 1.5" in made.texts


def test_arithmetic_that_changed_stands_beside_the_drift(page):
    changed = Arithmetic(
        subject="reduction_sum",
        operators=["Mean"],
        precisions=[],
        before="half",
        after="<fp32>",
        explains=11,
    )
    made = page(arithmetic=[changed] * 300)
    first = made.texts.index("reduction_sum")
    assert made.texts[first : first + 5] == ["reduction_sum", "all precisions", "half", "<fp32>", "11"]
    assert "200 more changes stand in gate.json." in made.texts
    assert "reduction_sum" not in page().words


def test_cases_have_before_and_after(page):
    made = page()
    assert "largest error 1.4 > bound 0.02" in made.texts
    bars = [item for item in made.all("rect") if item.get("class", "").startswith("after")]
    assert len(bars) == 12
    lengths = [float(item["width"]) for item in bars]
    assert lengths == sorted(lengths, reverse=True)
    assert max(lengths) <= 100
    assert sum("over" in item["class"] for item in bars) == 11


def test_nothing_that_changed_is_said_in_words(page):
    made = page(outcomes=[], drift=[], operators=[], speed=[])
    for words in (
        "Every case has the outcome",
        "bit-identical.",
        "No own errors were judged",
        "Nothing was timed",
    ):
        assert words in made.words


def test_speed_has_every_run_as_a_dot_and_the_allowed_slowdown(page):
    made = page()
    assert "allowed +3 %" in made.words
    assert "+5.0 %" in made.texts
    assert {"slower", "not slower"} <= set(made.texts)


def test_a_timing_without_estimate_is_a_sentence(page):
    unknown = msgspec.structs.replace(
        gate().speed[0], change=None, low=None, high=None, word="cannot tell", said="one run a side"
    )
    assert "n int8-fp16: one run a side" in page(speed=[unknown]).words


def test_many_cases_are_cut_and_counted(page):
    many = [msgspec.structs.replace(gate().outcomes[0], case=f"c{number}") for number in range(3000)]
    drift = [msgspec.structs.replace(gate().drift[0], case=f"c{number}") for number in range(3000)]
    made = page(outcomes=many, drift=drift)
    assert "2600 more cases stand in gate.json" in made.words
    assert len(made.text) < 1_000_000


def test_another_format_is_one_sentence(tmp_path):
    file = tmp_path / "gate.json"
    file.write_bytes(msgspec.json.encode(gate(schema=99)))
    with pytest.raises(UsageError, match="has the format 99, but this version reads 1; gate the runs again"):
        read_gate(file)
