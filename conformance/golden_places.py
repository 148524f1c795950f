"""Where a network's goldens lie: those of the project are read, new ones go where the user may write."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path

from conformance import __version__, locations
from conformance.errors import InfrastructureError

MANIFEST = "manifest.json"
TENSORS = "tensors"
CACHE = "XDG_CACHE_HOME"


@dataclasses.dataclass(frozen=True)
class GoldenPlaces:
    """Two directories for one network.

    Attributes:
        made: everything that is made goes there.
        shipped: read where ``made`` has neither the file nor a manifest of its own, and never written; None
            where everything lies in ``made``.
    """

    made: Path
    shipped: Path | None = None

    def find(self, file: str) -> Path:
        """Return the path of a file that is to be read; where there is none, the path at which to make it."""
        made = self.made / file
        if self.shipped is None or made.exists() or (self.made / MANIFEST).exists():
            return made
        return self.shipped / file if (self.shipped / file).exists() else made


def golden_places(network: str, source: Path, root: Path) -> GoldenPlaces:
    """Return where the goldens of a network lie.

    A directory of the user's own choice holds everything. So do the goldens of a checkout, unless they cannot
    be written; then, and in an installation, what is made goes to the user's cache.

    Args:
        network: its name.
        source: the directory of its ``network.toml``.
        root: the golden directory.

    Raises:
        InfrastructureError: the user has no cache.
    """
    kept = root / network
    if root != locations.GOLDENS or not (locations.INSTALLED or _is_read_only(kept)):
        return GoldenPlaces(kept)
    return GoldenPlaces(user_cache() / "goldens" / f"{network}-{_key(source, kept)}", kept)


def user_cache() -> Path:
    """Return the user's cache of this version.

    Source: XDG Base Directory Specification, by which a relative path in the environment means nothing.

    Raises:
        InfrastructureError: the user has no home directory.
    """
    try:
        given = Path(os.environ.get(CACHE, ""))
        base = given if given.is_absolute() else Path.home() / ".cache"
    except RuntimeError as error:
        raise InfrastructureError(
            f"goldens have no place: neither {CACHE} nor HOME is set; set one, or give --golden-dir"
        ) from error
    return base / "mlu-conformance" / __version__


def _key(source: Path, kept: Path) -> str:
    """Return what tells apart networks of one name, and builds of one network with other goldens."""
    path, manifest = source.resolve(), kept / MANIFEST
    parts = [
        b"" if path.parent == locations.NETWORKS else os.fsencode(path),
        manifest.read_bytes() if manifest.exists() else b"",
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:12]


def _is_read_only(kept: Path) -> bool:
    """Whether goldens cannot be made there."""
    places = [path for path in (kept / TENSORS, kept) if path.exists()]
    existing = places or [next(path for path in kept.parents if path.exists())]
    return not all(os.access(path, os.W_OK) for path in existing)
