"""``mlu-conformance judge`` as a user calls it, on made-up runs of MobileNet."""

import subprocess
import sys

import msgspec
import pytest
from support.histories import DEVICE
from support.judged_runs import NAME, fused, named, nodes, own, write_judged
from support.waivers import waiver_toml

from conformance import locations
from conformance.runs.directory import read_environment, read_records
from conformance.runs.finished import whole_run

MARGINS = locations.MARGINS.read_text(encoding="utf-8")
NETWORK = (locations.NETWORKS / NAME / "network.toml").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path):
    """A run in which a node errs by 0.9 times its bound, another by 1.5 times, and the output is accepted."""
    first, second, third, *_ = nodes()
    records = own(first, 0.9), own(second, 1.5), own(third, 0.1), fused()
    return write_judged(tmp_path / "run", *records)


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def margins(path, factor):
    """Write margins with this factor for every class that has 2."""
    return write(path, MARGINS.replace("factor = 2.0", f"factor = {factor}"))


def outcomes(path):
    return [record.outcome for record in read_records(path)]


def test_its_own_rules_change_nothing(said, run, tmp_path):
    code, text, error = said("judge", run, "-o", tmp_path / "again", "--margins", locations.MARGINS)
    assert (code, error) == (1, "")
    assert text.splitlines()[0] == "0 of 4 cases flip"
    assert text.splitlines()[-2].startswith("FAILED: failing cases: 1, mobilenet/")
    assert text.splitlines()[-1] == f"{tmp_path / 'again'}: 4 records"
    assert read_records(tmp_path / "again") == read_records(run)


def test_wider_margins_let_a_case_pass(said, run, tmp_path):
    wide = margins(tmp_path / "wide.toml", 4.0)
    code, text, _ = said("judge", run, "-o", tmp_path / "again", "--margins", wide)
    second = nodes()[1]
    assert (code, text.splitlines()[:3]) == (
        0, ["1 of 4 cases flip", "deviates -> conforms: 1", f"  {NAME}/{second}-int8-fp16-own"],
    )  # fmt: skip
    assert outcomes(tmp_path / "again") == ["conforms"] * 4
    assert read_records(tmp_path / "again")[1].reasons == []


def test_narrower_margins_fail_one(said, run, tmp_path):
    narrow = margins(tmp_path / "narrow.toml", 1.2)
    code, text, _ = said("judge", run, "-o", tmp_path / "again", "--margins", narrow)
    assert (code, text.splitlines()[1]) == (1, "conforms -> deviates: 1")
    assert outcomes(tmp_path / "again") == ["deviates", "deviates", "conforms", "conforms"]
    assert "largest error" in read_records(tmp_path / "again")[0].reasons[0]


def test_another_acceptance(said, run, tmp_path):
    strict = write(tmp_path / "network.toml", NETWORK.replace("[acceptance]", "[acceptance]\npsnr = 60"))
    code, *_ = said("judge", run, "-o", tmp_path / "again", "--acceptance", strict)
    assert (code, outcomes(tmp_path / "again")[3]) == (1, "deviates")
    assert (
        "it reaches a psnr of 50, but at least 60 is accepted" in read_records(tmp_path / "again")[3].reasons
    )


def waivers(path, node, **changes):
    about = {"network": NAME, "nodes": [node], "operators": None, "precisions": ["int8-fp16"], "at_most": 2.0}
    return write(path, waiver_toml(**(about | changes)))


def test_other_waivers(said, run, tmp_path):
    file = waivers(tmp_path / "waivers.toml", nodes()[1])
    code, text, _ = said("judge", run, "-o", tmp_path / "again", "--waivers", file)
    assert (code, text.splitlines()[1]) == (0, "deviates -> waived: 1")
    assert read_environment(tmp_path / "again").waivers == ["means"]
    code, text, _ = said("judge", tmp_path / "again", "-o", tmp_path / "third", "--no-waivers")
    assert (code, text.splitlines()[1]) == (1, "waived -> deviates: 1")
    assert outcomes(tmp_path / "third") == outcomes(run)


def test_the_waivers_of_the_run_as_they_are_now(said, tmp_path):
    file = waivers(tmp_path / "waivers.toml", nodes()[1])
    options = {"waivers": str(file), "no_waivers": False, "golden_dir": None}
    run = write_judged(tmp_path / "run", own(nodes()[1], 1.5), options=options)
    assert said("judge", run, "-o", tmp_path / "one")[0] == 0
    waivers(file, nodes()[1], at_most=1.25)
    assert said("judge", run, "-o", tmp_path / "two")[0] == 1
    assert "waiver 'means' does not cover this" in read_records(tmp_path / "two")[0].reasons[-1]
    assert said("judge", tmp_path / "two", "-o", tmp_path / "three", "--no-waivers")[0] == 1
    assert read_records(tmp_path / "three")[0].reasons == ["it is wrong"]


def test_stale_expired_and_idle_waivers_fail(said, run, tmp_path):
    idle = waiver_toml(id="idle", network=NAME, nodes=["nothing"], expires="2020-01-01")
    file = waivers(tmp_path / "waivers.toml", nodes()[0])
    write(file, file.read_text().replace("2030", "2031") + idle.replace('"2020-01-01"', "2020-01-01"))
    code, text, _ = said("judge", run, "-o", tmp_path / "again", "--waivers", file)
    assert code == 1
    failed = [line for line in text.splitlines() if line.startswith("FAILED")]
    wanted = (
        "failing cases: 1,",
        "'idle' of these tests expired",
        "'idle' matches no known",
        "'means' is stale",
    )
    assert [words in line for words, line in zip(wanted, failed, strict=True)] == [True] * 4


