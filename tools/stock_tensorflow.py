r"""Make an environment with stock TensorFlow 1.15, to stand in for Cambricon's, and print its interpreter.

    pytest -m "mlu and own" --device=cambricon --device-option=allow-stock=1 \
        --device-option=python=$(python tools/stock_tensorflow.py .tox/stock)

It needs a CPython 3.6 or 3.7, found as the driver finds the vendor's, and an index to install packages from;
without them it says so in one sentence and exits 3. An environment that is there already is used again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from conformance.devices.cambricon.interpreter import interpreters
from conformance.errors import ConformanceError, InfrastructureError

TENSORFLOW = "1.15.5"
PACKAGES = (f"tensorflow=={TENSORFLOW}", "protobuf<3.21")
"""The newest protobuf that 3.6 and 3.7 can install is too new for the code that TensorFlow 1.15 ships."""
VERSIONS = ("3.7.", "3.6.")
"""Those that the wheels of this TensorFlow are for."""
QUESTION = "import tensorflow; print(tensorflow.__version__)"


def main(arguments: list[str] | None = None) -> int:
    """Make the environment and print its interpreter; return the exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("directory", type=Path, help="where the environment lies, or is made")
    try:
        python = made(parser.parse_args(arguments).directory.absolute())
    except ConformanceError as error:
        print(f"stock_tensorflow: {error}", file=sys.stderr)
        return error.exit_code
    print(python)
    return 0


def made(directory: Path) -> Path:
    """Return the interpreter of the environment in ``directory``, made unless it is there and works.

    Raises:
        InfrastructureError: there is no CPython to make it with, or a package cannot be installed.
    """
    python = directory / "bin/python"
    if not (python.exists() and works(python)):
        make = [str(base_interpreter()), "-m", "venv", "--clear", str(directory)]
        _run(make, "the environment cannot be made")
        install = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES]
        _run(install, f"{PACKAGES[0]} cannot be installed")
    if not works(python):
        raise InfrastructureError(f"{python} does not import TensorFlow {TENSORFLOW}; delete {directory}")
    return python


def base_interpreter() -> Path:
    """Return a CPython that the wheels are for.

    Raises:
        InfrastructureError: there is none.
    """
    found = interpreters(os.environ, Path.home())
    for version in VERSIONS:
        for interpreter in found:
            if interpreter.version.startswith(version):
                return interpreter.path
    raise InfrastructureError("no CPython 3.7 or 3.6 was found to install stock TensorFlow 1.15 for")


def works(python: Path) -> bool:
    """Return whether an interpreter imports this very TensorFlow."""
    asked = subprocess.run([python, "-c", QUESTION], capture_output=True, text=True, check=False)
    return asked.returncode == 0 and asked.stdout.strip() == TENSORFLOW


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise InfrastructureError(f"{failure} ({last[0]})")


if __name__ == "__main__":
    sys.exit(main())
