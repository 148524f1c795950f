"""Finding the vendor's Python among small scripts that answer what the test says."""

import ast
import json
import os
import platform
import re
import sys
from pathlib import Path

import pytest

from conformance.devices.cambricon import interpreter, worker
from conformance.devices.cambricon.cards import run_tool
from conformance.devices.cambricon.interpreter import Interpreter, find_interpreter, interpreters
from conformance.errors import InfrastructureError, UsageError


class Home:
    """A home directory, a PATH of two folders, and nothing else."""

    def __init__(self, root):
        self.root = self.path = root
        self.first, self.second = root / "first", root / "second"
        self.environment = {"PATH": f"{self.first}{os.pathsep}{self.second}"}

    def add(self, path, version="3.7.9", *, tensorflow=True, executable=None):
        """Add an interpreter that answers."""
        path = self.root / path
        numbers = [int(number) for number in version.split(".")]
        answer = {"executable": str(executable or path), "version": numbers, "tensorflow": tensorflow}
        return self.script(path, f"echo '{json.dumps(answer)}'")

    def script(self, path, body):
        path = self.root / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def find(self, given=None):
        return find_interpreter(given, self.environment, self.root)

    def all(self):
        return interpreters(self.environment, self.root)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "SYSTEM_CONDA", tmp_path / "opt/conda")
    return Home(tmp_path)


def test_on_path_3_7_comes_before_3_6_before_3_5(home):
    oldest = home.add("first/python3.5", "3.5.2")
    middle = home.add("first/python3.6", "3.6.9")
    newest = home.add("second/python3.7")
    assert [found.path for found in home.all()] == [newest, middle, oldest]
    assert home.find() == newest


def test_the_first_with_tensorflow_is_chosen(home):
    home.add("first/python3.7", tensorflow=False)
    chosen = home.add("second/python3.6", "3.6.9")
    assert home.find() == chosen


@pytest.mark.parametrize(
    "place",
    [
        ".pyenv/versions/3.7.9/bin/python",
        "miniconda3/envs/cambricon/bin/python",
        "anaconda3/envs/cambricon/bin/python",
        ".conda/envs/cambricon/bin/python",
        "opt/conda/envs/cambricon/bin/python",
        ".local/share/uv/python/cpython-3.7.9-linux-x86_64-gnu/bin/python",
    ],
)
def test_version_managers_are_known(home, place):
    home.add("first/python3.7", tensorflow=False)
    path = home.add(place)
    assert home.find() == path


@pytest.mark.parametrize(
    ("variable", "value", "place"),
    [
        ("VIRTUAL_ENV", "venv", "venv/bin/python"),
        ("PYENV_ROOT", "elsewhere", "elsewhere/versions/3.6.1/bin/python"),
    ],
)
def test_places_that_the_environment_names(home, variable, value, place):
    home.environment[variable] = str(home.root / value)
    path = home.add(place, "3.6.1")
    assert home.find() == path


def test_path_comes_before_version_managers_before_a_virtual_environment(home):
    home.environment["VIRTUAL_ENV"] = str(home.root / "venv")
    paths = [
        home.add(place)
        for place in (
            "second/python3.7",
            ".pyenv/versions/3.7.1/bin/python",
            ".pyenv/versions/3.6.1/bin/python",
            "miniconda3/envs/a/bin/python",
            "opt/conda/envs/a/bin/python",
            ".local/share/uv/python/cpython-3.7/bin/python",
            "venv/bin/python",
        )
    ]
    assert [found.path for found in home.all()] == paths


@pytest.mark.parametrize(
    "body",
    [
        "echo 'pyenv: python3.7: command not found' >&2; exit 127",
        "echo 'Python 3.7.9'",
        'echo \'{"version": [3, 7], "tensorflow": true}\'',
        'echo \'{"executable": "x", "version": "3.7.9", "tensorflow": true}\'',
        "printf '\\377\\376'",
        "exit 0",
        "kill -9 $$",
    ],
)
def test_a_shim_that_does_not_answer_hides_nothing_behind_it(home, body):
    home.script("first/python3.7", body)
    behind = home.add("second/python3.7")
    assert [found.path for found in home.all()] == [behind]
    assert home.find() == behind


def test_one_that_hangs_is_left_out(home, monkeypatch):
    monkeypatch.setattr(interpreter, "SECONDS", 1.0)
    home.script("first/python3.7", "sleep 600")
    assert home.all() == []


def test_what_a_site_prints_before_the_answer_is_skipped(home):
    path = home.add("first/python3.7")
    path.write_text(path.read_text().replace("#!/bin/sh\n", "#!/bin/sh\necho hello from sitecustomize\n"))
    assert home.find() == path


def test_a_shim_and_what_is_behind_it_are_one(home):
    real = home.root / ".pyenv/versions/3.7.9/bin/python"
    shim = home.add("first/python3.7", executable=real)
    home.add(real)
    assert home.all() == [Interpreter(shim, "3.7.9", tensorflow=True)]


def test_files_that_cannot_be_executed_are_not_asked(home):
    home.add("first/python3.7").chmod(0o644)
    (home.root / "second/python3.7").mkdir(parents=True)
    assert home.all() == []


