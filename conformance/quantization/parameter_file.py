"""The quantisation parameter file of Cambricon's TensorFlow, read and written.

::

    bit_width:8
    quant_mode:naive

    convfirst_param:
    {
    node_name: conv1/Conv2D
    mean:124, 116, 127
    std: 1,1,1
    color_mode: rgb
    }

    scale_map:
    {
    conv1/Conv2D/input:0.913669
    conv1/Conv2D/filter:180.315
    }

The header comes first; ``convfirst_param``, which folds preprocessing into the first convolution, is
optional. Scales come in any order. Blank lines mean nothing.

Source: the files published with CambriconECO/TensorFlow_Resnet50_Inference.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import TYPE_CHECKING, NoReturn

from conformance.errors import UsageError, near_names
from conformance.files import read_bytes, sha256, write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

BIT_WIDTHS = (8, 16)
MODES = ("naive",)
TENSORS = ("input", "filter")

_NODE = r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*"
_KEY = re.compile(rf"{_NODE}/(?:{'|'.join(TENSORS)})")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_CONVFIRST = "convfirst_param:"
_SCALE_MAP = "scale_map:"


@dataclasses.dataclass(frozen=True)
class QuantizationScales:
    """What a quantisation parameter file says.

    Attributes:
        bits: fixed-point bits of every input and filter, 8 or 16.
        scales: scale of every tensor, by ``NODE/input`` or ``NODE/filter``; x · scale is fixed point.
        mode: how the scales were found; only ``naive`` (from the largest absolute value) exists.
        convfirst: the lines of the ``convfirst_param`` block as read, with its braces; empty if none.
        lines: the line of every scale that was read from a file; no part of equality.
        end: the line that closes the scales, 0 if they were not read; no part of equality.

    Raises:
        ValueError: a value that the file cannot hold.
    """

    bits: int
    scales: Mapping[str, float]
    mode: str = "naive"
    convfirst: tuple[str, ...] = ()
    lines: Mapping[str, int] = dataclasses.field(default_factory=dict, compare=False, repr=False)
    end: int = dataclasses.field(default=0, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.bits not in BIT_WIDTHS:
            raise ValueError(f"the bit width is one of {_listed(BIT_WIDTHS)}, not {self.bits!r}")
        if self.mode not in MODES:
            raise ValueError(f"the mode is one of {_listed(MODES)}, not {self.mode!r}")
        for key, scale in self.scales.items():
            if not _KEY.fullmatch(key):
                raise ValueError(f"a scale belongs to NODE/input or NODE/filter, not to {key!r}")
            if not (math.isfinite(scale) and scale > 0):
                raise ValueError(f"the scale of {key} must be finite and positive, not {scale!r}")


def as_written(scale: float) -> float:
    """Return ``scale`` as the file holds it: rounded to 6 significant digits (C++ default formatting)."""
    return float(_formatted(scale))


def format_scales(scales: QuantizationScales) -> str:
    """Return the text of the file; scales keep their order and are written with 6 significant digits."""
    convfirst = ["", *scales.convfirst, ""] if scales.convfirst else []
    written = [f"{key}:{_formatted(scale)}" for key, scale in scales.scales.items()]
    header = [f"bit_width:{scales.bits}", f"quant_mode:{scales.mode}"]
    return "\n".join([*header, *convfirst, _SCALE_MAP, "{", *written, "}", ""])


def scales_sha256(scales: QuantizationScales) -> str:
    """Return the SHA-256 of the file that holds ``scales``."""
    return sha256(format_scales(scales).encode())


def write(path: Path, scales: QuantizationScales) -> None:
    """Write ``scales`` to ``path``, whole or not at all."""
    write_text_atomically(path, format_scales(scales))


def read(path: Path) -> QuantizationScales:
    """Read ``path``.

    Raises:
        UsageError: it cannot be read, is not text, or is malformed; see :func:`parse`.
    """
    data = read_bytes(path, "quantisation parameter file")
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(
            f"{path}:{line}: byte 0x{data[error.start]:02x} is not text; give a quantisation parameter file"
        ) from error
    return parse(text, str(path))


def parse(text: str, source: str) -> QuantizationScales:
    """Return what ``text`` says.

    Args:
        text: the whole file.
        source: where it comes from, for the errors.

    Raises:
        UsageError: a header entry is missing, doubled or has an unknown value; a brace is missing; a line is
            none of the format's; a scale is doubled, or is not a finite positive number; there is no
            ``scale_map``. The error names source and line.
    """
    return _Parser(text, source).parse()


def check_against(
    scales: QuantizationScales, expected_keys: Sequence[str], source: str, remedy: str = "calibrate again"
) -> None:
    """Check that there is a scale for every tensor of the graph and for no other.

    Args:
        scales: what was read.
        expected_keys: ``NODE/input`` and ``NODE/filter`` of every fixed-point operator of the graph.
        source: where ``scales`` come from, for the errors.
        remedy: what to do, for the errors.

    Raises:
        UsageError: a scale belongs to no tensor of the graph, or a tensor has none; the error names the line.
    """
    expected, known = list(expected_keys), set(expected_keys)
    unknown = [key for key in scales.scales if key not in known]
    if unknown:
        raise UsageError(
            f"{_place(source, scales.lines.get(unknown[0], 0))}: the graph has no fixed-point tensor "
            f"{_among(unknown)}{near_names(unknown[0], expected)}; {remedy}"
        )
    missing = [key for key in expected if key not in scales.scales]
    if missing:
        raise UsageError(
            f"{_place(source, scales.end)}: there is no scale of {_among(missing)}"
            f"{near_names(missing[0], list(scales.scales))}; {remedy}"
        )


def _place(source: str, line: int) -> str:
    return f"{source}:{line}" if line else source


def _among(keys: Sequence[str]) -> str:
    """Return the first of ``keys`` and how many there are besides."""
    return repr(keys[0]) if len(keys) == 1 else f"{keys[0]!r} ({len(keys)} such tensors)"


def _formatted(scale: float) -> str:
    return f"{scale:.6g}"


def _listed(known: Sequence[object]) -> str:
    return ", ".join(map(str, known))


class _Parser:
    """Reads the lines one after the other; ``_number`` is the line at hand, counted from 1."""

    def __init__(self, text: str, source: str) -> None:
        self._lines = [line.removesuffix("\r") for line in text.split("\n")]
        if self._lines[-1] == "":
            self._lines.pop()
        self._source = source
        self._number = 0
        self._header: dict[str, str] = {}
        self._convfirst: tuple[str, ...] = ()
        self._scales: dict[str, float] = {}
        self._scale_lines: dict[str, int] = {}
        self._end = 0

    def parse(self) -> QuantizationScales:
        blocks: dict[str, Callable[[], None]] = {
            _CONVFIRST: self._read_convfirst,
            _SCALE_MAP: self._read_scale_map,
        }
        seen: set[str] = set()
        while (line := self._next()) is not None:
            if line not in blocks:
                self._read_header(line)
                continue
            if line in seen:
                self._fail(f"a second {line!r} block; leave one")
            seen.add(line)
            self._check_header(f"before {line!r}")
            blocks[line]()
        self._check_header("in the file")
        if _SCALE_MAP not in seen:
            self._fail(
                "there is no 'scale_map:'; it is written when the calibrating session closes, so close it"
                " and calibrate again"
            )
        return QuantizationScales(
            bits=int(self._header["bit_width"]),
            mode=self._header["quant_mode"],
            scales=self._scales,
            convfirst=self._convfirst,
            lines=self._scale_lines,
            end=self._end,
        )

    def _next(self) -> str | None:
        """Go to the next line that is not blank and return it without outer spaces; None at the end."""
        while self._number < len(self._lines):
            self._number += 1
            line = self._lines[self._number - 1].strip()
            if line:
                return line
        return None

    def _fail(self, what: str) -> NoReturn:
        raise UsageError(f"{self._source}:{max(self._number, 1)}: {what}")

    def _read_header(self, line: str) -> None:
        known: dict[str, Sequence[object]] = {"bit_width": BIT_WIDTHS, "quant_mode": MODES}
        name, colon, value = (part.strip() for part in line.partition(":"))
        if not colon or name not in known:
            names = [*known, _CONVFIRST[:-1], _SCALE_MAP[:-1]]
            self._fail(
                f"{_shown(line)} is no entry of a quantisation parameter file{near_names(name, names)}"
            )
        if name in self._header:
            self._fail(f"a second {name!r}; leave one")
        if value not in map(str, known[name]):
            self._fail(f"{name} is {_shown(value)} but must be one of {_listed(known[name])}")
        self._header[name] = value

    def _check_header(self, where: str) -> None:
        for name in ("bit_width", "quant_mode"):
            if name not in self._header:
                self._fail(f"{name!r} is missing {where}; the header comes first")

    def _open_brace(self, block: str) -> None:
        line = self._next()
        if line != "{":
            found = "the file ends" if line is None else f"there is {_shown(line)}"
            self._fail(f"'{{' is missing after {block!r}: {found}")

    def _in_block(self, block: str) -> str:
        """Return the next line of a block, the closing brace included."""
        line = self._next()
        if line is None or line in {"{", _CONVFIRST, _SCALE_MAP}:
            found = "the file ends" if line is None else f"there is {line!r}"
            self._fail(f"'}}' is missing at the end of {block!r}: {found}")
        return line

    def _read_convfirst(self) -> None:
        first = self._number
        self._open_brace(_CONVFIRST)
        while self._in_block(_CONVFIRST) != "}":
            pass
        self._convfirst = tuple(self._lines[first - 1 : self._number])

    def _read_scale_map(self) -> None:
        self._open_brace(_SCALE_MAP)
        while (line := self._in_block(_SCALE_MAP)) != "}":
            self._read_scale(line)
        self._end = self._number

    def _read_scale(self, line: str) -> None:
        key, colon, value = (part.strip() for part in line.rpartition(":"))
        if not colon:
            self._fail(f"{_shown(line)} is not of the form NODE/input:SCALE or NODE/filter:SCALE")
        if not _KEY.fullmatch(key):
            self._fail(f"{_shown(key)} is neither NODE/input nor NODE/filter of a graph's node")
        if key in self._scales:
            self._fail(f"a second scale of {key!r}, the first is in line {self._scale_lines[key]}; leave one")
        self._scales[key] = self._scale(key, value)
        self._scale_lines[key] = self._number

    def _scale(self, key: str, value: str) -> float:
        if not (_NUMBER.fullmatch(value) or _NOT_FINITE.fullmatch(value)):
            self._fail(f"the scale of {key!r} is {_shown(value)}, which is not a number")
        scale = float(value)
        if not (math.isfinite(scale) and scale > 0):
            self._fail(
                f"the scale of {key!r} is {_shown(value)} but must be finite and positive; calibrate again"
            )
        return scale


def _shown(text: str) -> str:
    """Return ``text`` for an error, cut so that a file of another kind does not flood the terminal."""
    longest = 60
    return repr(text if len(text) <= longest else text[:longest] + "…")
