"""``mlu-conformance waive`` as a user calls it, on made-up runs of MobileNet."""

import subprocess
import sys

import pytest
from support.judged_runs import NAME, fused, named, nodes, own, write_judged
from support.waivers import waiver_toml


@pytest.fixture
def run(tmp_path):
    """A run in which two nodes and the output deviate."""
    first, second, third, *_ = nodes()
    records = own(first, 3.0), own(second, 4.0), own(third, 0.5), fused(0.9), fused(0.9, ending="-timed")
    return write_judged(tmp_path / "run", *records)


def fill(path):
    text = path.read_text(encoding="utf-8")
    text = text.replace('owner = ""', 'owner = "a person"').replace('expires = ""', "expires = 2040-01-01")
    path.write_text(text, encoding="utf-8")


def test_what_it_writes_makes_the_run_pass_once_a_person_has_filled_it_in(said, refusal, run, tmp_path):
    file = tmp_path / "new.toml"
    code, text, error = said("waive", run, "-o", file)
    assert (code, error) == (0, "")
    assert text.splitlines()[-1].startswith(f"{file} has new waivers: 3; fill in reason, owner and expires")
    assert "has an empty owner" in refusal("judge", run, "-o", tmp_path / "again", "--waivers", file)
    fill(file)
    code, text, _ = said("judge", run, "-o", tmp_path / "again", "--waivers", file)
    assert (code, text.splitlines()[1]) == (0, "deviates -> waived: 4")


def test_waivers_that_the_run_has_are_kept(said, run, tmp_path):
    present = tmp_path / "present.toml"
    about = {"network": NAME, "nodes": [nodes()[0]], "operators": None, "precisions": ["int8-fp16"]}
    present.write_text("# mine\n" + waiver_toml(**about, at_most=9.0))
    code, _, _ = said("waive", run, "-o", tmp_path / "new.toml", "--waivers", present)
    text = (tmp_path / "new.toml").read_text()
    assert (code, text.startswith("# mine\n"), text.count("[[waiver]]")) == (0, True, 3)
    fill(tmp_path / "new.toml")
    assert said("judge", run, "-o", tmp_path / "again", "--waivers", tmp_path / "new.toml")[0] == 0


def test_what_cannot_be_waived_is_named(said, run, tmp_path):
    broken = [named(node, "broken") for node in nodes()[:25]]
    run = write_judged(tmp_path / "other", *broken, fused(0.9))
    code, text, error = said("waive", run, "-o", tmp_path / "new.toml")
    assert (code, text.splitlines()[0].startswith("mobilenet-softmax-fused: Reached: ")) == (1, True)
    assert error.splitlines()[0].endswith("it is broken, and no waiver covers that")
    assert len(error.splitlines()) == min(len(broken), 20) + (len(broken) > 20)


def test_a_run_in_which_nothing_deviates(said, tmp_path):
    run = write_judged(tmp_path / "run", own(nodes()[0], 0.5))
    code, text, _ = said("waive", run, "-o", tmp_path / "new.toml")
    assert (code, text) == (0, "nothing deviates that a waiver could cover, so nothing was written\n")
    assert not (tmp_path / "new.toml").exists()


def test_bad_input(refusal, run, tmp_path):
    (tmp_path / "taken").write_text("mine")
    assert "is there already" in refusal("waive", run, "-o", tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "mine"
    assert "holds no run" in refusal("waive", tmp_path, "-o", tmp_path / "new")
    assert "waiver file" in refusal("waive", run, "-o", tmp_path / "new", "--waivers", tmp_path / "none")
    (run / "environment.json").write_text("{}")
    assert "is malformed" in refusal("waive", run, "-o", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_it_needs_no_tensorflow(run, tmp_path):
    arguments = ["waive", str(run), "-o", str(tmp_path / "new")]
    code = (
        f"import sys\nfrom conformance.cli import main\ncode = main({arguments!r})\n"
        "heavy = {'tensorflow', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
