"""How files of a dump are called: ``generatorconcat0cpu.txt`` is tensor ``generator/concat:0`` on the CPU.

The name is the tensor's without ``/`` and ``:``, then the device's word, then, where the dump holds more than
one sample, ``-`` and the sample's number. Two tensors can come out alike (``a/b:0`` and ``ab:0``): the second
gets ``~2``, and only the manifest says which is which.

Source: scripts that engineers debug Cambricon's TensorFlow with; ``main_cpu.py`` and ``main_mlu.py`` of the
public repository zhanghaochong/beautyMLU are such, but keep the ``:`` and write ``_cpu`` and ``_mlu``.
"""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CARD = "mlu"
"""The word for results of a card."""

GOLDEN = "golden"
"""The word for goldens."""

_WORDS = {"cambricon": CARD}
"""Kinds of devices whose word is not the kind itself."""

_BARE = re.compile(
    rf"(?P<name>.+?)[_.-]?(?:cpu|{CARD}|emulator|{GOLDEN})(?:-(?P<sample>\d+))?", re.IGNORECASE
)


def tensor_name(node: str) -> str:
    """Return the name of a node's first output: ``generator/concat:0``."""
    return f"{node.removesuffix(':0')}:0"


def squashed(tensor: str) -> str:
    """Return what a file name keeps of a tensor's name: ``generatorconcat0``."""
    return tensor.replace("/", "").replace(":", "")


def device_word(kind: str) -> str:
    """Return what stands for a device of this kind: ``cpu``, ``mlu`` for a card, else letters and digits."""
    return _WORDS.get(kind) or re.sub(r"[^a-z0-9]", "", kind.lower()) or "device"


def file_names(tensors: Sequence[tuple[str, int]], word: str, suffix: str) -> list[str]:
    """Return one file name per (node, sample), all different even where the case of letters does not count.

    Args:
        tensors: nodes with samples.
        word: the device's.
        suffix: such as ``.txt``.
    """
    numbered = len({sample for _, sample in tensors}) > 1
    taken: collections.Counter[str] = collections.Counter()
    names = []
    for node, sample in tensors:
        stem = f"{squashed(tensor_name(node))}{word}{f'-{sample}' if numbered else ''}"
        taken[stem.casefold()] += 1
        again = taken[stem.casefold()]
        names.append(f"{stem}{f'~{again}' if again > 1 else ''}{suffix}")
    return names


def bare_name(stem: str) -> tuple[str, int | None]:
    """Return the squashed tensor name and the sample that a file's name tells, with the device's word off.

    ``generatorconcat0mlu``, ``generatorconcat:0_mlu`` and ``generatorconcat0mlu-1`` all name
    ``generatorconcat0``; a name without a known word is taken as it is.
    """
    found = _BARE.fullmatch(stem)
    if found is None:
        return squashed(stem), None
    sample = found["sample"]
    return squashed(found["name"]), None if sample is None else int(sample)
