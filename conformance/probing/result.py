"""What a probe found; ``probe.json`` is this, word for word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from conformance.errors import UsageError
from conformance.files import read_json

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
PROBE = "probe.json"
PROFILE = "profile.toml"
"""The files of a probe."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Input = Annotated[float, msgspec.Meta(ge=-3.5e38, le=3.5e38)]

State = Literal["told", "same", "none", "rests", "lost"]
"""``told``: one value alone predicts every result. ``same``: several do, and all results. ``none``: no value
does. ``rests``: no prediction without an answer that was not found. ``lost``: there are no results."""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was found of one switch.

    Attributes:
        switch: its name.
        state: see :data:`State`.
        values: those that predict every result; one where ``told``.
        observation: the result that decided it, or what speaks against all, in words.
        deciding: how many single results differ between the alternatives.
        agreeing: how many of these are as the best value predicts.
        precisions: at which results decided.
    """

    switch: str
    state: State
    values: list[str] = []
    observation: str = ""
    deciding: Count = 0
    agreeing: Count = 0
    precisions: list[str] = []

    @property
    def value(self) -> str | None:
        """The value, where there is one; the first of several that give the same."""
        return self.values[0] if self.values else None

    @property
    def sure(self) -> str:
        """How sure it is, in words."""
        if self.state == "told":
            where = f" at {', '.join(self.precisions)}" if self.precisions else ""
            return f"{self.agreeing} of {self.deciding} results that tell the values apart{where}"
        return {"same": "not told apart", "none": "none fits", "rests": "open", "lost": "lost"}[self.state]


class Property(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something found beyond the switches.

    Attributes:
        subject: an operator, or what else it is of, such as ``Sum`` or ``conversion to half``.
        precisions: at which it was seen.
        words: what it is, in words.
        observation: the result that shows it.
        confirmed: of how many random results it predicts every bit, as ``32 of 32``; '' where not tried.
        digits: of an accumulator: its binary digits; None where no rounding was seen, and of other subjects.
        order: of a sum: the order of adding, a key of :data:`conformance.probing.orders.BY_WORDS`; '' where
            none shows, and of other subjects.
    """

    subject: str
    precisions: list[str]
    words: str
    observation: str = ""
    confirmed: str = ""
    digits: Count | None = None
    order: str = ""


class Curve(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How far a function is off along its inputs: of each stretch of them the worst place.

    Attributes:
        function: its operator.
        precisions: at which it was seen.
        inputs: on how many it was tried where the exact result is a normal number.
        x: the worst input of each stretch, rising.
        ulps: how far its result is off, in units in the last place.
    """

    function: str
    precisions: list[str]
    inputs: Count
    x: list[Input]
    ulps: list[Amount]

    def __post_init__(self) -> None:
        """Hold both lists together.

        Raises:
            ValueError: they are not of one length.
        """
        if len(self.x) != len(self.ulps):
            raise ValueError(f"{len(self.x)} x, but {len(self.ulps)} ulps")


class Explained(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much of a network's results the emulator with the profile found gives bit for bit.

    Attributes:
        network: its name.
        explained: nodes that have the same bits on every sample, over all precisions.
        nodes: nodes that were compared.
        others: nodes that differ, by operator, as ``OP at PRECISION``: how many of how many.
        named: of each of these, one node.
        bits: part of all single results that are the same, by precision.
    """

    network: str
    explained: Count
    nodes: Count
    others: dict[str, tuple[Count, Count]] = {}
    named: dict[str, str] = {}
    bits: dict[str, Share] = {}

    def __post_init__(self) -> None:
        """Hold the counts together.

        Raises:
            ValueError: more is explained than there is.
        """
        if self.explained > self.nodes:
            raise ValueError(f"{self.explained} nodes are explained of {self.nodes}")

    @property
    def in_words(self) -> str:
        """One line: the share, and what it lacks by operator."""
        lacks = "; ".join(f"{what} ({count} of {of})" for what, (count, of) in self.others.items())
        return f"explains {self.explained} of {self.nodes} nodes of {self.network}" + (
            f"; not explained: {lacks}" if lacks else ""
        )


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that a probe found.

    Attributes:
        format: version of this format.
        date: of the probe, as 2026-11-28.
        device: the device's information.
        answers: of every switch of the profile.
        properties: what else was found.
        curves: of functions.
        base: the profile that has the values of switches without an answer.
        compilations: how often a graph was compiled, by precision.
        seconds: wall time of the whole probe.
        processor: processor time of it, in seconds, of all cores; what a device in a process of its own, or a
            card, needs is not in it.
        declined: why precisions are not offered.
        lost: why experiments gave no result, by ``PRECISION EXPERIMENT``.
        explained: of a network that was not used to find anything; None where none was asked for.
    """

    date: str
    device: dict[str, Any]
    answers: list[Answer]
    base: str
    compilations: dict[str, Count]
    seconds: Amount
    processor: Amount = 0.0
    properties: list[Property] = []
    curves: list[Curve] = []
    declined: dict[str, str] = {}
    lost: dict[str, str] = {}
    explained: Explained | None = None
    format: int = FORMAT

    def answer(self, switch: str) -> Answer | None:
        """Return what was found of a switch."""
        return next((answer for answer in self.answers if answer.switch == switch), None)

    def property_of(self, subject: str, precision: str) -> Property | None:
        """Return what was found of something at a precision."""
        return next(
            (item for item in self.properties if item.subject == subject and precision in item.precisions),
            None,
        )

    @property
    def device_words(self) -> str:
        """The device, its driver and its firmware, in words."""
        device = self.device
        versions = [f"{key} {device[key]}" for key in ("driver", "firmware", "framework") if device.get(key)]
        simulated = ["SIMULATED"] if device.get("simulated") else []
        return ", ".join([f"{device.get('kind', '')} ({device.get('model', '')})", *versions, *simulated])


def kept_probe(run: Path) -> Probe | None:
    """Return the probe that a run directory keeps; None where it keeps none.

    Raises:
        UsageError: it is malformed.
    """
    return read_probe(run) if (run / PROBE).is_file() else None


def read_probe(path: Path) -> Probe:
    """Read ``probe.json``, or the one in a directory.

    Raises:
        UsageError: it is missing, malformed or of another format.
    """
    file = path / PROBE if path.is_dir() else path
    found = read_json(file, Probe, "probe")
    if found.format != FORMAT:
        raise UsageError(
            f"probe {file} has the format {found.format}, but this version reads {FORMAT}; probe the device "
            "again"
        )
    return found
