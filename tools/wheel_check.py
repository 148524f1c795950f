"""Build the wheel, install it outside of the checkout, and use it there as a stranger would.

    python tools/wheel_check.py

Run it with an interpreter that has the project's dependencies, such as ``.tox/mlu/bin/python``: the fresh
environment borrows them, so that TensorFlow is not installed again, but not the project itself. All of it
happens in a temporary directory; the checkout is only read. Exits 1 at the first thing that is wrong.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("conformance", "fixtures", "goldens", "tests")
"""The directories that are built from, beside the files at the root."""
UNBUILT = (".*", "__pycache__", "*.egg-info", "tensors")
"""What a clean clone does not have in them."""
FOREIGN = ("PYTHON", "PYTEST_", "MLU_CONFORMANCE_")
"""Variables of the user's, by how they begin, that say nothing about the wheel."""

OUTSIDE = """
import sys
from importlib.machinery import PathFinder
from pathlib import Path
import conformance
here = Path(conformance.__file__).parents[1]
assert here.is_relative_to(sys.prefix), f"{here} is not the wheel"
others = [path for path in sys.path if path and Path(path) != here]
assert PathFinder.find_spec("conformance", others) is None, "the checkout can be imported, too"
assert not [name for name in sys.modules if name.startswith("__editable__")], "an editable install is at work"
"""
CONTRACT = """
from conformance.devices.base import DeviceRequest
from conformance.devices.contract import check_device
from conformance.devices.registry import open_device
check_device(lambda: open_device(DeviceRequest("emulator")))
"""
OWN_NETWORK = """
[network]
name = "mine"
graph = "frozen.pb"

[[input]]
name = "x"
files = ["x.npy"]

[[output]]
name = "out"
range = [-1.0, 1.0]

[acceptance]
cosine = 0.999
psnr = 30.0
"""


def main() -> None:
    """Check everything."""
    with tempfile.TemporaryDirectory(prefix="mlu-conformance-wheel-") as directory:
        place = Path(directory)
        wheel = build(place)
        check(Installation.of(wheel, place), place)
    say("the wheel works")


def build(place: Path) -> Path:
    """Return a wheel that was built from a copy of the checkout, and demand that the sdist gives the same."""
    copy = copied(place / "copy")
    called(sys.executable, "-W", "ignore", "setup.py", "-q", "sdist", "--dist-dir", place / "sdist", cwd=copy)
    (sdist,) = (place / "sdist").iterdir()
    wheels = [wheel_of(source, place / name) for source, name in ((copy, "direct"), (sdist, "by-sdist"))]
    direct, by_sdist = (set(zipfile.ZipFile(path).namelist()) for path in wheels)
    demand(direct == by_sdist, f"wheels of checkout and sdist differ in {sorted(direct ^ by_sdist)}")
    say(f"{wheels[0].name}: {len(direct)} files, {wheels[0].stat().st_size / 1e6:.1f} MB")
    return wheels[0]


def copied(to: Path) -> Path:
    """Copy what is built as a clean clone has it."""
    for name in SOURCES:
        shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns(*UNBUILT))
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, to)
    return to


