"""Which cases a shard has: of all that is selected, each in one shard, whole groups, and said plainly."""

import re
import shutil

import pytest
from support.fresh_python import without_tensorflow
from support.kept_network import KEY_NODES
from support.suite_run import run_suite

CASES = 4 * (KEY_NODES + 3) + 2
GROUPS = 4 * 3 + 2


@pytest.fixture
def collected(network, tmp_path):
    """Return the names of the cases that a run would have, in its order, and what it says."""

    def collect(*arguments, **more):
        result = run_suite(tmp_path / "run", "--collect-only", "-q", *arguments, network=network, **more)
        assert (result.code, result.directory.exists()) == (0, False), result.text
        return [line.partition("::")[2] for line in result.text.splitlines() if "::" in line], result.text

    return collect


def group(case):
    """Return test and precision of a case; what is timed belongs to the fused outputs."""
    precision = re.search(r"int\d+(-fp\d+)?(?=]$)", case)[0]
    return case.partition("[")[0].replace("fused_speed", "fused_outputs"), precision


SELECTIONS = [
    ((), "mlu"),
    (("--nodes=all",), "mlu"),
    (("--nodes=norm/*,out",), "mlu and fp16"),
    (("-kwide or chained",), "mlu and not calibration"),
    (("--deselect=conformance/suite/test_network.py",), "mlu"),
]


@pytest.mark.parametrize(("arguments", "markers"), SELECTIONS)
@pytest.mark.parametrize("total", [1, 4])
def test_every_selected_case_is_in_one_shard_and_groups_are_whole(collected, arguments, markers, total):
    whole, _ = collected(*arguments, markers=markers)
    shards = [
        collected(f"--shard={index}/{total}", *arguments, markers=markers)[0] for index in range(1, total + 1)
    ]
    assert sorted(case for shard in shards for case in shard) == sorted(whole)
    for shard in shards:
        assert shard == [case for case in whole if case in shard], "in the order of one run"
    groups = [set(map(group, shard)) for shard in shards]
    assert sum(map(len, groups)) == len(set().union(*groups))


def test_as_many_shards_as_groups_have_one_each(collected):
    for index in range(1, GROUPS + 1):
        cases, _ = collected(f"--shard={index}/{GROUPS}", markers="mlu")
        assert len(set(map(group, cases))) == 1


def test_what_others_judge_counts_as_deselected(collected):
    cases, text = collected("--shard=2/3", markers="mlu")
    assert f"{len(cases)}/{CASES} tests collected ({CASES - len(cases)} deselected)" in text


def test_the_header_says_which_shard_it_is(network, tmp_path):
    result = run_suite(tmp_path / "run", "--collect-only", "--shard=2/3", network=network, markers="mlu")
    (line,) = [line for line in result.text.splitlines() if line.startswith("shard: ")]
    assert re.fullmatch(rf"shard: 2/3, \d+ of {CASES} cases", line)


@pytest.mark.parametrize(
    ("variables", "arguments", "shard"),
    [
        ({"CI_NODE_INDEX": "2", "CI_NODE_TOTAL": "3"}, ["--shard=auto"], "2/3"),
        ({"JOB_COMPLETION_INDEX": "1", "MLU_CONFORMANCE_SHARD": "auto/3"}, [], "2/3"),
        ({"MLU_CONFORMANCE_SHARD": "1/3"}, ["--shard=2/3"], "2/3"),
    ],
)
def test_the_environment_can_say_which(collected, monkeypatch, variables, arguments, shard):
    explicit, _ = collected(f"--shard={shard}")
    for name, text in variables.items():
        monkeypatch.setenv(name, text)
    assert collected(*arguments)[0] == explicit


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("--shard=0/3", "--shard '0/3' is no shard; give I/N with I from 1 to N, such as 2/3"),
        ("--shard=4/3", "--shard '4/3' is no shard; give I/N with I from 1 to N, such as 2/3"),
        ("--shard=auto", "--shard 'auto' finds neither CI_NODE_INDEX (a GitLab job with `parallel`) nor"),
        (
            f"--shard={GROUPS + 1}/{GROUPS + 1}",
            f"--shard {GROUPS + 1}/{GROUPS + 1} has nothing to judge: what is selected makes {GROUPS} groups",
        ),
    ],
)
def test_what_cannot_be_split_is_one_sentence(network, tmp_path, monkeypatch, argument, sentence):
    for name in ("CI_NODE_INDEX", "JOB_COMPLETION_INDEX"):
        monkeypatch.delenv(name, raising=False)
    result = run_suite(tmp_path / "run", argument, network=network, markers="mlu")
    assert (result.code, result.outcomes) == (4, {})
    assert result.text.count(f"ERROR: {sentence}") == 1
    assert not result.directory.exists()


def test_selecting_nothing_is_no_pass_of_a_shard_either(network, tmp_path):
    result = run_suite(tmp_path / "run", "--shard=1/2", "-knothing", network=network)
    assert (result.code, result.outcomes) == (3, {})
    assert "no case was selected, so nothing was judged" in result.text


def test_what_stops_a_run_stops_a_shard(network, tmp_path):
    copy = network.copied(tmp_path)
    shutil.rmtree(copy.goldens)
    result = run_suite(tmp_path / "run", "--shard=1/2", network=copy)
    assert result.code == 3
    assert "network 'small' has no goldens in" in result.text


def test_tests_of_anything_else_are_in_every_shard(collected, tmp_path):
    (tmp_path / "test_mine.py").write_text("def test_mine():\n    pass\n")
    for shard in ("1/2", "2/2"):
        cases, _ = collected(f"--shard={shard}", str(tmp_path / "test_mine.py"), markers="mlu or not mlu")
        assert cases[-1] == "test_mine"
        assert len(cases) > 1


def test_splitting_imports_no_tensorflow():
    code = "import pytest; assert pytest.main(sys.argv[1:]) == 0"
    text, _ = without_tensorflow(code, "--collect-only", "-q", "-m", "mlu", "--network=all", "--shard=1/3")
    assert "deselected" in text
