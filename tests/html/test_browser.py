"""A page in a real browser: it filters, sorts, follows links, shows figures, and its console stays empty.

Needs Chromium with its driver, as Debian's packages chromium and chromium-driver bring them, and selenium.
"""

import shutil

import pytest
from support.report_sources import NASTY, gate, history, probe, small_records, write_run

from conformance.html.gate_page import gate_page
from conformance.html.history_page import history_page
from conformance.html.probe_page import probe_page
from conformance.html.run_page import run_page

BROWSERS, DRIVER = ("chromium", "chromium-browser", "google-chrome"), "chromedriver"
QUIET = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1300,1500"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A browser without a window."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None or shutil.which(DRIVER) is None:
        pytest.skip(f"no browser: neither {', '.join(BROWSERS)} with {DRIVER} is on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def opened(browser, tmp_path):
    """Open a page; at the end nothing may stand in the console, and no dialogue be open."""

    def show(text):
        file = tmp_path / "page.html"
        file.write_text(text, encoding="utf-8")
        browser.get(file.as_uri())
        return browser

    yield show
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.title")  # no dialogue stops it


@pytest.fixture
def run(opened, tmp_path):
    return opened(run_page(write_run(tmp_path / "run", small_records(), timed={("n", "int8-fp16"): [0.012]})))


def one(page, selector):
    return page.find_element("css selector", selector)


def click(page, selector):
    """Click an element in the middle of the window, where nothing lies over it."""
    found = one(page, selector)
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    found.click()


def shown(page, table):
    """Return the texts of the rows that are to be seen."""
    return [
        row.text for row in page.find_elements("css selector", f"#{table} tbody tr") if row.is_displayed()
    ]


def column(page, table, number):
    cells = page.find_elements("css selector", f"#{table} tbody td:nth-child({number})")
    return [cell.text for cell in cells if cell.is_displayed()]


def test_the_verdict_is_the_largest_text_and_without_scrolling(run):
    verdict = one(run, "#verdict")
    assert verdict.text == "DEVIATES"
    assert verdict.rect["y"] < 200
    sizes = run.execute_script(
        "return [...document.querySelectorAll('body *')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert float(verdict.value_of_css_property("font-size")[:-2]) == max(sizes)


def test_it_filters_by_text_and_by_value(run):
    everything = shown(run, "findings-table")
    search = one(run, "#findings input")
    search.send_keys("block_3/MEAN fp16")
    assert len(shown(run, "findings-table")) == 2
    assert all("block_3/mean" in text for text in shown(run, "findings-table"))
    assert one(run, "#findings output").text == f"2 of {len(everything)} cases"
    click(run, "#findings button")
    assert shown(run, "findings-table") == everything
    choice = one(run, "#findings select[data-by=precision]")
    choice.send_keys("int16-fp16")
    assert set(column(run, "findings-table", 4)) == {"int16-fp16"}
    assert 0 < len(shown(run, "findings-table")) < len(everything)


def test_it_sorts_numbers_as_numbers_and_back(run):
    heading = one(run, "#findings-table th:nth-child(6)")
    heading.click()
    found = [float(text) for text in column(run, "findings-table", 6)]
    assert found == sorted(found, reverse=True)
    assert found[0] == 10.0
    assert heading.get_attribute("aria-sort") == "descending"
    heading.click()
    assert [float(text) for text in column(run, "findings-table", 6)] == found[::-1]
    click(run, "#findings-table th:nth-child(2)")
    names = column(run, "findings-table", 2)
    assert names == sorted(names, key=str.lower)
    assert heading.get_attribute("aria-sort") == "none"


def test_it_sorts_by_the_keyboard(run):
    heading = one(run, "#nodes-1 th:nth-child(2)")
    heading.send_keys("\n")
    assert heading.get_attribute("aria-sort") == "ascending"


def test_a_finding_leads_to_its_node_even_if_that_is_hidden(run):
    one(run, "#nodes form input").send_keys("nothing is called so")
    assert shown(run, "nodes-1") == []
    name = one(run, "#findings-table tbody td.node a").text
    click(run, "#findings-table tbody td.node a")
    row = one(run, "tr:target")
    assert row.is_displayed()
    assert name in row.text


def test_a_cell_of_the_matrix_shows_its_cases(run):
    click(run, ".matrix td.bad a")
    assert run.current_url.endswith("#findings")
    assert set(column(run, "findings-table", 3)) == {"Mean"}
    assert set(column(run, "findings-table", 4)) == {"int8-fp16"}


def test_a_cell_that_conforms_shows_its_nodes(run):
    click(run, ".matrix td.good a")
    assert run.current_url.endswith("#all-1")
    assert set(column(run, "nodes-1", 3)) == {"Mean"}
    click(run, "#all-1 button")
    assert len(shown(run, "nodes-1")) == 8


def test_pointing_at_a_chart_shows_figures_and_clicking_leads_to_the_node(run):
    from selenium.webdriver import ActionChains

    chart = one(run, "figure.along svg")
    ActionChains(run).move_to_element(chart).perform()
    tip = one(run, "figure.along .tip")
    name, kind, *figures = tip.text.split("\n")
    assert name.startswith("block_")
    assert kind in ("Mean · deviates", "Conv2D · conforms")
    assert [line.split()[0] for line in figures] == ["own", "inherited", "bound"]
    chart.click()
    assert name in one(run, "tr:target").text
    ActionChains(run).move_to_element(one(run, "h1")).perform()
    assert not tip.is_displayed()


def test_a_nasty_name_is_text_everywhere(run):
    from selenium.webdriver import ActionChains

    assert any(NASTY in text for text in shown(run, "nodes-1"))
    chart = one(run, "figure.along svg")
    for part in range(-40, 41, 8):
        ActionChains(run).move_to_element_with_offset(chart, part * chart.rect["width"] // 100, 0).perform()
        if one(run, "figure.along .tip").text.startswith(NASTY):
            break
    else:
        pytest.fail("no place of the chart shows it")
    assert run.find_elements("css selector", "body script:not([type])") == [one(run, "body > script")]


def test_nothing_is_wider_than_a_narrow_window(run):
    run.set_window_size(500, 900)
    width, room = run.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    run.set_window_size(1300, 1500)
    assert width <= room


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_told_from_what_is_behind_them(run, scheme):
    """As the Web Content Accessibility Guidelines demand of text: a contrast of 4.5, of large text 3."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    run.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    colours = run.execute_script(
        """
        const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        const rgb = (text) => {
          canvas.fillStyle = text; canvas.fillRect(0, 0, 1, 1);
          return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
        };
        const behind = (element) => {
          const found = getComputedStyle(element).backgroundColor;
          const clear = found === "rgba(0, 0, 0, 0)" && element.parentElement;
          return clear ? behind(element.parentElement) : found;
        };
        return ["#verdict", ".verdict .lead", ".verdict .also", ".badge", "h2", ".outcome.bad", "td.why",
                ".matrix td.good a", ".matrix td.bad a", ".note", "thead th", "nav a", ".key"]
          .flatMap((selector) => [...document.querySelectorAll(selector)].slice(0, 1))
          .map((element) => [element.className || element.tagName, rgb(getComputedStyle(element).color),
                             rgb(behind(element))]);
        """
    )
    run.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert len(colours) >= 10
    for what, text, ground in colours:
        assert contrast(text, ground) >= 4.5, what


def contrast(one, other):
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour):
    """Source: Web Content Accessibility Guidelines 2.1, relative luminance."""
    linear = [
        (level / 255 / 12.92) if level <= 10 else ((level / 255 + 0.055) / 1.055) ** 2.4 for level in colour
    ]
    return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))


def test_a_gate_filters_its_drift_by_a_cell(opened):
    page = opened(gate_page(gate(), "gate.json"))
    assert one(page, "#verdict").text == "NO-GO"
    click(page, ".matrix td.known a")
    assert len(shown(page, "drift-table")) == 12
    click(page, ".matrix td.good a")
    assert shown(page, "drift-table") == []
    click(page, "#drift button")
    click(page, "#drift-table th:nth-child(5)")
    found = [float(text.split()[0]) for text in column(page, "drift-table", 5)]
    assert found == sorted(found, reverse=True)


def test_a_history_filters_its_steps_and_shows_a_run(opened):
    from selenium.webdriver import ActionChains

    page = opened(history_page(history(series=8), "history.json"))
    one(page, "#steps select[data-by='series.precision']").send_keys("int8-fp32")
    assert len(shown(page, "steps-table")) == 2
    ActionChains(page).move_to_element(one(page, "figure.along svg")).perform()
    path, _, time, driver, *_ = one(page, "figure.along .tip").text.split("\n")
    assert path.startswith("runs/000")
    assert time.startswith("device time 1")
    assert driver == "driver 4.20.6"


def test_a_probe_sorts_its_switches_and_draws_what_it_found(opened):
    page = opened(probe_page(probe(), "found.json"))
    assert one(page, "#verdict").text == "FOUND IN PART"
    click(page, "#switches-table th:first-child")
    names = column(page, "switches-table", 1)
    assert names == sorted(names)
    assert len(page.find_elements("css selector", "#sums svg.chart")) == 1
    assert len(page.find_elements("css selector", "#functions svg.chart")) == 2
