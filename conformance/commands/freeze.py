"""``mlu-conformance freeze``: from a checkpoint to a frozen graph."""

from __future__ import annotations

import collections
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import add_list, add_option
from conformance.commands.printing import note, say
from conformance.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from conformance.commands import Commands
    from conformance.freezing.freeze import Frozen


FIXING = "fix a placeholder, such as is_training=false; may be given again"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "freeze", help="write the frozen graph of a checkpoint, SavedModel or Keras file"
    )
    command.add_argument(
        "--checkpoint",
        type=Path,
        required=True,
        metavar="PATH",
        help="a directory, its `checkpoint` file, a prefix such as model.ckpt-500, a SavedModel, a .keras or "
        ".h5 file, or a frozen .pb to cut",
    )
    output = "node, as NAME or NAME:0, or output of a signature; may be given again"
    add_list(command, "--output", "NODE", output, required=True)
    command.add_argument(
        "-o", type=Path, required=True, dest="target", metavar="FILE.pb", help="what to write"
    )
    command.add_argument(
        "--graph",
        type=Path,
        metavar="FILE",
        help=".meta, .pb or .pbtxt (default: the .meta beside the checkpoint)",
    )
    fed = "tensor to feed; may be given again (default: every placeholder that the outputs need)"
    add_list(command, "--input", "TENSOR", fed)
    add_list(command, "--set", "NAME=VALUE", FIXING)
    command.add_argument(
        "--signature", metavar="NAME", help="of a SavedModel (default: the one with the outputs)"
    )
    add_option(command, "trust_graph")
    command.set_defaults(command=write_frozen_graph)


def write_frozen_graph(options: argparse.Namespace) -> None:
    """Freeze, write, and print what the graph consists of; remarks go beside the result.

    Raises:
        UsageError: arrays that would be beside the target are there already; and see :func:`freeze`.
        InfrastructureError: the target cannot be written.
    """
    from conformance.freezing.freeze import Request, freeze
    from conformance.graph.array_files import check_no_arrays

    check_no_arrays(options.target)
    request = Request(
        options.output,
        options.input,
        fixed(options.set),
        options.graph,
        options.signature,
        options.trust_graph,
    )
    frozen = freeze(options.checkpoint, request)
    try:
        files = frozen.graph.save(options.target)
    except OSError as error:
        raise InfrastructureError(
            f"{options.target} cannot be written: {error.strerror or error}; give another file with -o"
        ) from error
    for line in summary(frozen, files):
        say(line)
    remarks = (
        [f"to TensorFlow, which reads no {files[0].parent}, its constants are zeros"] if files[1:] else []
    )
    for remark in remarks + frozen.remarks:
        note(f"{options.target}: {remark}")


def fixed(texts: Sequence[str]) -> dict[str, str]:
    """Return the ``NAME=VALUE`` texts of ``--set`` as a mapping.

    Raises:
        UsageError: a text is none, or one name has two values.
    """
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--set {text!r} is not NAME=VALUE; write it like is_training=false")
        if found.setdefault(name, value) != value:
            raise UsageError(f"--set {name} is given as {found[name]!r} and {value!r}; drop one")
    return found


def summary(frozen: Frozen, files: Sequence[Path]) -> Iterator[str]:
    """Yield what a frozen graph consists of, line by line.

    Args:
        frozen: the graph.
        files: where it lies; the last one holds its structure, the others arrays beside it.
    """
    graph = frozen.graph
    values = (graph.constant(name) for name in frozen.variables)
    numbers = sum(value.size for value in values if value is not None)
    operators = collections.Counter(node.op for node in graph.nodes.values()).most_common()
    yield f"nodes       {len(graph.nodes)}"
    yield f"operators   {', '.join(f'{op} {count}' for op, count in operators)}"
    yield f"parameters  {numbers:,} in {len(frozen.variables)} variables"
    size = sum(file.stat().st_size for file in files)
    beside = f" in {files[-1]} and, to be kept beside it, {files[0].parent}" if files[1:] else ""
    yield f"size        {size:,} bytes{beside}"
    for kind, names in (("input", graph.inputs), ("output", graph.outputs)):
        for name in names:
            yield f"{kind:<11} {name}  {frozen.types[name][0].in_words}"
