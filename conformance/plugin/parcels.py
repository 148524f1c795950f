"""What workers send to their controller, as texts that pytest-xdist can carry."""

from __future__ import annotations

from typing import Any

import msgspec

from conformance.errors import EXIT_USAGE, ConformanceError, InfrastructureError, UsageError
from conformance.plugin.journal import Account  # noqa: TC001 - msgspec reads the annotations


class Stop(msgspec.Struct, kw_only=True):
    """Why a worker ended the run.

    Attributes:
        sentence: for the user.
        exit_code: the error's.
    """

    sentence: str
    exit_code: int

    @property
    def error(self) -> ConformanceError:
        """The error that it was."""
        return (UsageError if self.exit_code == EXIT_USAGE else InfrastructureError)(self.sentence)


class Parcel(msgspec.Struct, kw_only=True):
    """What is new since a worker's last parcel.

    Attributes:
        worker: who sends it.
        account: what it says of its device, if it has one open.
        records: lines as :func:`conformance.runs.records.encode_record` writes them.
        benchmarks: what was timed, as pytest-benchmark describes it.
        stop: why the run must end.
    """

    worker: str
    account: Account | None = None
    records: list[str] = []
    benchmarks: list[dict[str, Any]] = []
    stop: Stop | None = None


def pack(parcel: Parcel) -> str:
    """Return a parcel as text."""
    return msgspec.json.encode(parcel, enc_hook=str).decode()


def unpack(text: str) -> Parcel:
    """Return the parcel of a text."""
    return msgspec.json.decode(text, type=Parcel)
