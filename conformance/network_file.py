"""``network.toml``: every table and key of it, checked when it is read."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

import msgspec

from conformance.judging.answers import Answers
from conformance.judging.verdicts import Acceptance
from conformance.weights import Weights

FILE = "network.toml"

NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""Of what the name of a network may be made."""
LONGEST_NAME = 100
"""Characters of it: files and directories are called after it, with more behind."""


def _node(name: str) -> str:
    """Return the node of a tensor ``node:0``; there is no word for its other outputs."""
    node, _, output = name.partition(":")
    if output not in ("", "0"):
        raise ValueError(
            f"{name!r} is output {output} of node {node!r}, but only a node's first output is used; name "
            f"another node, such as an Identity that takes {name!r}"
        )
    return node


class Header(msgspec.Struct, forbid_unknown_fields=True):
    """``[network]``: what it is called and where its graph lies.

    ``key`` holds names and globs of key nodes beside those that the graph's structure shows.
    """

    name: str
    graph: str
    description: str = ""
    weights_seed: int = 0
    key: list[str] = []

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} may hold a-z, A-Z, 0-9, '_', '.' and '-', and nothing else")
        if self.name[0] in ".-":  # a directory, hidden, or an option of a command
            raise ValueError(f"name {self.name!r} may not start with {self.name[0]!r}")
        if len(self.name) > LONGEST_NAME:
            raise ValueError(f"name {self.name!r} is longer than {LONGEST_NAME} characters")


class Input(msgspec.Struct, forbid_unknown_fields=True):
    """``[[input]]``: a placeholder and the files that feed it, one per sample.

    A PNG or JPEG of ``size`` (height, width) becomes ``pixel·scale + offset`` in float32, shape
    (1, height, width, channels): 3 for colours, 1 for shades of grey; a ``.npy`` file is fed as it is,
    scaled the same way.
    """

    name: str
    files: Annotated[list[str], msgspec.Meta(min_length=1)]
    size: tuple[int, int] | None = None
    channels: Literal[1, 3] = 3
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        self.name = _node(self.name)
        if not (math.isfinite(self.scale) and self.scale and math.isfinite(self.offset)):
            raise ValueError(f"scale {self.scale} should be finite and not 0, offset {self.offset} finite")


class Output(msgspec.Struct, forbid_unknown_fields=True):
    """``[[output]]``: a result node, the range of its values, how to show it: ``value·scale + offset``.

    Without scale and offset the range is what is shown. ``[output.answers]`` says when its values are right
    answers.
    """

    name: str
    range: tuple[float, float]
    scale: float | None = None
    offset: float | None = None
    answers: Answers | None = None

    def __post_init__(self) -> None:
        self.name = _node(self.name)
        low, high = self.range
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ValueError(f"range is {low} to {high}, but should be finite and rise")
        if not all(map(math.isfinite, self.shades)):
            raise ValueError(f"scale {self.scale} and offset {self.offset} should be finite")

    @property
    def shades(self) -> tuple[float, float]:
        """Scale and offset that make 0, drawn black, to 1, drawn white, of its values."""
        if self.scale is None and self.offset is None:
            return 1 / self.span, -self.range[0] / self.span
        return 1.0 if self.scale is None else self.scale, self.offset or 0.0

    @property
    def span(self) -> float:
        """Width of the range: the peak of the PSNR."""
        return self.range[1] - self.range[0]


class Series(msgspec.Struct, forbid_unknown_fields=True):
    """``[[series]]``: nodes that repeat over time; the star in ``nodes`` stands for the step."""

    name: Annotated[str, msgspec.Meta(min_length=1)]
    nodes: str

    def __post_init__(self) -> None:
        if self.nodes.count("*") != 1:
            raise ValueError(
                f"nodes {self.nodes!r} of [[series]] {self.name!r} should hold one * where the step stands"
            )


def _no_acceptance() -> Acceptance:
    raise ValueError("[acceptance] is missing; add it with cosine, psnr or answers")


class Description(msgspec.Struct, forbid_unknown_fields=True):
    """The whole of ``network.toml``."""

    network: Header
    input: Annotated[list[Input], msgspec.Meta(min_length=1)]
    output: Annotated[list[Output], msgspec.Meta(min_length=1)]
    acceptance: Acceptance = msgspec.field(default_factory=_no_acceptance)
    weights: list[Weights] = []
    series: list[Series] = []

    def __post_init__(self) -> None:
        for what, entries in (("input", self.input), ("output", self.output), ("series", self.series)):
            names = [entry.name for entry in entries]
            if doubled := [name for name in names if names.count(name) > 1]:
                raise ValueError(f"{what} {doubled[0]!r} is given twice")
        answering = [entry.name for entry in self.output if entry.answers is not None]
        if bool(answering) != (self.acceptance.answers is not None):
            raise ValueError(
                f"acceptance.answers is {self.acceptance.answers}, but output.answers is given for "
                f"{', '.join(answering) or 'no output'}; the one asks for the other"
            )
