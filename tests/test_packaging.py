"""What is built: the package with the data of the checkout, used as an installation; what an sdist holds."""

import os
import shutil
import subprocess
import sys
import tarfile

import pytest
from support.suite_run import ROOT

from conformance import locations
from conformance.networks import network_names

NETWORKS = network_names(locations.NETWORKS)


def run(*command, cwd, **variables):
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MLU_CONFORMANCE_")
    }
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def built(source, to):
    done = run(sys.executable, "-W", "ignore", "setup.py", "-q", "build_py", "--build-lib", to, cwd=source)
    assert done.returncode == 0, done.stderr
    return to


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return built(ROOT, tmp_path_factory.mktemp("library"))


def files(directory):
    return {str(path.relative_to(directory)): path for path in directory.rglob("*") if path.is_file()}


@pytest.fixture
def installed(library, tmp_path):
    """Run the command line of the built package in an empty directory; return exit code, output, errors."""

    def call(*arguments):
        (tmp_path / "empty").mkdir(exist_ok=True)
        places = {"PYTHONPATH": str(library), "XDG_CACHE_HOME": str(tmp_path / "cache")}
        command = (sys.executable, "-m", "conformance.cli", *arguments)
        done = run(*command, cwd=tmp_path / "empty", **places)
        return done.returncode, done.stdout, done.stderr

    return call


def test_the_data_of_a_build_are_those_of_the_checkout(library):
    data = library / "conformance/data"
    for name, path in files(data).items():
        assert path.read_bytes() == (ROOT / name).read_bytes(), name
    committed = {f"fixtures/{name}" for name in files(ROOT / "fixtures") if not name.endswith(".lock")}
    committed |= {f"goldens/{name}/{file}.json" for name in NETWORKS for file in ("manifest", "attainable")}
    assert set(files(data)) == committed | {"pytest.ini"}


def test_the_code_of_a_build_is_that_of_the_checkout(library):
    kinds = (".py", ".html", ".css", ".js")
    code = {name for name in files(library) if name.endswith(kinds)}
    assert code == {f"conformance/{name}" for name in files(ROOT / "conformance") if name.endswith(kinds)}
    assert "conformance/html/templates/base.html" in code


def test_a_build_holds_nothing_of_an_older_one(library, tmp_path):
    old = shutil.copytree(library, tmp_path / "library")
    for name in ("conformance/deleted.py", "conformance/data/fixtures/networks/deleted/network.toml"):
        (old / name).parent.mkdir(exist_ok=True)
        (old / name).touch()
    assert set(files(built(ROOT, old))) == set(files(library))


def test_a_checkout_reads_its_own_data():
    assert not locations.INSTALLED
    assert ROOT == locations.PROJECT
    assert not locations.is_installed(locations.NETWORKS / "beautygan")


def test_an_sdist_holds_what_a_wheel_is_built_from(library, tmp_path):
    for name in ("conformance", "fixtures", "goldens"):
        ignored = shutil.ignore_patterns("__pycache__", "tensors", "*.lock")
        shutil.copytree(ROOT / name, tmp_path / "copy" / name, ignore=ignored)
    for path in ROOT.iterdir():
        if path.is_file() and not path.name.startswith("."):
            shutil.copy(path, tmp_path / "copy")
    done = run(
        sys.executable,
        "-W",
        "ignore",
        "setup.py",
        "-q",
        "sdist",
        "--dist-dir",
        tmp_path / "dist",
        cwd=tmp_path / "copy",
    )
    assert done.returncode == 0, done.stderr
    (archive,) = (tmp_path / "dist").iterdir()
    with tarfile.open(archive) as content:
        content.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    assert set(files(built(source, tmp_path / "library"))) == set(files(library))
    assert {"conftest.py", "pytest.ini", "tox.ini", "README.md", "LICENSE", "NOTICE"} <= set(files(source))


def test_an_installation_knows_its_networks_and_leaves_their_scales_alone(installed, library):
    before = {name: path.stat().st_mtime_ns for name, path in files(library).items()}
    code, text, _ = installed("nodes", "mobilenet")
    assert (code, "MobilenetV1/Conv2d_0/Conv2D" in text) == (0, True)
    code, text, error = installed("quantize", "mobilenet")
    assert (code, text, error.count("\n")) == (4, "", 1)
    assert "network 'mobilenet' came with the installation, which keeps its scales; copy" in error
    assert {name: path.stat().st_mtime_ns for name, path in files(library).items()} == before


def test_an_installation_has_the_suite_with_every_network(installed):
    code, text, error = installed("test", "--network=all", "--collect-only", "-q")
    assert code == 0, text + error
    for network in NETWORKS:
        assert f"conformance/suite/test_network.py::test_fused_outputs[{network}-int8-fp16]" in text
