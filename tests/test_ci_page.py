"""The files of ``docs/ci.md``: as the engines' public schemas want them; their shell does what they say."""

import json
import os
import re
import stat
import subprocess
import sys

import pytest
from support.suite_run import ROOT

from conformance import cli
from conformance.options import OPTIONS

PAGE = (ROOT / "docs/ci.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\w+) -->\n```\w+\n(.*?)\n```\n", PAGE, re.DOTALL))
SCHEMAS = {
    "github": ("vendor.github-workflows",),
    "gitlab": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
}
PYTEST = {"--junitxml"}
"""Options of pytest's own that the runs are given."""


def checked(engine, text, tmp_path):
    """Return exit code and output of checking a file against its engine's schema."""
    pytest.importorskip(
        "check_jsonschema", reason="check-jsonschema, which ships the schemas, is not installed"
    )
    file = tmp_path / "ci.yml"
    file.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", *SCHEMAS[engine], str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("engine", SCHEMAS)
def test_a_file_is_as_its_schema_wants_it(engine, tmp_path):
    code, said = checked(engine, FILES[engine], tmp_path)
    assert code == 0, said


@pytest.mark.parametrize(
    ("engine", "right", "wrong"),
    [
        ("github", "timeout-minutes: 240", "timeout-minute: 240"),
        ("github", "    runs-on: [self-hosted, mlu270]\n", ""),
        ("gitlab", "    when: always", "    when: ever"),
        ("gitlab", "exit_codes: 77", "exit_codes: many"),
    ],
)
def test_the_schemas_see_what_is_wrong(engine, right, wrong, tmp_path):
    assert right in FILES[engine]
    assert checked(engine, FILES[engine].replace(right, wrong), tmp_path)[0] == 1


@pytest.mark.parametrize("engine", FILES)
def test_every_command_is_one_that_there_is(engine):
    lines = re.findall(r"mlu-conformance (\w+) ([^|&\n]*)", FILES[engine].replace("\\\n", " "))
    assert [command for command, _ in lines] == ["test", "gate"]
    for command, rest in lines:
        arguments = rest.split()
        if command == "test":
            flags = {argument.partition("=")[0] for argument in arguments if argument.startswith("--")}
            assert flags <= {option.flag for option in OPTIONS if option.suite} | PYTEST
        else:
            cli.parser().parse_args([command, *arguments])


def test_all_three_run_and_gate_alike():
    lines = [
        {
            " ".join(line.split())
            for line in re.findall(r"mlu-conformance test [^|]*", text.replace("\\\n", " "))
        }
        for text in FILES.values()
    ]
    assert len(lines) == 3
    assert lines[0] == lines[1] == lines[2]


STAND_IN = """#!/bin/bash
echo "$*" >> "$TOLD/commands"
case "$1" in
  test) mkdir -p "$(sed 's/.*--run-dir=\\([^ ]*\\).*/\\1/' <<< "$*")" out; exit ${RUN_CODE:-0};;
  gate) [ -d "$2" ] && [ -d "$3" ] || exit 99
        [ "$GATE_CODE" = 4 ] || echo "## verdict" > out/gate.md; exit $GATE_CODE;;
esac
"""
CURL = """#!/bin/bash
echo "curl $*" >> "$TOLD/commands"
case "$*" in
  *--upload-file*) exit 0;;
  *) [ -n "$KEPT" ] || exit 22
     mkdir -p "$TOLD/kept/runs/1"; tar -czf baseline.tar.gz -C "$TOLD/kept" runs;;
esac
"""


class Job:
    """Runs shell of a file, with stand-ins for the suite and for curl."""

    def __init__(self, directory):
        self.place, self.told = directory / "work", directory / "told"
        for folder in (self.place, self.told, directory / "bin"):
            folder.mkdir()
        for name, text in (("mlu-conformance", STAND_IN), ("curl", CURL)):
            program = directory / "bin" / name
            program.write_text(text)
            program.chmod(program.stat().st_mode | stat.S_IXUSR)
        self.path = f"{directory / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def __call__(self, script, **variables):
        given = {
            "PATH": self.path,
            "TOLD": str(self.told),
            "GITHUB_STEP_SUMMARY": str(self.told / "summary"),
            "GITHUB_OUTPUT": str(self.told / "output"),
            "GATE_CODE": "0",
        }
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=self.place, env=given | variables, capture_output=True, text=True, check=False
        )
        self.said = done.stdout + done.stderr
        return done.returncode

    def file(self, name):
        path = self.told / name
        return path.read_text() if path.exists() else ""


