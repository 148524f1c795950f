"""What a command took is that of its whole family of processes; what takes too much leaves nothing behind."""

import os
import sys

import pytest
from support.processes import group_lives, wait_until
from support.tool_modules import TOOLS

sys.path.insert(0, str(TOOLS))

from costs.measuring import Limits, measured

MEGABYTE = 10**6
PLENTY = Limits(memory=4000 * MEGABYTE, seconds=60)
HOLD = "import time; held = b'x' * {size}; time.sleep({seconds})"
BUSY = "import time\nwhile time.process_time() < {seconds}: pass"


def python(code):
    return [sys.executable, "-c", code]


def parent(code):
    """A process that does nothing but wait for a child."""
    return python(f"import os, subprocess; print(os.getpid()); subprocess.run({python(code)!r}, check=True)")


@pytest.fixture
def run(tmp_path):
    def run(command, limits=PLENTY, **settings):
        given = {"cwd": tmp_path, "environment": os.environ} | settings
        return measured(command, limits, tmp_path / "logs/command", **given)

    return run


@pytest.mark.parametrize("family", [python, parent])
def test_processor_time_is_that_of_the_process_and_its_children(run, family):
    cost = run(family(BUSY.format(seconds=0.5)))
    assert cost.problem == ""
    assert 0.5 <= cost.processor <= 3
    assert cost.processor <= cost.wall * (os.cpu_count() or 1) + 0.1


@pytest.mark.parametrize("family", [python, parent])
def test_memory_is_that_of_the_process_and_its_children(run, family):
    cost = run(family(HOLD.format(size=300 * MEGABYTE, seconds=0.5)))
    assert 300 * MEGABYTE <= cost.peak <= 400 * MEGABYTE


def test_a_child_that_is_there_for_a_moment_does_not_double_the_memory(run):
    forking = "import os\nheld = b'x' * 300_000_000\nfor _ in range(20):\n    if not os.fork(): os._exit(0)\n"
    cost = run(python(f"{forking}    os.wait()"))
    assert cost.peak <= 400 * MEGABYTE


@pytest.mark.parametrize("family", [python, parent])
def test_too_much_memory_ends_the_whole_family(run, family):
    limits = Limits(memory=200 * MEGABYTE, seconds=60)
    code = "import os; print(os.getpgid(0), flush=True); "
    cost = run(family(code + HOLD.format(size=300 * MEGABYTE, seconds=60)), limits)
    assert cost.problem == "killed above 0.2 GB"
    assert cost.wall < 30
    wait_until(lambda: not group_lives(cost.output.split()[-1]))


def test_too_much_time_ends_it(run):
    cost = run(parent("import time; time.sleep(60)"), Limits(memory=PLENTY.memory, seconds=1))
    assert cost.problem == "killed after 1 s"
    assert 1 <= cost.wall < 30


def test_a_child_in_a_session_of_its_own_is_ended_too(run, tmp_path):
    child = f"import os, time; open({str(tmp_path / 'child')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess; subprocess.run({python(child)!r}, start_new_session=True)"
    cost = run(python(code), Limits(memory=PLENTY.memory, seconds=2))
    assert cost.problem == "killed after 2 s"
    wait_until(lambda: not group_lives((tmp_path / "child").read_text()))


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import sys; print('one'); sys.exit('two\\nthree')", "exit code 1: three"),
        ("print('one'); exit(3)", "exit code 3: one"),
        ("exit(4)", "exit code 4"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("import sys; sys.exit('w' * 900)", f"exit code 1: {'w' * 160}"),
    ],
)
def test_a_command_that_fails_says_how_and_in_its_own_last_words(run, code, problem):
    assert run(python(code)).problem == problem


def test_other_exit_codes_can_be_fine(run):
    assert run(python("print('judged'); exit(1)"), accepted=(0, 1)).problem == ""
    assert run(python("exit(1)"), accepted=(0,)).problem == "exit code 1"


def test_what_it_prints_is_kept_and_its_environment_is_what_is_given(run, tmp_path):
    code = "import os, sys; print(sorted(os.environ)); print(os.getcwd()); sys.stderr.write('note')"
    cost = run(python(code), environment={"ONLY": "1"})
    variables, directory = cost.output.splitlines()
    assert "ONLY" in variables
    assert "PATH" not in variables
    assert directory == str(tmp_path)
    assert (tmp_path / "logs/command.err").read_text() == "note"
