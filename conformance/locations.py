"""Where the project's own data lies: fixtures and goldens beside the package."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
FIXTURES = PROJECT / "fixtures"
NETWORKS = FIXTURES / "networks"
DEVICES = FIXTURES / "devices"
WAIVERS = FIXTURES / "waivers"
MARGINS = FIXTURES / "margins.toml"
GOLDENS = PROJECT / "goldens"
IDEAL = "ideal"
"""The profile that attainable errors come from."""
