"""What a page can be made of: a run directory, the file of a gate, of a history, of a probe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from conformance.errors import UsageError
from conformance.files import read_bytes
from conformance.html.gate_page import gate_page, read_gate
from conformance.html.history_page import history_page, read_history_file
from conformance.html.probe_page import probe_page
from conformance.html.run_page import run_page
from conformance.probing.result import read_probe
from conformance.runs.finished import is_run

if TYPE_CHECKING:
    from pathlib import Path

GIVE = "name a run directory, the file that --json of gate or track wrote, or a probe's JSON file"


class _Kind(msgspec.Struct):
    """What tells the files apart; their own readers look at the rest."""

    verdict: str | msgspec.UnsetType = msgspec.UNSET
    series: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET
    answers: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET


def page_of(path: Path) -> str:
    """Return the page of a run, a gate, a history or a probe.

    Raises:
        UsageError: it is none of them, or is damaged.
    """
    if path.is_dir():
        return _of_directory(path)
    kind = _kind(path)
    if kind.verdict is not msgspec.UNSET:
        return gate_page(read_gate(path), str(path))
    if kind.series is not msgspec.UNSET:
        return history_page(read_history_file(path), str(path))
    if kind.answers is not msgspec.UNSET:
        return probe_page(read_probe(path), str(path))
    raise UsageError(f"{path} is neither a gate nor a history nor a probe; {GIVE}")


def _of_directory(path: Path) -> str:
    if is_run(path):
        return run_page(path)
    if any(is_run(entry) for entry in path.iterdir()):
        raise UsageError(
            f"{path} holds runs but is none; name one of them, or what `mlu-conformance track {path} "
            "--json FILE` wrote"
        )
    raise UsageError(f"{path} holds no run; {GIVE}")


def _kind(path: Path) -> _Kind:
    if not path.exists():
        raise UsageError(f"{path} does not exist; {GIVE}")
    try:
        return msgspec.json.decode(read_bytes(path, "file"), type=_Kind)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} is neither a gate nor a history nor a probe ({error}); {GIVE}") from error
