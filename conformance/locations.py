"""Where the project's own data lies: inside an installed package, or at the root of a checkout."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSTALLED = (PACKAGE / "data").is_dir()
"""Whether this is a built package, which holds its data. A checkout never does: builds write elsewhere."""
PROJECT = PACKAGE / "data" if INSTALLED else PACKAGE.parent
"""The directory of everything below."""
FIXTURES = PROJECT / "fixtures"
NETWORKS = FIXTURES / "networks"
DEVICES = FIXTURES / "devices"
WAIVERS = FIXTURES / "waivers"
MARGINS = FIXTURES / "margins.toml"
GOLDENS = PROJECT / "goldens"
PYTEST_INI = PROJECT / "pytest.ini"
SUITE = PACKAGE / "suite"
IDEAL = "ideal"
"""The profile that attainable errors come from."""


def is_installed(path: Path) -> bool:
    """Whether a path lies inside an installation, where only an installer may write."""
    return INSTALLED and PACKAGE in path.resolve().parents
