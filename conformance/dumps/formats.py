"""The formats that tensors are dumped in: ``.npy`` keeps every bit, text as many decimals as it shows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FormatName = Literal["npy", "text", "text5"]
LINES = 1 << 16
"""Numbers formatted at once: many enough to be fast, few enough to need little memory."""


class Sink(Protocol):
    """What a tensor is written to."""

    def write(self, data: bytes, /) -> int:
        """Take all of ``data``."""
        ...


@dataclasses.dataclass(frozen=True)
class Format:
    """One format.

    Attributes:
        name: as ``--format`` takes it.
        suffix: of the files.
        resolution: how far a written number may be from the tensor's; 0 where every bit is kept.
        pattern: printf's, of a line of text; empty for ``.npy``.
    """

    name: FormatName
    suffix: str
    resolution: float = 0.0
    pattern: str = ""

    def write(self, sink: Sink, values: NDArray[np.float32]) -> None:
        """Write a tensor: text has one number per line, in row-major (NHWC) order."""
        if self.pattern:
            _write_lines(sink, values.reshape(-1), f"{self.pattern}\n")
        else:
            np.lib.format.write_array(sink, values, allow_pickle=False)


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("npy", ".npy"),
        Format("text", ".txt", 0.0005, "%8.3f"),
        Format("text5", ".txt", 0.000005, "%.5f"),
    )
}
"""By name, the default first. Source of the text formats: as of :mod:`conformance.dumps.names`."""


def _write_lines(sink: Sink, flat: NDArray[np.float32], line: str) -> None:
    for start in range(0, flat.size, LINES):
        numbers: list[Any] = flat[start : start + LINES].tolist()
        sink.write((line * len(numbers) % tuple(numbers)).encode("ascii"))
