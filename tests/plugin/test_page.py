"""``--html``: a run writes its page, refuses a file that cannot be one, and does not fail for a page."""

import pytest
from support.picture_network import kept_pictures
from support.suite_run import run_suite

MARKERS = "mlu and int16 and fp32"


def test_a_run_writes_its_page(tmp_path):
    page = tmp_path / "new/page.html"
    run = run_suite(tmp_path / "run", f"--html={page}", network=kept_pictures("X"), markers=MARKERS)
    assert run.code == 0
    assert f"note: {page} shows what the run found" in run.text
    text = page.read_text(encoding="utf-8")
    assert ">CONFORMS</span>" in text
    assert "data:image/png;base64," in text
    assert 'id="timings"' in text


def test_a_run_that_deviates_writes_its_page(tmp_path):
    page = tmp_path / "page.html"
    given = (f"--html={page}", "--device=commands.test_show:broken")
    run = run_suite(tmp_path / "run", *given, network=kept_pictures("X"), markers=MARKERS)
    assert run.code == 1
    assert ">DEVIATES</span>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("page.txt", "a report is HTML; name a FILE.html"), ("taken.html", "it is a directory")],
)
def test_what_cannot_be_a_page_is_refused_before_anything_runs(tmp_path, name, sentence):
    (tmp_path / "taken.html").mkdir()
    run = run_suite(tmp_path / "run", f"--html={tmp_path / name}", network=kept_pictures("X"))
    assert run.code == 4
    assert f"--html {tmp_path / name} cannot be written: {sentence}" in run.text
    assert run.outcomes == {}
    assert not (tmp_path / "run").exists()


def test_a_page_that_cannot_be_made_is_a_note(tmp_path, monkeypatch):
    def failing(_):
        raise RuntimeError("matplotlib is ill")

    monkeypatch.setattr("conformance.plugin.page.run_page", failing)
    page = tmp_path / "page.html"
    run = run_suite(tmp_path / "run", f"--html={page}", network=kept_pictures("X"), markers=MARKERS)
    assert run.code == 0
    assert (
        "note: the page could not be written (RuntimeError: matplotlib is ill); `mlu-conformance" in run.text
    )
    assert not page.exists()


def test_with_workers_there_is_one_page_of_all(tmp_path):
    page = tmp_path / "page.html"
    given = (f"--html={page}",)
    run = run_suite(tmp_path / "run", *given, network=kept_pictures("X"), markers="mlu and own", workers=2)
    assert run.code == 0
    assert run.text.count("shows what the run found") == 1
    assert ">CONFORMS</span>" in page.read_text(encoding="utf-8")


def test_the_environment_names_the_page_too(tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    monkeypatch.setenv("MLU_CONFORMANCE_HTML", str(page))
    assert run_suite(tmp_path / "run", network=kept_pictures("X"), markers=MARKERS).code == 0
    assert page.exists()


def test_pytest_html_does_not_take_the_option(tmp_path, monkeypatch):
    theirs = tmp_path / "theirs/pytest_html-4.0.dist-info"
    theirs.mkdir(parents=True)
    (theirs.parent / "their_html.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--html', dest='theirs')\n"
    )
    (theirs / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest-html\nVersion: 4.0\n")
    (theirs / "entry_points.txt").write_text("[pytest11]\nhtml = their_html\n")
    monkeypatch.syspath_prepend(theirs.parent)
    page = tmp_path / "page.html"
    run = run_suite(tmp_path / "run", f"--html={page}", network=kept_pictures("X"), markers=MARKERS)
    assert run.code == 0
    assert ">CONFORMS</span>" in page.read_text(encoding="utf-8")
