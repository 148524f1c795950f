"""One run directory as a history needs it: its environment and its figures, whatever version wrote it.

Runs of years are read together, so entries that this version does not know are no error here; that a run is
damaged, was cut short, or is not a whole run, is.
"""

from __future__ import annotations

import collections
import datetime as dt
import math
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UsageError
from conformance.files import read_bytes
from conformance.history.differences import flattened
from conformance.history.figures import EXACT_PSNR, NO_NUMBER
from conformance.judging.bounds import ErrorValues, excess
from conformance.judging.verdicts import Reached
from conformance.runs.directory import ENVIRONMENT, RECORDS
from conformance.runs.merged_run import TIMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

FILES = (ENVIRONMENT, RECORDS, TIMES)
"""What is read of a run directory."""
FAILING = ("deviates", "waived", "broken")


class Broken(Exception):  # noqa: N818 - it says what a run is
    """A run that cannot be part of a history; its text says why."""


class Value(msgspec.Struct, frozen=True):
    """A figure of a run: of which network at which precision on which card, which one, and its value."""

    network: str
    precision: str
    card: str
    figure: str
    value: float


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a history keeps of a run.

    Attributes:
        started: when it started.
        environment: see :func:`conformance.history.differences.flattened`.
        values: its figures.
    """

    started: dt.datetime
    environment: dict[str, str]
    values: list[Value]


class _Record(msgspec.Struct):
    """What is needed of a record; read in half the time that a whole one takes."""

    case: str
    network: str
    precision: str
    mode: str
    outcome: str
    needed: ErrorValues | None = None
    bounds: ErrorValues | None = None
    reached: Reached | None = None


class _Used(msgspec.Struct):
    process: str
    device: dict[str, Any]
    judged: list[str] = []


class _Environment(msgspec.Struct):
    started: dt.datetime
    device: dict[str, Any]
    machine: dict[str, Any]
    devices: list[_Used] = []
    shard: dict[str, Any] | None = None
    judged_from: dict[str, Any] | None = None


class _Stats(msgspec.Struct):
    data: list[float]


class _Benchmark(msgspec.Struct):
    extra_info: dict[str, Any]
    stats: _Stats


class _Times(msgspec.Struct):
    benchmarks: list[_Benchmark]


_RECORDS = msgspec.json.Decoder(_Record)
_ENVIRONMENT = msgspec.json.Decoder(_Environment)
_TIMES = msgspec.json.Decoder(_Times)
_PLAIN = msgspec.json.Decoder(dict[str, Any])


def read_figures(path: Path) -> RunFigures:
    """Read a run directory.

    Raises:
        Broken: it is damaged, was cut short, judged nothing, or is no run of its own.
    """
    content = _content(path / ENVIRONMENT)
    environment = _decoded(_ENVIRONMENT, content, ENVIRONMENT)
    _require_whole(environment)
    records = _records(_content(path / RECORDS))
    times = _times(path / TIMES)
    cards = _Cards(environment)
    values = [*_errors(records, cards), *_seconds(times, cards)]
    return RunFigures(
        started=environment.started,
        environment=flattened(_decoded(_PLAIN, content, ENVIRONMENT)),
        values=values,
    )


def _content(path: Path) -> bytes:
    if not path.exists():
        raise Broken(f"{path.name} is missing")
    try:
        return read_bytes(path, path.name)
    except UsageError as error:
        raise Broken(str(error)) from error


def _decoded(decoder: msgspec.json.Decoder[Any], content: bytes, name: str) -> Any:
    try:
        return decoder.decode(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise Broken(f"{name} is malformed: {error}") from error


def _require_whole(environment: _Environment) -> None:
    if environment.shard is not None:
        number = f"{environment.shard.get('index')}/{environment.shard.get('total')}"
        raise Broken(f"it is shard {number} of a run; `mlu-conformance merge` makes the run")
    if environment.judged_from is not None:
        raise Broken(f"it was judged again from {environment.judged_from.get('run')}, which is the run")
    if not environment.device:
        raise Broken("no device was opened")
    if environment.started.tzinfo is None:
        raise Broken(f"{ENVIRONMENT} has a start without a time zone")


def _records(content: bytes) -> list[_Record]:
    if not content.endswith(b"\n"):
        last = "has no records" if not content else "is cut short: its last line has no end"
        raise Broken(f"{RECORDS} {last}")
    try:
        records = _RECORDS.decode_lines(content)
    except (msgspec.DecodeError, ValueError) as error:
        raise Broken(f"{RECORDS} is malformed: {error}") from error
    if len({record.case for record in records}) != len(records):
        raise Broken(f"{RECORDS} has a case twice")
    return records


def _times(path: Path) -> list[_Benchmark]:
    if not path.exists():
        return []
    found: list[_Benchmark] = _decoded(_TIMES, _content(path), path.name).benchmarks
    return found


class _Cards:
    """Which card judged what, by the process that said so."""

    def __init__(self, environment: _Environment) -> None:
        self._first = card_of(environment.device, environment.machine)
        self._used = [(used, card_of(used.device, environment.machine)) for used in environment.devices]
        self._by_process = {used.process: card for used, card in self._used}

    def of(self, mode: str, precision: str, process: str | None = None) -> str:
        """Return the card, or all that share the work, joined by ``+``."""
        if process in self._by_process:
            return self._by_process[process]
        judged = f"{mode} {precision}"
        return "+".join(sorted({card for used, card in self._used if judged in used.judged})) or self._first


def card_of(device: dict[str, Any], machine: dict[str, Any]) -> str:
    """Return how a card is called: kind, model and serial number, or where it has none, its computer."""
    name = " ".join(filter(None, (str(device.get("kind") or ""), str(device.get("model") or ""))))
    if serial := device.get("serial"):
        return f"{name} {serial}"
    profile = f" {device['profile']}" if device.get("profile") else ""
    return f"{name}{profile} on {machine.get('cpu')} x {machine.get('cores')}"


def _errors(records: Sequence[_Record], cards: _Cards) -> Iterator[Value]:
    """Yield the figures of each network and precision that come from records."""
    groups: dict[tuple[str, str], list[_Record]] = collections.defaultdict(list)
    for record in records:
        groups[record.network, record.precision].append(record)
    for (network, precision), found in groups.items():
        own, fused = ([item for item in found if item.mode == mode] for mode in ("own", "fused"))
        failing = float(sum(item.outcome in FAILING for item in found))
        yield Value(network, precision, cards.of(found[0].mode, precision), "failing", failing)
        if any(item.bounds is not None for item in own):
            share = min(max(excess(item.needed, item.bounds) for item in own), NO_NUMBER)
            yield Value(network, precision, cards.of("own", precision), "share", share)
        card = cards.of("fused", precision)
        for figure, value in _quality([item.reached for item in fused if item.reached is not None]):
            yield Value(network, precision, card, figure, value)


def _quality(reached: Sequence[Reached]) -> Iterator[tuple[str, float]]:
    """Yield the figures of the worst output; of a part of right answers, of those that give answers."""
    worst = Reached.worst(reached)
    if worst is None:
        return
    yield "psnr", EXACT_PSNR if worst.psnr is None else worst.psnr
    if worst.cosine is not None:
        yield "cosine_distance", max(1.0 - worst.cosine, 0.0)
    if worst.answers is not None:
        yield "answers", worst.answers


def _seconds(times: Iterable[_Benchmark], cards: _Cards) -> Iterator[Value]:
    """Yield device times: of each run the median of its rounds, which are no samples of their own."""
    for benchmark in times:
        about, rounds = benchmark.extra_info, benchmark.stats.data
        network, precision = str(about.get("network") or ""), str(about.get("precision") or "")
        if not (network and precision):
            raise Broken(f"{TIMES} has a time without network or precision")
        if not rounds or not all(math.isfinite(value) and value > 0 for value in rounds):
            raise Broken(f"{TIMES} has a time of {network} at {precision} that is none: {rounds}")
        card = cards.of("fused", precision, about.get("worker"))
        yield Value(network, precision, card, "seconds", statistics.median(rounds))
