"""The files at the root that run the suite: what `pytest` collects there, and what tox lets through."""

import configparser
import subprocess
import sys

import pytest
from support.suite_run import ROOT, no_worker


def collected(*arguments):
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    with no_worker():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return [line.partition("::")[0] for line in done.stdout.splitlines() if "::" in line]


def test_the_root_collects_the_suite_alone():
    assert {path.rpartition("/")[0] for path in collected("-m", "mlu")} == {"conformance/suite"}
    assert collected() == collected("-m", "mlu") == collected("-m", "mlu", "conformance/suite")


def test_tests_of_the_suite_itself_are_collected_by_their_directory():
    assert set(collected("tests/test_root.py")) == {"tests/test_root.py"}


def test_the_conftest_is_one_line():
    assert (ROOT / "conftest.py").read_text() == 'pytest_plugins = ("conformance.plugin",)\n'


def test_tox_tries_every_benchmark_and_prints_the_tests_summary_last():
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    environments = tox["tox"]["env_list"].split(", ")
    assert "smoke" in environments
    assert environments[-1] == "tests"
    assert tox["testenv:smoke"]["commands"].endswith(" -m pytest benchmarks --smoke")


@pytest.mark.parametrize("environment", ["testenv", "testenv:mlu"])
def test_tox_passes_what_finds_a_users_device_and_adds_options(environment):
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini")
    passed = tox[environment]["pass_env"].replace("{[testenv]pass_env}", tox["testenv"]["pass_env"]).split()
    assert {"PYTHONPATH", "PYTEST_ADDOPTS"} <= set(passed)
    of_suite = {"MLU_CONFORMANCE_*", "CI_NODE_INDEX", "CI_NODE_TOTAL", "JOB_COMPLETION_INDEX"}
    assert of_suite & set(passed) == (of_suite if environment == "testenv:mlu" else set())
