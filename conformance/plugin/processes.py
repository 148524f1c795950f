"""Which process this is: the only one, the controller of pytest-xdist's workers, or one of the workers.

Nothing here or in the other modules of the plugin needs pytest-xdist, unless it is at work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import MutableMapping

WORKERS = pytest.StashKey[int]()

OURS = "mlu_conformance"
"""What is ours among that which pytest-xdist carries between processes."""


def is_worker(config: pytest.Config) -> bool:
    """Whether this process judges for a controller."""
    return hasattr(config, "workerinput")


def worker_name(config: pytest.Config) -> str:
    """Return a worker's name, such as ``gw0``."""
    return str(worker_input(config)["workerid"])


def worker_input(config: pytest.Config) -> MutableMapping[str, Any]:
    """Return what the controller told this worker when it started it."""
    return cast("MutableMapping[str, Any]", config.workerinput)  # type: ignore[attr-defined] # pytest-xdist's


def worker_output(config: pytest.Config) -> MutableMapping[str, Any]:
    """Return what the controller gets when this worker has ended."""
    return cast("MutableMapping[str, Any]", config.workeroutput)  # type: ignore[attr-defined] # pytest-xdist's


def workers_of(config: pytest.Config) -> int:
    """Return how many workers this process controls; 0 where it judges by itself."""
    return config.stash.get(WORKERS, 0)
