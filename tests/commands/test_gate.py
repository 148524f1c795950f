"""``mlu-conformance gate`` as a user calls it."""

import json

import pytest
from support.fresh_python import without_tensorflow
from support.made_runs import Made, made_side, own, usual

from conformance import cli

TIMES = {"int8-fp16": 0.01, "int16-fp32": 0.02}


@pytest.fixture
def sides(tmp_path, monkeypatch):
    """Return a function that writes two sides into the working directory: three runs each."""
    monkeypatch.chdir(tmp_path)

    def made(records=None, times=TIMES):
        made_side(tmp_path / "old", [Made(usual(), TIMES)] * 3)
        made_side(tmp_path / "new", [Made(records or usual(), times, {"driver": "4.20.11"})] * 3, first=50)

    return made


@pytest.fixture
def said(capsys):
    def run(*arguments):
        try:
            code = cli.main(["gate", *arguments])
        except SystemExit as error:
            code = error.code
        return code, *capsys.readouterr()

    return run


def test_go(sides, said):
    sides()
    code, out, err = said("old", "new")
    assert (code, err) == (0, "")
    assert out.startswith("GO: driver 4.20.6 -> 4.20.11\n")


def test_no_go_of_accuracy_and_of_speed(sides, said, tmp_path):
    sides(usual(conv8=own("conv", "Conv2D", "int8-fp16", error=9.0, outcome="deviates")))
    assert said("old", "new")[0] == 1
    made_side(
        tmp_path / "slow", [Made(usual(), {name: 1.1 * value for name, value in TIMES.items()})] * 3, first=80
    )
    code, out, _ = said("old", "slow")
    assert (code, out.partition(":")[0]) == (2, "NO-GO")
    assert said("old", "slow", "--slower=12%")[0] == said("old", "slow", "--slower", "0.12")[0] == 0


def test_too_few_runs_cannot_tell(sides, said):
    sides()
    code, out, _ = said("old/run-0", "new/run-0")
    assert (code, out.partition(":")[0]) == (5, "CANNOT TELL")


def test_every_rendering_is_written(sides, said, tmp_path):
    sides()
    assert said("old", "new", "--json=out/gate.json", "--markdown=gate.md", "--junit=gate.xml")[0] == 0
    assert json.loads((tmp_path / "out/gate.json").read_text())["verdict"] == "GO"
    assert (tmp_path / "gate.md").read_text().startswith("## GO")
    assert "<testsuites" in (tmp_path / "gate.xml").read_text()


def test_where_one_cannot_be_written_none_is(sides, said, tmp_path):
    sides()
    (tmp_path / "file").write_text("")
    code, _, err = said("old", "new", "--json=gate.json", "--markdown=file/gate.md")
    assert code == 4
    assert "cannot be written" in err
    assert not (tmp_path / "gate.json").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["old", "old"], "baseline and candidate are both old"),
        (["old", "nothing"], "nothing does not exist"),
        (["old", "new", "--slower=fast"], "--slower: 'fast' is no share"),
        (["old", "new", "--slower=0"], "--slower: '0' is no share"),
        (["old", "new", "--slower=nan"], "--slower: 'nan' is no share"),
        (["old", "new", "--require=identic"], "--require 'identic' means nothing (near names: identical)"),
        (["old", "new", "--json=x", "--junit=x"], "two outputs have the same name"),
        (["old", "new", "--history=nothing"], "nothing does not exist"),
        (["old"], "CANDIDATE"),
    ],
)
def test_what_a_user_gets_wrong_is_one_sentence(sides, said, arguments, sentence):
    sides()
    code, out, err = said(*arguments)
    assert (code, out) == (4, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_a_limit_below_the_noise_is_refused(said, tmp_path):
    times = [{"int8-fp16": 0.01 * factor} for factor in (1.0, 1.02, 0.98)]
    made_side(tmp_path / "a", [Made(usual(), time) for time in times])
    made_side(tmp_path / "b", [Made(usual(), time) for time in times], first=9)
    code, _, err = said(str(tmp_path / "a"), str(tmp_path / "b"), "--slower=0.5%")
    assert code == 4
    assert "--slower 0.5 % is below the noise between runs of n at int8-fp16, 2" in err


def test_no_tensorflow_is_needed(sides, tmp_path):
    sides()
    code = "import conformance.cli as cli; assert cli.main(sys.argv[1:]) == 0"
    text, _ = without_tensorflow(code, "gate", str(tmp_path / "old"), str(tmp_path / "new"))
    assert text.startswith("GO")