def test_what_has_no_figures_keeps_its_outcome(said, tmp_path):
    kept = [
        named(nodes()[0], "broken"),
        named(nodes()[1], "unsupported", notes=["not offered"]),
        named(nodes()[2], "deviates", reasons=["it holds NaN"]),
        own(nodes()[3], 0.5),
    ]
    run = write_judged(tmp_path / "run", *kept)
    wide = margins(tmp_path / "wide.toml", 1000.0)
    assert said("judge", run, "-o", tmp_path / "again", "--margins", wide)[0] == 1
    assert read_records(tmp_path / "again")[:3] == kept[:3]


def test_the_new_run_says_what_it_is(said, run, tmp_path):
    (run / "outputs").mkdir()
    (run / "outputs/picture.npy").write_bytes(b"values")
    wide = margins(tmp_path / "wide.toml", 4.0)
    said("judge", run, "-o", tmp_path / "again", "--margins", wide)
    environment, old = read_environment(tmp_path / "again"), read_environment(run)
    assert environment.judged_from.run == str(run)
    assert environment.judged_from.records_sha256 == whole_run(run).sha256
    assert environment.judged_from.rules == {"margins": str(wide)}
    assert environment.held_to["margins"] != old.held_to.get("margins")
    assert (environment.started, environment.device) == (old.started, old.device)
    assert environment.options["run_dir"] == str(tmp_path / "again")
    assert whole_run(tmp_path / "again").timings == whole_run(run).timings
    assert (tmp_path / "again/outputs/picture.npy").read_bytes() == b"values"


def test_a_run_that_judged_nothing_is_no_pass(said, tmp_path):
    run = write_judged(tmp_path / "run", named(nodes()[0], "unsupported"))
    code, text, _ = said("judge", run, "-o", tmp_path / "again")
    assert (code, "nothing was judged" in text) == (3, True)


def test_waivers_of_a_network_that_is_gone_are_not_checked_against_it(said, tmp_path):
    run = write_judged(tmp_path / "run", own(nodes()[1], 1.5))
    environment = read_environment(run)
    networks = [msgspec.structs.replace(environment.networks[0], own="gone")]
    content = msgspec.json.encode(msgspec.structs.replace(environment, networks=networks))
    (run / "environment.json").write_bytes(content)
    file = waivers(tmp_path / "waivers.toml", nodes()[1])
    code, _, error = said("judge", run, "-o", tmp_path / "again", "--waivers", file)
    assert (code, "was not checked" in error) == (0, True)


@pytest.fixture
def refused(refusal, tmp_path):
    """Demand a refusal in one sentence that leaves no directory."""

    def refuse(*arguments, **more):
        error = refusal("judge", *arguments, "-o", tmp_path / "again", **more)
        assert not list(tmp_path.glob("*again*"))
        return error

    return refuse


def test_bad_input(refused, run, tmp_path):
    assert "holds no run" in refused(tmp_path)
    assert "margins file" in refused(run, "--margins", tmp_path / "none")
    assert "is malformed" in refused(run, "--margins", write(tmp_path / "file", "factor = 2"))
    assert "waiver file" in refused(run, "--waivers", tmp_path / "none")
    foreign = write(tmp_path / "network.toml", NETWORK.replace(f'name = "{NAME}"', 'name = "other"'))
    assert "did not judge network 'other'; it judged mobilenet" in refused(run, "--acceptance", foreign)
    own_one = locations.NETWORKS / NAME / "network.toml"
    assert "both describe 'mobilenet'" in refused(run, "--acceptance", own_one, "--acceptance", own_one)
    two = waiver_toml(id="one", network=NAME, nodes=["*"], operators=None)
    file = write(tmp_path / "two.toml", two + two.replace('"one"', '"two"'))
    assert "'one' and 'two' both match" in refused(run, "--waivers", file)


def test_a_run_that_was_edited_or_cut_short(refused, run):
    content = (run / "records.jsonl").read_bytes()
    (run / "records.jsonl").write_bytes(content[:-10])
    assert "is not as the run left it" in refused(run)


def test_other_attainable_errors_than_the_run_had(refused, tmp_path):
    run = write_judged(tmp_path / "run", own(nodes()[0], 0.5), held_to={f"bounds of {NAME}": "0" * 64})
    assert "held to other attainable errors of mobilenet" in refused(run, "--margins", locations.MARGINS)


def test_right_answers_that_were_not_counted(refused, tmp_path):
    run = write_judged(tmp_path / "run", own(nodes()[0], 0.5))
    file = locations.NETWORKS / NAME / "network.toml"
    assert "asks for right answers, but run" in refused(run, "--acceptance", file)


def test_a_taken_directory(refusal, run, tmp_path):
    (tmp_path / "again").mkdir()
    (tmp_path / "again/mine").write_text("mine")
    assert "is not empty (it holds mine)" in refusal("judge", run, "-o", tmp_path / "again")


def test_it_needs_no_tensorflow(run, tmp_path):
    arguments = ["judge", str(run), "-o", str(tmp_path / "again"), "--margins", str(locations.MARGINS)]
    code = (
        f"import sys\nfrom conformance.cli import main\ncode = main({arguments!r})\n"
        "heavy = {'tensorflow', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'{code} {heavy}' if code != 1 or heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_profiles_decide_which_waivers_apply(said, tmp_path):
    file = waivers(tmp_path / "waivers.toml", nodes()[1], profile="ideal")
    for profile, code in (("ideal,reduction_sum=fp16", 0), ("mlu270", 1)):
        device = DEVICE | {"kind": "emulator", "profile": profile}
        run = write_judged(tmp_path / f"run{code}", own(nodes()[1], 1.5), device=device)
        assert said("judge", run, "-o", tmp_path / f"again{code}", "--waivers", file)[0] == code
