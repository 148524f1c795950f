"""The text of a new ``network.toml``: what is known filled in, every other key as a comment."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from conformance.freezing.reachable import behind_identities
from conformance.graph.explanations import census
from conformance.graph.frozen import producer
from conformance.graph.selection import selectable_nodes
from conformance.graph.structure import Structure
from conformance.initialising.random_inputs import SEED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from conformance.freezing.freeze import Frozen
    from conformance.graph.dataflow import TensorType

RANGES = {
    "Relu6": (0.0, 6.0),
    "Sigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "Tanh": (-1.0, 1.0),
}
"""The values that an operator can give."""
PICTURE_RANK = 4
GREY, COLOURS = 1, 3
"""Channels of a picture."""

DRAWN = f"RANDOM numbers (seed {SEED}): they show that all runs; FILL IN real ones, scales depend on them"

HEAD = """\
# Made by `mlu-conformance init` from {source}.
# FILL IN and DECIDE mark what no program can know; a line "# key = …" is a key that may be used.
# Every key is explained in docs/network.md.
#
{census}

[network]
name = {name}
graph = {graph} # frozen GraphDef, beside this file
# description = "what it does, in a line"
# key = ["cell/step_*/h"] # more key nodes, by name or glob, beside those that the graph's structure shows
# weights_seed = 0 # of random [[weights]], below
"""

INPUT = """
# {shown}{unknown}
[[input]]
name = {name}
files = {files} # {remark}
{picture}# scale = 0.00784313725490196 # what is fed = value in the file * scale + offset
# offset = -1.0
"""

OUTPUT = """
# {shown}
[[output]]
name = {name}
range = [{low}, {high}] # {remark}
# scale = 0.5 # for pictures: value * scale + offset is drawn from 0, black, to 1, white; else the range is
# offset = 0.5
# [output.answers] # when a value is a right answer; with `answers` in [acceptance]
# measure = "class" # the largest value stands at the true class; or "within", with tolerance = 0.05
# truth = ["truth-1.npy"] # one file per sample
"""

TAIL = """
# DECIDE what the outputs must reach at every precision, on every sample: one of these, or more. What stands
# here is only a default: how much error your network bears is not in its graph.
[acceptance]
{criteria}
# answers = 0.95 # share of right answers

# [[series]] # nodes that repeat over time, drawn against the step
# name = "state"
# nodes = "cell/step_*/h"

# [[weights]] # only for a graph whose constants hold no weights
# match = "*/kernel" # names of constants
# kind = "file" # or "truncated-normal" with std = 0.02, or "constant" with value = 0.5
# file = "weights.npz" # an array per constant
"""


BY_COSINE = """\
cosine = 0.999
# psnr = 40.0 # dB, over the output's range"""
OF_ONE_NUMBER = """\
psnr = 40.0 # dB, over the output's range; one number has no direction, so that no cosine tells anything
# cosine = 0.999"""


def description(
    frozen: Frozen, name: str, graph: str, files: Mapping[str, Sequence[str]], *, random: bool, source: str
) -> str:
    """Return the text of ``network.toml``.

    Args:
        frozen: the graph.
        name: of the network.
        graph: file of the graph.
        files: files per input, relative to the text's own directory.
        random: whether these are there and hold random numbers.
        source: what the graph was made from.
    """
    head = HEAD.format(
        source=source, census="\n".join(_census(frozen)), name=_quoted(name), graph=_quoted(graph)
    )
    inputs = [_input(frozen.types[name][0], name, files[name], random=random) for name in frozen.graph.inputs]
    outputs = [_output(frozen, name) for name in frozen.graph.outputs]
    single = any(_is_one_number(frozen.types[name][0]) for name in frozen.graph.outputs)
    tail = TAIL.format(criteria=OF_ONE_NUMBER if single else BY_COSINE)
    return "".join([head, *inputs, *outputs, tail])


def _is_one_number(tensor: TensorType) -> bool:
    """Return whether an output is one number, at least of a batch of one."""
    return tensor.shape is not None and all(length in (1, None) for length in tensor.shape)


def _quoted(text: object) -> str:
    """Return a string, or a list of strings, as TOML writes it."""
    return json.dumps(text, ensure_ascii=False)


def _census(frozen: Frozen) -> Iterator[str]:
    structure = Structure(frozen.graph)
    key = sum(bool(node.reasons) for node in selectable_nodes(structure))
    yield f"# {len(structure.order)} nodes compute on the inputs; {key} of them are key nodes. Operators:"
    for entry in census(structure):
        yield f"#   {entry.op} {entry.count} ({entry.treatment})"


def _input(tensor: TensorType, name: str, files: Sequence[str], *, random: bool) -> str:
    picture = _channels(tensor)
    fill = "FILL IN: one .npy per sample" + (", or PNG or JPEG with a size" if picture else "")
    height, width = tensor.shape[1:3] if picture and tensor.shape else (None, None)
    size = f"# size = [{height or 256}, {width or 256}] # height and width of PNG and JPEG files\n"
    size += "channels = 1 # PNG and JPEG files become shades of grey\n" if picture == GREY else ""
    return INPUT.format(
        shown=tensor.in_words,
        unknown="; ? is for you to choose" if None in (tensor.shape or (None,)) else "",
        name=_quoted(name),
        files=_quoted(list(files)),
        remark=DRAWN if random else fill,
        picture=size if picture else "",
    )


def _channels(tensor: TensorType) -> int:
    """Return how many channels a picture has that a tensor takes; 0 if it takes none."""
    shape = tensor.shape or ()
    return shape[-1] or 0 if len(shape) == PICTURE_RANK and shape[-1] in (GREY, COLOURS) else 0


def _output(frozen: Frozen, name: str) -> str:
    op = frozen.graph.nodes[producer(behind_identities(frozen.graph, name))].op
    low, high = RANGES.get(op, (-1.0, 1.0))
    return OUTPUT.format(
        shown=frozen.types[name][0].in_words,
        name=_quoted(name),
        low=low,
        high=high,
        remark=f"of {op}" if op in RANGES else "FILL IN its smallest and largest value: the peak of the PSNR",
    )
