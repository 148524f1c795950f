"""``mlu-conformance test`` as a user calls it: from any directory, with pytest's arguments."""

import shutil
from pathlib import Path

import pytest
from support.kept_network import KEY_NODES, kept_network
from support.suite_run import ROOT, no_worker

from conformance import cli, locations
from conformance.runs.directory import read_records

CASES = 4 * (KEY_NODES + 3) + 2
OWN = ("-m", "mlu and own and int16 and fp32")
DEFAULTS = [
    f"--config-file={ROOT / 'pytest.ini'}",
    f"--rootdir={ROOT}",
    *("-p", "conformance.plugin", "-m", "mlu"),
]


@pytest.fixture(scope="module")
def network():
    kept = kept_network()
    return (f"--network-path={kept.directory}", f"--golden-dir={kept.goldens}")


@pytest.fixture
def said(capfd, monkeypatch, tmp_path):
    """Run the command in an empty directory; return exit code and all output."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run(*arguments):
        capfd.readouterr()
        with no_worker():
            code = cli.main(["test", "--capture=no", *map(str, arguments)])
        return code, "".join(capfd.readouterr())

    return run


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Return what pytest is asked for instead of running it, and the exit code."""
    monkeypatch.chdir(tmp_path)
    given = []
    monkeypatch.setattr(pytest, "main", lambda arguments, **_: given.append(arguments) or 7)

    def ask(*arguments):
        code = cli.main(["test", *arguments])
        (arguments,) = given
        cache = f"--override-ini=cache_dir={tmp_path / '.pytest_cache'}"
        assert [argument for argument in arguments[:7] if argument != cache] == DEFAULTS
        return code, arguments[7:]

    return ask


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--network=mobilenet", "-k", "x"],
        ["-k", "x", "--network", "mobilenet"],
        ["--version"],
        ["--help"],
        ["-vv", "-x", "--", "-k"],
        ["-k", "", "--device-option=a=b c"],
        ["--deselect", "conformance/suite/test_nodes.py"],
        ["--deselect=conformance/suite/test_nodes.py"],
    ],
)
def test_arguments_reach_pytest_as_they_are_and_its_exit_code_comes_back(asked, arguments):
    assert asked(*arguments) == (7, [*arguments, str(locations.SUITE)])


NODE = "test_nodes.py::test_node[conformance/suite::a-int8-fp16]"


@pytest.mark.parametrize(
    "before", ["conformance/suite", "../" * 30 + str(locations.SUITE)[1:], locations.SUITE]
)
def test_a_test_is_found_by_its_name_in_reports(asked, before):
    assert asked("-x", f"{before}/{NODE}")[1] == ["-x", f"{locations.SUITE}/{NODE}"]


def test_a_test_that_does_not_exist_is_left_for_pytest_to_complain_of(asked):
    name = "conformance/suite/test_nods.py"
    assert asked(name)[1] == [name, str(locations.SUITE)]


def test_the_working_directory_has_no_say(said, network, tmp_path):
    for name, text in (
        ("pytest.ini", "[pytest]\naddopts = --nonsense\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--nonsense'\n"),
        ("conftest.py", "raise SystemExit('mine')\n"),
        ("test_mine.py", "raise SystemExit('mine')\n"),
    ):
        (tmp_path / "empty" / name).write_text(text)
    code, text = said("--profile=ideal", *network, *OWN)
    assert (code, f"{KEY_NODES} passed" in text) == (0, True), text
    (run,) = (tmp_path / "empty/runs").iterdir()
    assert f"{KEY_NODES} records in {run}" in text
    assert (tmp_path / "empty/.pytest_cache").is_dir()


def test_what_deviates_is_exit_1_and_can_be_named_to_run_again(said, network):
    code, text = said(*network, "--no-waivers", "-m", "mlu and own and int8 and fp16", "--tb=no")
    assert code == 1, text
    failed = [line.split()[1] for line in text.splitlines() if line.startswith("FAILED ")]
    code, text = said(*network, "--no-waivers", failed[0], "--tb=no", "--run-dir=again")
    assert (code, "1 failed" in text) == (1, True), text


@pytest.mark.parametrize(
    ("argument", "code", "sentence"),
    [
        ("--network=mobilnet", 4, "network 'mobilnet' is not in"),
        ("--nonsense", 4, "unrecognized arguments: --nonsense"),
        ("-m mlu and int8 and int16", 3, "no case was selected, so nothing was judged"),
    ],
)
def test_mistakes_end_as_they_do_in_pytest(said, argument, code, sentence):
    found, text = said("--profile=ideal", argument)
    assert (found, sentence in text) == (code, True), text