def test_candidates_get_the_environment(home):
    home.environment["MARK"] = "3"
    home.script(
        "first/python3.7",
        'echo "{\\"executable\\": \\"\\", \\"version\\": [$MARK, 7, 1], \\"tensorflow\\": false}"',
    )
    assert [found.version for found in home.all()] == ["3.7.1"]


@pytest.mark.parametrize(
    ("version", "inside"),
    [
        ("3.4.10", False),
        ("3.5.0", True),
        ("3.7.17", True),
        ("3.8.0", False),
        ("3.10.1", False),
        ("2.7.18", False),
    ],
)
def test_only_3_5_to_3_7_will_do(home, version, inside):
    path = home.add("miniconda3/envs/some/bin/python", version)
    (found,) = home.all()
    assert (found.in_range, found.suitable) == (inside, inside)
    if inside:
        assert home.find() == path
    else:
        with pytest.raises(InfrastructureError, match=f"{path} is Python {version}"):
            home.find()


def test_the_range_is_that_of_the_worker():
    assert (interpreter.OLDEST, interpreter.NEWEST) == (worker.OLDEST_PYTHON, worker.NEWEST_PYTHON)


def test_nothing_at_all_is_one_sentence_that_says_where_it_was_looked(home):
    with pytest.raises(InfrastructureError) as missing:
        home.find()
    sentence = str(missing.value)
    assert sentence.startswith(
        "no Python 3.5 to 3.7 with TensorFlow was found: looked for python3.7, python3.6"
    )
    assert all(word in sentence for word in ("pyenv", "conda", "uv", "VIRTUAL_ENV", "; found none; "))
    assert sentence.endswith("--device-option python=PATH")
    assert "\n" not in sentence


def test_what_was_found_lacking_is_said_the_nearest_first(home):
    for number in range(5):
        home.add(f"miniconda3/envs/{number}/bin/python", f"3.1{number}.0")
    near = home.add("opt/conda/envs/near/bin/python", tensorflow=False)
    with pytest.raises(InfrastructureError) as missing:
        home.find()
    sentence = str(missing.value)
    assert f"found that {near} (Python 3.7.9) has no TensorFlow, {home.root}/miniconda3/envs/0" in sentence
    assert "/envs/2/bin/python is Python 3.12.0 and 2 more; give" in sentence


def test_a_given_interpreter_is_taken_as_it_is(home):
    path = home.script("mine/python", "exit 1")
    assert home.find(str(path)) == path


def test_a_given_link_is_not_resolved(home):
    path = home.script("mine/python", "exit 1")
    (home.root / "venv").symlink_to(path)
    assert home.find(str(home.root / "venv")) == home.root / "venv"


def test_a_given_path_may_start_at_home_or_here_or_be_a_name(home, monkeypatch):
    path = home.script("second/cambricon-python", "exit 1")
    monkeypatch.chdir(home.root)
    for given in ("~/second/cambricon-python", "second/cambricon-python", "cambricon-python"):
        assert home.find(given) == path


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("/no/such/python", "is neither a file nor a program on PATH"),
        ("python9", "is neither a file nor a program on PATH"),
        ("", "is neither a file nor a program on PATH"),
        ("~/plain", "cannot be executed"),
        ("~/second", "cannot be executed"),
    ],
)
def test_a_given_one_that_is_no_program(home, given, why):
    (home.root / "plain").write_text("")
    (home.root / "second").mkdir()
    home.add("first/python3.7")
    sentence = f"^--device-option python={re.escape(given)} {why}; give the path of the vendor's Python$"
    with pytest.raises(UsageError, match=sentence):
        home.find(given)


def test_a_real_interpreter_answers_the_question():
    _, found = interpreter._asked(Path(sys.executable), os.environ)
    assert found == Interpreter(Path(sys.executable), platform.python_version(), tensorflow=True)


def finds(environment=os.environ):
    """Whether this Python, in this environment, says that it has the module."""
    question = interpreter.QUESTION.replace('"tensorflow")', '"tensorflow_of_nobody")')
    return json.loads(run_tool([sys.executable, "-c", question], environment=environment))["tensorflow"]


def test_a_folder_named_tensorflow_is_no_tensorflow(tmp_path, monkeypatch):
    """Neither the working directory nor a folder without a module in it."""
    (tmp_path / "tensorflow_of_nobody").mkdir()
    module = tmp_path / "tensorflow_of_nobody/__init__.py"
    module.write_text("raise SystemExit('imported')")
    monkeypatch.chdir(tmp_path)
    assert not finds()
    assert finds({**os.environ, "PYTHONPATH": str(tmp_path)})
    module.unlink()
    assert not finds({**os.environ, "PYTHONPATH": str(tmp_path)})


def test_modules_of_our_own_interpreter_are_not_the_candidates(tmp_path, monkeypatch):
    monkeypatch.setattr(interpreter, "QUESTION", interpreter.QUESTION.replace('"tensorflow")', '"mine")'))
    (tmp_path / "mine.py").write_text("")
    _, found = interpreter._asked(Path(sys.executable), {**os.environ, "PYTHONPATH": str(tmp_path)})
    assert not found.tensorflow


def test_the_question_is_of_the_grammar_of_python_3_5_and_imports_nothing_of_anybody():
    tree = ast.parse(interpreter.QUESTION, feature_version=(3, 5))
    names = [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
    assert sorted(names) == ["importlib.util", "json", "sys"]
