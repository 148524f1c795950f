"""Builds the package with the data of the checkout: ``conformance/data`` stands for the root in a wheel."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
GOLDENS = ("manifest.json", "attainable.json")
"""What is committed of a network's goldens; tensors are made where they are used."""


class BuildWithData(build_py):
    """Builds the package anew, with fixtures, goldens' manifests and ``pytest.ini`` below ``data/``."""

    def run(self) -> None:
        """Build; an editable install reads the checkout instead."""
        if self.editable_mode:
            super().run()
            return
        package = Path(self.build_lib) / "conformance"
        shutil.rmtree(package, ignore_errors=True)  # an older build may hold what has been deleted since
        super().run()
        data = package / "data"
        hidden = shutil.ignore_patterns(".*", "*.lock")
        shutil.copytree(ROOT / "fixtures", data / "fixtures", ignore=hidden)
        shutil.copy(ROOT / "pytest.ini", data)
        for network in sorted(path.parent.name for path in data.glob("fixtures/networks/*/network.toml")):
            (data / "goldens" / network).mkdir(parents=True)
            for name in GOLDENS:
                shutil.copy(ROOT / "goldens" / network / name, data / "goldens" / network)


setup(cmdclass={"build_py": BuildWithData})
