"""``tools/cost_table.py`` measures a user's network as a user would run it, and hides no failure."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from support import kept_network
from support.suite_run import ROOT, no_worker
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

import cost_table
from costs import networks, steps
from costs.measuring import Cost, Limits
from costs.networks import Place, places
from marked_sections import cells

from conformance.errors import UsageError

LIMITS = Limits(memory=1e9, seconds=10)
FINE = Cost(processor=12.34, wall=10.0, peak=2_500_000_000, problem="", output="", remark="")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A network of a user's, without scales and goldens."""
    directory = tmp_path_factory.mktemp("networks") / "tiny"
    kept_network.write_network(directory)
    (directory / "int8.quant.txt").write_text("of the user")
    return directory


def called(cache, *arguments):
    command = [sys.executable, TOOLS / "cost_table.py", f"--cache={cache}", *map(str, arguments)]
    with no_worker():
        return subprocess.run(command, cwd=ROOT.parent, capture_output=True, text=True, check=False)


def row(done):
    headings, *rows = cells(done.stdout.splitlines())
    assert len(rows) == 1
    return dict(zip(headings, rows[0], strict=True))


def figures(cell):
    """The numbers of a cell such as ``4.0 s (4.7 s), 1.0 GB; 48 % inside device runs``."""
    processor, wall, peak = re.findall(r"[0-9.]+(?= s| GB)", cell.partition(";")[0])
    return float(processor), float(wall), float(peak)


def test_every_step_of_a_network_is_measured_and_the_network_stays_as_it_is(tiny, tmp_path):
    before = {path.name: path.read_bytes() for path in tiny.iterdir()}
    done = called(tmp_path, tiny)
    assert done.returncode == 0, done.stderr
    found = row(done)
    assert (found["network"], found["frozen graph"]) == ("tiny", "0 MB")
    for heading in ("`quantize`", "`golden`", "`pytest -m mlu`", "stock TensorFlow"):
        processor, wall, peak = figures(found[heading])
        assert processor > 0.5
        assert wall > 0.5
        assert 0.1 < peak < 4
    assert found["`pytest -m mlu`"].endswith("% inside device runs")
    assert found["stock TensorFlow"].endswith("s a forward pass")
    assert done.stdout.startswith("On ")
    assert "TensorFlow 2" in done.stdout.splitlines()[0]
    assert {path.name: path.read_bytes() for path in tiny.iterdir()} == before
    assert (tmp_path / "given/tiny/run/records.jsonl").exists()


def test_a_step_that_is_killed_says_so_and_those_that_need_it_do_not_run(tiny, tmp_path):
    done = called(tmp_path, tiny, "--memory=0.1", "--steps=quantize,stock")
    found = row(done)
    assert done.returncode == 1
    assert found["`golden`"] == "–"
    for heading in ("`quantize`", "stock TensorFlow"):
        assert found[heading].startswith("not built: **failed**, killed above 0.1 GB; ")


@pytest.mark.parametrize(
    ("argument", "sentence"),
    [
        ("resnet50", "network 'resnet50' is neither known nor a directory with network.toml"),
        ("--steps=goldens", "--steps 'goldens': 'goldens' is no step (near names: golden)"),
        ("--memory=0", "--memory 0.0 is not above 0"),
        ("--timeout=nan", "--timeout nan is not above 0"),
    ],
)
def test_what_it_is_given_wrong_is_said_in_a_sentence(tmp_path, argument, sentence):
    done = called(tmp_path, argument)
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith(f"cost_table: {sentence}")
    assert done.stderr.count("\n") == 1


@pytest.fixture
def place(tmp_path):
    """A place that holds what a build leaves, of a network that needs no building."""
    place = Place("mobilenet-v2", tmp_path)
    place.network.mkdir(parents=True)
    graph = place.network / "graph.pb"
    graph.write_bytes(b"0" * 3_000_000)
    place.stock.write_text(json.dumps({"graph": str(graph)}))
    place.stamp.write_text(place.recipe)
    return place


@pytest.fixture
def runs(monkeypatch):
    """What was run, in place of running it; those in ``failing`` fail."""
    ran, failing = [], {}

    def run(_, name, __):
        ran.append(name)
        return Cost(1.0, 2.0, 3_000_000_000, failing.get(name, ""), "")

    monkeypatch.setattr(steps, "run", run)
    return ran, failing


def test_a_network_that_is_there_is_not_built_again(place, runs):
    found = steps.costs(place, ["quantize", "stock"], LIMITS)
    assert runs[0] == ["quantize", "stock"]
    assert found == steps.Row(
        {"weights": "3 MB", "quantize": "1.0 s (2.0 s), 3.0 GB", "stock": "1.0 s (2.0 s), 3.0 GB"}
    )


@pytest.mark.parametrize("change", ["recipe", "missing"])
def test_a_network_of_another_recipe_is_built_again(place, runs, change):
    if change == "recipe":
        place.stamp.write_text("older")
    else:
        place.stamp.unlink()
    steps.costs(place, ["stock"], LIMITS)
    assert runs[0] == ["build", "stock"]