@pytest.fixture
def job(tmp_path):
    return Job(tmp_path)


def parsed(engine):
    ruamel = pytest.importorskip("ruamel.yaml", reason="check-jsonschema, which brings it, is not installed")
    return json.loads(json.dumps(ruamel.YAML(typ="safe").load(FILES[engine])))


@pytest.fixture
def github():
    steps = parsed("github")["jobs"]["gate"]["steps"]
    return {step.get("id", step.get("name")): step["run"] for step in steps if "run" in step}


@pytest.fixture
def gitlab():
    return "\n".join(parsed("gitlab")["mlu-gate"]["script"])


VERDICTS = [
    ("shadow", 0, 0),
    ("shadow", 1, "warning"),
    ("shadow", 2, "warning"),
    ("shadow", 4, "warning"),
    ("shadow", 5, "warning"),
    ("block", 0, 0),
    ("block", 1, 1),
    ("block", 2, 2),
    ("block", 4, 4),
    ("block", 5, 5),
]


@pytest.mark.parametrize("run_code", [0, 1])
def test_runs_that_conform_or_deviate_go_on(github, job, run_code):
    assert job(github["Run every network three times"], RUN_CODE=str(run_code)) == 0
    assert [path.name for path in sorted((job.place / "runs").iterdir())] == ["1", "2", "3"]


@pytest.mark.parametrize("run_code", [2, 3, 4])
def test_runs_without_verdict_fail_the_job(github, gitlab, job, run_code):
    assert job(github["Run every network three times"], RUN_CODE=str(run_code)) == 1
    assert job(gitlab, RUN_CODE=str(run_code), KEPT="1", STAGE="shadow", FIRST="true", BASELINE="there") == 1
    assert "gate" not in job.file("commands")


@pytest.mark.parametrize(("stage", "code", "ends"), VERDICTS)
def test_github_shows_in_the_shadow_and_fails_when_it_blocks(github, job, stage, code, ends):
    job("mkdir baseline runs out")
    assert job(github["gate"], STAGE=stage, FIRST="false", GATE_CODE=str(code)) == (
        0 if ends == "warning" else ends
    )
    assert ("::warning::" in job.said) == (ends == "warning")
    assert job.file("output") == f"code={code}\n"
    assert job.file("summary") == ("" if code == 4 else "## verdict\n")


@pytest.mark.parametrize(("first", "ends"), [("true", 0), ("false", 1)])
def test_github_without_a_baseline(github, job, first, ends):
    job("mkdir runs out")
    assert job(github["gate"], STAGE="shadow", FIRST=first) == ends
    assert job.file("output") == ("code=0\n" if first == "true" else "")
    assert ("::error::there is no baseline" in job.said) == (first == "false")


def test_github_makes_a_baseline_of_a_go_alone():
    steps = parsed("github")["jobs"]["gate"]["steps"]
    (kept,) = [step for step in steps if step.get("with", {}).get("path") == "runs"]
    assert kept["if"] == "steps.gate.outputs.code == '0'"


@pytest.mark.parametrize(("stage", "code", "ends"), VERDICTS)
def test_gitlab_shows_in_the_shadow_and_fails_when_it_blocks(gitlab, job, stage, code, ends):
    given = {"STAGE": stage, "FIRST": "false", "KEPT": "1", "BASELINE": "there", "GATE_CODE": str(code)}
    assert job(gitlab, **given) == (77 if ends == "warning" else ends)
    assert ("--upload-file" in job.file("commands")) == (code == 0)
    assert "gate baseline/runs runs " in job.file("commands")


@pytest.mark.parametrize(("first", "ends"), [("true", 0), ("false", 1)])
def test_gitlab_without_a_baseline(gitlab, job, first, ends):
    assert job(gitlab, STAGE="shadow", FIRST=first, BASELINE="there") == ends
    assert ("--upload-file" in job.file("commands")) == (first == "true")
    assert "gate" not in job.file("commands").replace("mlu-gate", "")


def test_what_gitlab_ends_with_in_the_shadow_is_a_warning():
    assert parsed("gitlab")["mlu-gate"]["allow_failure"] == {"exit_codes": 77}
    assert "exit 77" in FILES["gitlab"]