def test_shards_are_judged_and_merged(said, network):
    for shard in ("1/2", "2/2"):
        given = ("-m", "own and int8", f"--shard={shard}", f"--run-dir={shard}")
        code, text = said("--profile=ideal", *network, *given)
        assert code == 0, text
        assert f"shard: {shard}, {KEY_NODES} of {2 * KEY_NODES} cases" in text
        assert f"{KEY_NODES} passed, {CASES - KEY_NODES} deselected" in text
    assert cli.main(["merge", "1/2", "2/2", "-o", "all"]) == 0
    assert len(read_records(Path("all"))) == 2 * KEY_NODES


@pytest.mark.parametrize("flag", ["--last-failed", "--stepwise"])
def test_what_failed_here_is_no_selection_to_split(said, network, flag):
    code, text = said("--profile=ideal", *network, "--shard=1/2", flag)
    sentence = f"ERROR: {flag} and --shard contradict each other: what failed differs from host to host; drop"
    assert (code, text.count(sentence)) == (4, 1), text


@pytest.mark.parametrize("before", [[], ["-q"], ["-k", "small", "--"], ["--profile=ideal", "-n2"]])
@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("mynet", "mynet is a network, not a test: say --network-path=mynet"),
        ("./mynet/", "./mynet/ is a network, not a test: say --network-path=./mynet/"),
        (
            "mynet/network.toml",
            "mynet/network.toml is a network, not a test: say --network-path=mynet/network.toml",
        ),
        ("lstm", "lstm is a network, not a test: say --network=lstm"),
        *(
            (name, f"{name} is no test of the suite; list them with `mlu-conformance test --collect-only -q`")
            for name in ("test_mine.py", "test_mine.py::test_it", "mynet/x.npy", ".", "nothing")
        ),
    ],
)
def test_what_is_no_test_of_the_suite_is_refused(said, network, tmp_path, before, argument, sentence):
    here = tmp_path / "empty"
    shutil.copytree(network[0].partition("=")[2], here / "mynet")
    (here / "mynet/x.npy").touch()
    (here / "test_mine.py").write_text("def test_it():\n    pass\n")
    code, text = said(*before, argument)
    assert (code, f"ERROR: {sentence}\n" in text) == (4, True), text
    assert not (here / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["--netwrk=lstm"], " (near names: --network, --network-path, --nodes)"),
        (["-q", "--devcie", "cpu"], " (near names: --device, --device-option, --device-timeout)"),
        (["--zzzzzz"], ""),
    ],
)
def test_an_unknown_option_is_one_sentence(said, arguments, near):
    code, text = said(*arguments)
    option = next(argument for argument in arguments if argument.startswith("--"))
    sentence = f"unrecognized arguments: {option}{near}; see `mlu-conformance test --help`"
    assert (code, text) == (4, f"ERROR: {sentence}\n\n")


def test_a_wrong_value_of_an_option_of_pytest_is_its_own_to_explain(said):
    code, text = said("--maxfail=many")
    assert (code, "argument --maxfail: invalid int value: 'many'" in text) == (4, True), text


def test_a_network_beside_a_test_of_the_suite_is_refused(said):
    code, text = said("conformance/suite/test_nodes.py", "lstm")
    assert (code, "say --network=lstm" in text) == (4, True), text


@pytest.mark.parametrize("name", ["conformance/suite", "conformance/suite/test_nodes.py", locations.SUITE])
def test_tests_of_the_suite_are_run_by_their_paths(said, network, name):
    code, text = said("--profile=ideal", *network, *OWN, name)
    assert (code, f"{KEY_NODES} passed" in text) == (0, True), text


def test_workers_judge_although_the_plugin_is_loaded_before_pytest_xdist(said, network):
    code, text = said("--profile=ideal", *network, "-m", "mlu and own and int16", "-n2")
    assert (code, f"{2 * KEY_NODES} passed" in text) == (0, True), text
    assert "gw0: 15 records" in text
    assert "gw1: 15 records" in text


def test_an_option_that_another_plugin_has_is_one_sentence(said, monkeypatch, tmp_path):
    (tmp_path / "their_plugin.py").write_text(
        "def pytest_addoption(parser):\n    parser.addoption('--profile', action='store_true')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    code, text = said("-p", "their_plugin")
    assert code == 4
    assert text == (
        "mlu-conformance: a plugin of pytest gets in the way (argument --profile: conflicting option string: "
        "--profile); keep it out with -p no:NAME\n"
    )
