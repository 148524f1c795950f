"""Drawings in a page: small, in the page's colours, with ids of their own, and texts as they were."""

import re

from hypothesis import given
from hypothesis import strategies as st

from conformance.html.charts import Chart, colour, logarithmic, thinned


def drawing(name="a", text="driver 4.20.11"):
    chart = Chart((4, 2), (0.1, 0.2, 0.8, 0.7))
    chart.axes.plot([1, 2, 3], [0.001, 0.5, 20.123456], "o", color=colour("own"))
    chart.axes.set_title(text)
    logarithmic(chart.axes, "y", (0.0005, 40.0), "{:g} x".format)
    return chart, chart.svg(name, "what it <shows>")


def test_it_is_an_element_in_the_colours_of_the_page():
    _, text = drawing()
    assert text.startswith('<svg class="chart" role="img" aria-label="what it &lt;shows&gt;" viewBox=')
    assert text.endswith("</svg>\n")
    assert "var(--own)" in text
    assert "fe;" not in text, "a colour of matplotlib's is left"
    tags = "".join(re.findall(r"<[^>]*>", text))
    assert not re.search(r"DejaVu|<metadata|<style|xlink|<!--|\d\.\d\d", tags)


def test_texts_stay_as_they_are():
    _, text = drawing(text='4.20.11 #0100fe id="x" url(#y) <script>')
    assert '>4.20.11 #0100fe id="x" url(#y) &lt;script&gt;<' in text
    assert ">0.001 x<" in text


def test_the_same_drawing_twice_on_a_page_has_no_id_twice():
    ids = [re.findall(r'id="([^"]+)"', drawing(name)[1]) for name in ("a", "b")]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])
    assert drawing("a")[1] == drawing("a")[1]
    for found, name in zip(ids, ("a", "b"), strict=True):
        used = re.findall(r"(?:#)([\w-]+)", drawing(name)[1].replace("#0100fe", ""))
        assert set(used) == set(found)


def test_the_frame_is_where_the_axes_are():
    chart, _ = drawing()
    left, top, right, bottom = chart.frame
    assert (left, right) == (0.1 * 4 * 72, 0.9 * 4 * 72)
    assert (top, bottom) == (0.1 * 2 * 72, 0.8 * 2 * 72)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.integers(1, 70))
def test_what_is_left_out_is_never_the_largest(values, most):
    chosen = thinned(values, most)
    assert len(chosen) == min(most, len(values))
    assert chosen == sorted(set(chosen))
    assert max(values[place] for place in chosen) == max(values)
