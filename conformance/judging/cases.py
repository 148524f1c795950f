"""What is judged: one node of a network at one precision, run in one mode; and what can come out."""

from __future__ import annotations

from typing import Literal

import msgspec

Mode = Literal["own", "chained", "fused", "calibration"]

Outcome = Literal["conforms", "deviates", "waived", "unsupported", "unmodelled", "broken", "measured"]

OPERATORS = "operators"
"""What records call the network of operators that are tested by themselves; no network has this name."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is judged: one node of a network at one precision, run in one mode.

    Attributes:
        network: the network's name.
        node: the node's name in the graph.
        op: its operator type.
        precision: such as ``int8-fp16``.
        mode: ``own`` (golden inputs), ``chained`` (fusion broken at key nodes), ``fused`` (as it ships), or
            ``calibration`` (the scales that the device's framework finds, at ``int8`` and ``int16``).
    """

    network: str
    node: str
    op: str
    precision: str
    mode: Mode

    def __str__(self) -> str:
        return f"{self.network}/{self.node}-{self.precision}-{self.mode}"

    @property
    def selected(self) -> dict[str, str]:
        """What each list of a waiver selects by, under that list's name."""
        return {
            "nodes": self.node,
            "operators": self.op,
            "precisions": self.precision,
            "modes": self.mode,
        }


def timed_sample(run: int, samples: int) -> int:
    """Return the sample of a timed run: they take turns, so that an old result handed out again is found out.

    Args:
        run: how many were timed before.
        samples: that the network has.
    """
    return (run + 1) % samples