def test_what_needs_a_failed_step_does_not_run_and_what_does_not_runs(place, runs):
    ran, failing = runs
    failing["golden"] = "ended by SIGABRT: a | b"
    found = steps.costs(place, list(steps.STEPS), LIMITS)
    assert ran == ["quantize", "golden", "stock"]
    assert found.failed
    assert found.cells["golden"] == r"**failed**, ended by SIGABRT: a \| b; 1.0 s (2.0 s), 3.0 GB"
    assert found.cells["test"] == "not run: `golden` failed"
    assert found.cells["stock"] == "1.0 s (2.0 s), 3.0 GB"


def test_a_run_that_does_not_end_as_runs_do_is_a_failure(tmp_path):
    step = steps.Step("", lambda _: [], remark=steps.share)
    for printed, problem in (("8 s, 62% of it inside device runs", ""), ("8 s", "the run does not say")):
        command = [sys.executable, "-c", f"print({printed!r})"]
        cost = steps.timed(step, command, LIMITS, tmp_path / "log", {})
        assert cost.problem.startswith(problem)
        assert bool(cost.problem) == bool(problem)
    assert steps.share("9% of it inside device runs\n62% of it inside device runs").startswith("62 %")


def test_commands_see_nothing_of_the_users_that_is_about_the_suite(monkeypatch):
    monkeypatch.setenv("MLU_CONFORMANCE_DEVICE", "cambricon")
    monkeypatch.setenv("PYTEST_ADDOPTS", "-x")
    monkeypatch.setenv("OTHER", "1")
    found = steps.environment({"MLU_CONFORMANCE_RUN_DIR": "run"})
    assert [name for name in found if name.startswith(("MLU_", "PYTEST_ADD"))] == ["MLU_CONFORMANCE_RUN_DIR"]
    assert found["OTHER"] == "1"


def test_the_projects_own_network_is_called_by_its_name_and_keeps_its_scales(tmp_path):
    place = Place("beautygan", tmp_path)
    for name, step in steps.STEPS.items():
        command = [str(word) for word in step.command(place)]
        assert "network-path" not in " ".join(command)
        assert ("beautygan" in command) == (name in {"quantize", "golden"})
        step.clear(place)
    assert "--network=beautygan" in steps.STEPS["test"].command(place)
    assert (place.network / "int8.quant.txt").exists()


def test_scales_and_goldens_are_made_anew(place):
    for path in (place.network / "int8.quant.txt", place.network / "calibrated.json", place.goldens / "x/y"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    for step in steps.STEPS.values():
        step.clear(place)
    assert [path.name for path in place.network.iterdir()] == ["graph.pb"]
    assert not place.goldens.exists()


def test_networks_of_one_name_are_refused(tiny, tmp_path):
    other = shutil.copytree(tiny, tmp_path / "tiny")
    with pytest.raises(UsageError, match="is called like another one"):
        places([str(tiny), str(other)], tmp_path)
    assert [place.title for place in places([], tmp_path)] == list(networks.TITLES.values())


def table(title, cell, machine=None):
    found = cost_table.lines({title: ["1 MB", cell, "–", "–", "–"]})
    return found if machine is None else [machine, *found[1:]]


def test_what_is_not_measured_now_stays_if_it_is_of_this_machine():
    new = {"MobileNetV2": steps.Row({"weights": "14 MB", "golden": "now"})}
    old = [*table("ResNet-50", "before")]
    assert cost_table.merged(old, new) == {
        "MobileNetV2": ["14 MB", "–", "now", "–", "–"],
        "ResNet-50": ["1 MB", "before", "–", "–", "–"],
    }
    assert list(cost_table.merged(table("ResNet-50", "before", "On another machine."), new)) == [
        "MobileNetV2"
    ]
    same = cost_table.merged(table("MobileNetV2", "before"), new)
    assert same == {"MobileNetV2": ["14 MB", "before", "now", "–", "–"]}


def test_the_table_names_its_machine_and_stands_in_the_document(place, runs, tmp_path, monkeypatch, capsys):
    document = tmp_path / "page.md"
    document.write_text("before\n<!-- figures: costs -->\nold\n<!-- end -->\nafter\n")
    monkeypatch.setattr(cost_table, "DOCUMENT", document)
    cache = f"--cache={place.cache}"
    assert cost_table.main(["mobilenet-v2", "--steps=stock", cache, "--docs"]) == 0
    text = document.read_text()
    assert text.startswith("before\n<!-- figures: costs -->\n\nOn ")
    assert text.endswith("\n\n<!-- end -->\nafter\n")
    assert "| MobileNetV2 | 3 MB | – | – | – | 1.0 s (2.0 s), 3.0 GB |" in text
    assert capsys.readouterr().out.strip() in text
    runs[1]["stock"] = "exit code 1"
    assert cost_table.main(["mobilenet-v2", "--steps=stock", cache, "--docs"]) == 1
    assert "**failed**, exit code 1" in document.read_text()
    assert cost_table.main(["mobilenet-v2", "--steps=quantize", cache, "--docs"]) == 0
    assert "**failed**, exit code 1" in document.read_text()