def wheel_of(source: Path, directory: Path) -> Path:
    """Build the wheel of a directory or sdist as pip does, and return it."""
    called(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", directory, source)
    (wheel,) = directory.iterdir()
    return wheel


@dataclasses.dataclass(frozen=True)
class Installation:
    """A fresh environment with the wheel.

    Attributes:
        prefix: of the environment.
        directory: an empty directory, in which commands run.
        cache: the user's.
    """

    prefix: Path
    directory: Path
    cache: Path

    @classmethod
    def of(cls, wheel: Path, place: Path) -> Installation:
        """Install a wheel, then let the environment borrow the packages of this one."""
        made = cls(place / "venv", place / "empty", place / "cache")
        made.directory.mkdir()
        venv.create(made.prefix, symlinks=True)
        python = made.prefix / "bin/python"
        called(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", wheel)
        borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (made.packages / "borrowed.pth").write_text("\n".join(sorted(borrowed)) + "\n", encoding="utf-8")
        return made

    @property
    def packages(self) -> Path:
        """Where the wheel is installed."""
        (packages,) = self.prefix.glob("lib/python*/site-packages")
        return packages

    def files(self) -> dict[Path, int]:
        """Return every file of the installation with the time of its last change."""
        return {path: path.stat().st_mtime_ns for path in self.packages.rglob("*") if path.is_file()}

    def command(self, *arguments: object, code: int = 0) -> str:
        """Run ``mlu-conformance`` and return its output."""
        return self._run("mlu-conformance", *arguments, code=code)

    def python(self, program: str) -> str:
        """Run a program."""
        return self._run("python", "-W", "ignore", "-c", program)

    def _run(self, name: str, *arguments: object, code: int = 0) -> str:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        environment = kept | {"XDG_CACHE_HOME": str(self.cache), "PYTHONDONTWRITEBYTECODE": "1"}
        command = (self.prefix / "bin" / name, *arguments)
        return called(*command, cwd=self.directory, env=environment, code=code)


def check(installed: Installation, place: Path) -> None:
    """Use the installation."""
    before = installed.files()
    installed.python(OUTSIDE)
    demand(
        "generator/xs" in installed.command("nodes", "beautygan"), "nodes does not name BeautyGAN's output"
    )
    demand("mlu270" in installed.command("devices"), "devices does not name the profiles")
    installed.python(CONTRACT)
    run, page = f"--run-dir={place / 'run'}", place / "run.html"
    installed.command("test", "--network=mobilenet", "-m", "mlu and own and int16 and fp32", "-q", run)
    installed.command("report", place / "run", "-o", page)
    demand("CONFORMS" in page.read_text(encoding="utf-8"), f"{page} does not say that the run conforms")
    refused = installed.command("quantize", "mobilenet", code=4)
    demand("came with the installation" in refused, f"quantize refuses otherwise: {refused}")
    check_own_network(installed, write_network(place / "mine"))
    demand(installed.files() == before, "a command has written into the installation")
    demand(any(installed.cache.rglob("*.npy")), "no golden lies in the user's cache")


def check_own_network(installed: Installation, network: Path) -> None:
    """Make and judge a network of a user's, by name of its directory alone."""
    installed.command("quantize", network)
    made = installed.command("golden", network)
    demand(str(installed.cache) in made, f"golden does not write to the user's cache: {made}")
    judged = installed.command("test", f"--network-path={network}", "-m", "mlu and int16 and fp32")
    demand("conforms" in judged, f"nothing was judged: {judged}")


def write_network(directory: Path) -> Path:
    """Write a small network as a user would have it: a frozen graph of stock TensorFlow, and its input."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np
    import tensorflow as tf

    directory.mkdir()
    random = np.random.default_rng(1)
    with tf.Graph().as_default() as graph:
        image = tf.compat.v1.placeholder(tf.float32, (1, 8, 8, 3), name="x")
        filters = tf.constant(random.normal(0, 0.2, (3, 3, 3, 16)).astype(np.float32))
        hidden = tf.nn.relu(tf.nn.conv2d(image, filters, 1, "SAME"))
        weights = tf.constant(random.normal(0, 0.05, (8 * 8 * 16, 4)).astype(np.float32))
        tf.tanh(tf.matmul(tf.reshape(hidden, (1, -1)), weights), name="out")
    (directory / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    np.save(directory / "x.npy", random.uniform(-1, 1, (1, 8, 8, 3)).astype(np.float32))
    (directory / "network.toml").write_text(OWN_NETWORK, encoding="utf-8")
    return directory


def called(
    *command: object, code: int = 0, cwd: Path | None = None, env: dict[str, str] | None = None
) -> str:
    """Run a command and return what it says; end the check unless it ends with ``code``."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words,
        cwd=cwd,
        env=env,
        check=False,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    shown = shlex.join([Path(words[0]).name, *(word.strip().partition("\n")[0] for word in words[1:])])
    demand(done.returncode == code, f"{shown} ended with {done.returncode}, not {code}:\n{done.stdout}")
    say(f"ok: {shown}")
    return done.stdout


def demand(fact: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assert that stays under -O
    """End the check with one sentence unless something holds."""
    if not fact:
        sys.exit(f"FAILED: {otherwise}")


def say(text: str) -> None:
    """Print a line at once."""
    print(text, flush=True)


if __name__ == "__main__":
    main()
