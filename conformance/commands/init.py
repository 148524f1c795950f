"""``mlu-conformance init``: from a model file to a network that can be prepared and judged."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import add_list, add_option
from conformance.commands.freeze import FIXING, fixed, summary
from conformance.commands.printing import note, say
from conformance.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.initialising.new_network import NewNetwork

MOST = 1000
"""More samples than that were not meant."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "init", help="write the network.toml of a frozen graph, SavedModel or Keras file"
    )
    command.add_argument(
        "model", type=Path, help="a frozen .pb, the directory of a SavedModel, or a .keras or .h5 file"
    )
    output = "node, or output of a SavedModel's signature; may be given again (default: all that are found)"
    add_list(command, "--output", "NODE", output)
    fed = "tensor to feed instead of computing it from strings or an iterator; may be given again"
    add_list(command, "--input", "TENSOR", fed)
    add_list(command, "--set", "NAME=VALUE", FIXING)
    command.add_argument("--signature", metavar="NAME", help="of a SavedModel (default: its default)")
    command.add_argument(
        "--random-inputs",
        type=int,
        default=0,
        metavar="N",
        help="draw N samples of random inputs, to see everything run before real ones are there",
    )
    command.add_argument(
        "-o",
        type=Path,
        dest="directory",
        metavar="DIR",
        help="where to (default: a directory here, called after the model)",
    )
    add_option(command, "trust_graph")
    command.set_defaults(command=initialise_network)


def initialise_network(options: argparse.Namespace) -> None:
    """Write a network, and print what was found; what is to do next goes beside the result.

    Raises:
        UsageError: ``--random-inputs`` is no number of samples; and see :func:`initialise`.
    """
    from conformance.freezing.freeze import Request
    from conformance.initialising.new_network import initialise

    if not 0 <= options.random_inputs <= MOST:
        raise UsageError(f"--random-inputs {options.random_inputs} is not from 0 to {MOST}")
    request = Request(
        options.output,
        options.input,
        fixed(options.set),
        signature=options.signature,
        trusted=options.trust_graph,
    )
    new = initialise(options.model, request, options.directory, options.random_inputs)
    arrays = set(new.graph[:-1])
    for path in dict.fromkeys(path.parent if path in arrays else path for path in new.written):
        say(f"{'written':<11} {path}")
    for line in summary(new.frozen, new.graph):
        say(line)
    for remark in new.frozen.remarks:
        note(f"{new.graph[-1]}: {remark}")
    for line in _next(new, drawn=bool(options.random_inputs)):
        note(line)


def _next(new: NewNetwork, *, drawn: bool) -> list[str]:
    """Return what the user should do now."""
    files = [str(new.directory / name) for names in new.files.values() for name in names]
    first = (
        f"the inputs are random numbers: put real ones in place of {', '.join(files[:3])}"
        if drawn
        else f"put inputs into {', '.join(files)}, or name files of yours in"
    )
    toml = new.directory / "network.toml"
    return [
        f"{first}{'' if drawn else f' {toml}'}",
        f"decide in {toml} what is accepted, then: mlu-conformance prepare {shlex.quote(str(new.directory))}",
    ]
