"""Finding the vendor's Python: CPython 3.5 to 3.7 with TensorFlow, wherever this machine keeps it.

Whether that TensorFlow is Cambricon's only the worker finds out, as it has to import it.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from conformance.devices.cambricon.cards import run_tool
from conformance.devices.cambricon.options import NOT_OURS
from conformance.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST, NEWEST = (3, 5), (3, 7)
NAMES = ("python3.7", "python3.6", "python3.5")
SYSTEM_CONDA = Path("/opt/conda")
PLACES = (
    f"{', '.join(NAMES)} on PATH, pyenv, conda and uv in the home directory, conda in {SYSTEM_CONDA}, and "
    "VIRTUAL_ENV"
)
SECONDS = 20.0
AT_ONCE = 8
SHOWN = 4
"""How many interpreters an error names; machines of developers have dozens."""
QUESTION = """
import importlib.util, json, sys
sys.path[:] = [entry for entry in sys.path if entry]
found = importlib.util.find_spec("tensorflow")
print(json.dumps({
    "executable": sys.executable,
    "version": list(sys.version_info[:3]),
    "tensorflow": bool(found and found.has_location),
}))
"""
"""Asked without the working directory, whose folder ``tensorflow`` is no TensorFlow; nothing is imported."""


@dataclasses.dataclass(frozen=True)
class Interpreter:
    """A Python that answered.

    Attributes:
        path: as it was found, not resolved: a virtual environment is its link.
        version: such as 3.7.9.
        tensorflow: whether it has a module of that name, of whatever version.
    """

    path: Path
    version: str
    tensorflow: bool

    @property
    def in_range(self) -> bool:
        """Whether the vendor's TensorFlow 1.x can run under it."""
        major, minor = map(int, self.version.split(".")[:2])
        return OLDEST <= (major, minor) <= NEWEST

    @property
    def suitable(self) -> bool:
        """Whether the worker may be started with it."""
        return self.in_range and self.tensorflow

    def __str__(self) -> str:
        has = "has TensorFlow" if self.tensorflow else "has no TensorFlow"
        return f"{self.path} (Python {self.version}) {has}"


class _Answer(msgspec.Struct):
    executable: str
    version: tuple[int, int, int]
    tensorflow: bool


def find_interpreter(given: str | None, environment: Mapping[str, str], home: Path) -> Path:
    """Return the interpreter for the worker.

    Args:
        given: path or name that the user gave, or None.
        environment: the variables of the process.
        home: the user's home directory.

    Raises:
        UsageError: what the user gave is no program.
        InfrastructureError: none was given, and none is suitable.
    """
    if given is not None:
        return _given(given, environment, home)
    found = interpreters(environment, home)
    for interpreter in found:
        if interpreter.suitable:
            return interpreter.path
    raise InfrastructureError(
        f"no Python 3.5 to 3.7 with TensorFlow was found: looked for {PLACES}; {_lacking(found)}; give the "
        "vendor's interpreter with --device-option python=PATH"
    )


def interpreters(environment: Mapping[str, str], home: Path) -> list[Interpreter]:
    """Return every Python that answers, in the order of preference, each once.

    A candidate that fails, hangs or answers something else, such as a shim of pyenv without a version behind
    it, is left out.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        asked = list(pool.map(lambda path: _asked(path, environment), _candidates(environment, home)))
    known: dict[str, Interpreter] = {}
    for executable, interpreter in filter(None, asked):
        known.setdefault(executable, interpreter)
    return list(known.values())


def _given(given: str, environment: Mapping[str, str], home: Path) -> Path:
    """Check what the user gave; a leading ~ is theirs, as no shell expands it after ``python=``."""
    path = str(home / given[2:]) if given.startswith("~/") else given
    found = shutil.which(path, path=environment.get("PATH", ""))
    if not found:
        why = (
            "cannot be executed"
            if path and Path(path).exists()
            else "is neither a file nor a program on PATH"
        )
        raise UsageError(f"--device-option python={given} {why}; give the path of the vendor's Python")
    return Path(os.path.abspath(found))  # noqa: PTH100 - resolve() would leave the virtual environment


def _candidates(environment: Mapping[str, str], home: Path) -> list[Path]:
    """Return the files that may be a suitable Python, each once."""
    active = [Path(environment["VIRTUAL_ENV"]) / "bin/python"] if environment.get("VIRTUAL_ENV") else []
    paths = itertools.chain(_on_path(environment), _managed(environment, home), active)
    return list(dict.fromkeys(path for path in paths if os.access(path, os.X_OK)))


def _on_path(environment: Mapping[str, str]) -> Iterator[Path]:
    """Find each name in every directory of PATH, as a shim in the first may hide a Python in the second."""
    for name in NAMES:
        for directory in filter(None, environment.get("PATH", "").split(os.pathsep)):
            yield Path(directory) / name


def _managed(environment: Mapping[str, str], home: Path) -> Iterator[Path]:
    """Find the interpreters of version managers, 3.7 before 3.6 before 3.5 in each.

    Source: the documented default places of pyenv, conda and uv.
    """
    pyenv = Path(environment.get("PYENV_ROOT") or home / ".pyenv")
    conda = [home / name for name in ("miniconda3", "anaconda3", ".conda")]
    uv = home / ".local/share/uv/python"
    yield from sorted(pyenv.glob("versions/3.[567]*/bin/python"), reverse=True)
    for root in (*conda, SYSTEM_CONDA):
        yield from sorted(root.glob("envs/*/bin/python"))
    yield from sorted(uv.glob("cpython-3.[567]*/bin/python"), reverse=True)


def _asked(path: Path, environment: Mapping[str, str]) -> tuple[str, Interpreter] | None:
    """Ask a candidate what it is, in the environment of a worker; what a site prints before is skipped."""
    kept = {name: value for name, value in environment.items() if name not in NOT_OURS}
    text = run_tool([str(path), "-c", QUESTION], seconds=SECONDS, environment=kept) or ""
    last = next(filter(None, reversed(text.split("\n"))), "")
    try:
        answer = msgspec.json.decode(last, type=_Answer)
    except (msgspec.DecodeError, ValueError):
        return None
    version = ".".join(map(str, answer.version))
    return answer.executable or str(path), Interpreter(path, version, answer.tensorflow)


def _lacking(found: list[Interpreter]) -> str:
    """Say what is wrong with each Python that was found, those of the right version first."""
    if not found:
        return "found none"
    ordered = sorted(found, key=lambda interpreter: not interpreter.in_range)
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return f"found that {', '.join(map(_lack, ordered[:SHOWN]))}{more}"


def _lack(interpreter: Interpreter) -> str:
    return str(interpreter) if interpreter.in_range else f"{interpreter.path} is Python {interpreter.version}"
