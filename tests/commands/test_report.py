"""``mlu-conformance report``: what it writes and says, and what it refuses in one sentence."""

import msgspec
import pytest
from support.fresh_python import without_tensorflow
from support.made_runs import Made, made_side, usual
from support.report_sources import gate, history, own, probe, small_records, write_run


@pytest.fixture
def sources(tmp_path):
    """One of everything that a page can be made of."""
    run = write_run(tmp_path / "runs/one", small_records(), timed={("n", "int8-fp16"): [0.012]})
    files = {"gate": gate(), "history": history(), "probe": probe()}
    for name, value in files.items():
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(value))
    return {"run": run, **{name: tmp_path / f"{name}.json" for name in files}}


@pytest.mark.parametrize(
    ("source", "verdict"),
    [("run", "DEVIATES"), ("gate", "NO-GO"), ("history", "WORSE"), ("probe", "FOUND IN PART")],
)
def test_one_file_is_written(said, sources, tmp_path, source, verdict):
    page = tmp_path / "new/page.html"
    code, text, error = said("report", sources[source], "-o", page)
    assert (code, error) == (0, "")
    assert text == f"{page}: {page.stat().st_size / 1e6:.1f} MB\n"
    assert f">{verdict}</span>" in page.read_text(encoding="utf-8")
    assert [path.name for path in page.parent.iterdir()] == ["page.html"]


def test_an_older_page_is_replaced_and_the_run_left_alone(said, sources, tmp_path):
    page = tmp_path / "page.html"
    page.write_text("old")
    before = {path: path.stat().st_mtime_ns for path in sources["run"].rglob("*")}
    assert said("report", sources["run"], "-o", page)[0] == 0
    assert "old" not in page.read_text()[:100]
    assert {path: path.stat().st_mtime_ns for path in sources["run"].rglob("*")} == before


def test_the_same_source_gives_the_same_page(said, sources, tmp_path):
    pages = [tmp_path / name for name in ("a.html", "b.html")]
    for page in pages:
        said("report", sources["run"], "-o", page)
    assert pages[0].read_bytes() == pages[1].read_bytes()


@pytest.mark.parametrize("source", ["run", "gate", "history", "probe"])
def test_tensorflow_is_not_imported(sources, tmp_path, source):
    code = "from conformance.cli import main\nassert main(sys.argv[1:]) == 0"
    without_tensorflow(code, "report", sources[source], "-o", tmp_path / "page.html")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "none",
            "none does not exist; name a run directory, the file that --json of gate or track wrote",
        ),
        ("empty", "empty holds no run; name a run directory"),
        ("runs", "runs holds runs but is none; name one of them, or what `mlu-conformance track"),
        ("text", "text is neither a gate nor a history nor a probe (JSON is malformed: invalid character"),
        ("list", "list is neither a gate nor a history nor a probe (Expected `object`"),
        ("other", "other is neither a gate nor a history nor a probe; name a run directory"),
        ("half", "gate file half is malformed: Object missing required field"),
        ("deep", "deep is neither a gate nor a history nor a probe (maximum recursion depth"),
        ("probe", "probe probe is malformed: Object missing required field"),
        ("cut", "line 1 is malformed"),
        ("lost", "lost holds no run (records.jsonl is missing); name the --run-dir of a run"),
    ],
)
def test_what_is_no_source_is_one_sentence(refusal, tmp_path, monkeypatch, source, sentence):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "runs/one", [own("a")])
    (tmp_path / "empty").mkdir()
    texts = {
        "text": "no JSON",
        "list": "[]",
        "other": "{}",
        "half": '{"verdict": "GO"}',
        "deep": '{"more": ' + "[" * 100_000,
        "probe": '{"answers": []}',
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    cut = write_run(tmp_path / "cut", [own("a"), own("b")])
    (cut / "records.jsonl").write_text("{}\n")
    (write_run(tmp_path / "lost", [own("a")]) / "records.jsonl").unlink()
    assert sentence in refusal("report", source, "-o", "page.html")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("page.txt", "page.txt cannot be written: a report is HTML; name a FILE.html"),
        ("taken.html", "taken.html cannot be written: it is a directory; name a FILE.html"),
        ("gate.json/page.html", "cannot be written: "),
    ],
)
def test_what_cannot_be_written_is_one_sentence(refusal, sources, tmp_path, monkeypatch, output, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.html").mkdir()
    assert sentence in refusal("report", sources["run"], "-o", output)


def test_a_file_that_fails_while_it_is_written_leaves_the_old_one(refusal, sources, tmp_path, monkeypatch):
    page = tmp_path / "page.html"
    page.write_text("old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("conformance.html.page.write_text_atomically", full)
    error = refusal("report", sources["run"], "-o", page)
    assert "page.html cannot be written (No space left on device); name another place" in error
    assert page.read_text() == "old"


@pytest.fixture
def sides(tmp_path):
    """Two sides that a gate finds equal, and what it says of them."""
    times = {"int8-fp16": 0.01}
    made_side(tmp_path / "before", [Made(usual(), times)] * 3)
    made_side(tmp_path / "after", [Made(usual(), times, {"driver": "4.20.11"})] * 3, first=100)
    return tmp_path / "before", tmp_path / "after"


def test_a_gate_writes_the_page_that_report_makes_of_its_file(said, sides, tmp_path):
    page, file, again = tmp_path / "gate.html", tmp_path / "gate.json", tmp_path / "again.html"
    code, text, _ = said("gate", *sides, f"--json={file}", f"--html={page}")
    assert (code, text.split(":")[0]) == (0, "GO")
    assert ">GO</span>" in page.read_text(encoding="utf-8")
    assert said("report", file, "-o", again)[0] == 0
    assert again.read_bytes() == page.read_bytes()


def test_a_gate_refuses_what_is_no_page(refusal, sides, tmp_path):
    error = refusal("gate", *sides, f"--html={tmp_path / 'page.txt'}", f"--json={tmp_path / 'gate.json'}")
    assert "page.txt cannot be written: a report is HTML" in error
    assert not (tmp_path / "gate.json").exists()
