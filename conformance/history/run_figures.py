"""One run directory as a history needs it: its environment and its figures."""

from __future__ import annotations

import collections
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from conformance.errors import UsageError
from conformance.history.differences import flattened
from conformance.history.figures import EXACT_PSNR, NO_NUMBER
from conformance.judging.bounds import excess
from conformance.judging.verdicts import Reached
from conformance.runs.finished import whole_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from conformance.runs.environment import Environment
    from conformance.runs.finished import StoredRun
    from conformance.runs.records import Record

FAILING = ("deviates", "waived", "broken")


class SeriesKey(msgspec.Struct, frozen=True, order=True):
    """What a series is of."""

    network: str
    precision: str
    card: str
    figure: str


class RunFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a history keeps of a run.

    Attributes:
        started: when it started.
        environment: see :func:`conformance.history.differences.flattened`.
        values: its figures.
    """

    started: dt.datetime
    environment: dict[str, str]
    values: dict[SeriesKey, float]


def read_figures(path: Path) -> RunFigures:
    """Read a run directory.

    Raises:
        UsageError: it is damaged, was cut short, has no results, or is no run of its own.
    """
    run = whole_run(path)
    if not run.records or not run.environment.device:
        raise UsageError(f"run {path} judged nothing; leave it out")
    cards = _Cards(run.environment)
    return RunFigures(
        started=run.environment.started,
        environment=flattened(msgspec.to_builtins(run.environment)),
        values=dict([*_errors(run.records, cards), *_seconds(run, cards)]),
    )


class _Cards:
    """Which card judged what, as far as the environment says it."""

    def __init__(self, environment: Environment) -> None:
        machine = environment.machine
        where = f"on {machine.cpu} x {machine.cores}"
        self._first = _card(environment.device, where)
        self._used = [(used, _card(used.device, where)) for used in environment.devices]
        self._by_serial = {str(used.device.get("serial", "")): card for used, card in reversed(self._used)}

    def of(self, mode: str, precision: str) -> str:
        """Return the card that judged this, or all that shared the work, joined by ``+``."""
        judged = f"{mode} {precision}"
        return "+".join(sorted({card for used, card in self._used if judged in used.judged})) or self._first

    def of_serial(self, serial: str) -> str:
        """Return the card with this serial number."""
        return self._by_serial.get(serial, self._first)


def _card(device: dict[str, Any], where: str) -> str:
    """Return how a card is called: kind, model and serial number, or where it has none, its computer."""
    words = [device.get("kind"), device.get("model"), device.get("serial") or device.get("profile")]
    name = " ".join(str(word) for word in words if word)
    return name if device.get("serial") else f"{name} {where}"


def _errors(records: Sequence[Record], cards: _Cards) -> Iterator[tuple[SeriesKey, float]]:
    """Yield the figures of each network and precision that come from records."""
    groups: dict[tuple[str, str], list[Record]] = collections.defaultdict(list)
    for record in records:
        groups[record.network, record.precision].append(record)
    for (network, precision), found in groups.items():
        own, fused = ([item for item in found if item.mode == mode] for mode in ("own", "fused"))
        card = cards.of((own or fused or found)[0].mode, precision)
        failing = sum(item.outcome in FAILING for item in found)
        yield SeriesKey(network, precision, card, "failing"), float(failing)
        if any(item.bounds is not None for item in own):
            share = max(excess(item.needed, item.bounds) for item in own)
            yield SeriesKey(network, precision, card, "share"), min(share, NO_NUMBER)
        card = cards.of("fused", precision)
        for figure, value in _quality([item.reached for item in fused if item.reached is not None]):
            yield SeriesKey(network, precision, card, figure), value


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


def _seconds(run: StoredRun, cards: _Cards) -> Iterator[tuple[SeriesKey, float]]:
    """Yield device times: of each run one figure, for its rounds are no samples of their own."""
    for timing in run.timings:
        card = cards.of_serial(timing.card)
        yield SeriesKey(timing.network, timing.precision, card, "seconds"), timing.seconds
