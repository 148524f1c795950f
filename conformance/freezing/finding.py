"""Finding what the user means by a checkpoint: a directory, a prefix, one of the files."""

from __future__ import annotations

import dataclasses
import glob
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError, near_names
from conformance.files import is_file, read_bytes
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from conformance.graph.frozen import GraphDef

STATE_FILE = "checkpoint"

SAVED_MODELS = ("saved_model.pb", "saved_model.pbtxt")

VARIABLES = Path("variables/variables")
"""The prefix of the checkpoint inside a SavedModel."""

KERAS = frozenset({".h5", ".hdf5", ".keras"})

SUFFIX = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")

INDEX = ".index"

NAMED = re.compile(r'^\s*model_checkpoint_path\s*:\s*"((?:[^"\\]|\\.)*)"', re.MULTILINE)
"""How the file ``checkpoint``, a CheckpointState as text, names the newest one."""

META, TEXT, BINARY = ".meta", ".pbtxt", ".pb"

MODELS = KERAS | {TEXT, BINARY}
"""The suffixes of files that hold a whole model."""


def is_saved_model(path: Path) -> bool:
    """Return whether a directory is a SavedModel."""
    return any((path / name).is_file() for name in SAVED_MODELS)


def find_checkpoint(path: Path) -> Path:
    """Return the prefix of the checkpoint that the user means.

    Args:
        path: a directory, its ``checkpoint`` file, a prefix such as ``model.ckpt-500``, one of its files, or
            a SavedModel.

    Raises:
        UsageError: there is none, there are several, or it is of a kind that is not supported.
    """
    if path.suffix in KERAS:
        raise _keras(path)
    if path.name == STATE_FILE and path.is_file():
        return _in_directory(path.parent)
    if path.is_dir():
        return path / VARIABLES if is_saved_model(path) else _in_directory(path)
    return _from_prefix(path)


def _in_directory(directory: Path) -> Path:
    """Return the checkpoint that the ``checkpoint`` file names, or the only one."""
    found = prefixes(directory)
    if (directory / STATE_FILE).is_file():
        return _named(directory, found)
    if not found:
        raise _nothing_in(directory)
    if len(found) > 1:
        raise UsageError(
            f"{directory} holds {len(found)} checkpoints and no file `{STATE_FILE}` that names one; give "
            f"one of {', '.join(str(directory / name) for name in found)}"
        )
    return directory / found[0]


def prefixes(directory: Path) -> list[str]:
    """Return the names of all checkpoints of a directory."""
    return sorted(path.name.removesuffix(INDEX) for path in directory.glob(f"*{INDEX}"))


def _named(directory: Path, found: list[str]) -> Path:
    """Return the checkpoint that the file ``checkpoint`` names, in this directory, wherever it was written.

    An absolute path elsewhere is not followed: the user gave this directory.
    """
    from google.protobuf import text_encoding

    state = directory / STATE_FILE
    line = NAMED.search(read_bytes(state, "file").decode(errors="replace"))
    if line is None:
        raise UsageError(f"{state} does not name a checkpoint; give a prefix instead")
    named = text_encoding.CUnescape(line[1]).decode(errors="replace")
    beside = directory / Path(named).name
    for prefix in (beside, beside if Path(named).is_absolute() else directory / named):
        if is_file(Path(f"{prefix}{INDEX}")):
            return prefix
    raise UsageError(
        f"{state} names {named!r}, but {beside}{INDEX} is missing"
        f"{_near(Path(named).name, found)}; copy it here, or give another prefix"
    )


def _from_prefix(path: Path) -> Path:
    prefix = path.with_name(SUFFIX.sub("", path.name))
    if is_file(Path(f"{prefix}{INDEX}")):
        return prefix
    if list(prefix.parent.glob(f"{prefix.name}.data-*")):
        raise UsageError(f"checkpoint {prefix} lacks {prefix.name}{INDEX}; copy it beside the data file")
    if path.is_file():
        raise UsageError(
            f"{path} is one file, which no checkpoint of TensorFlow 1.0 or later is; give the prefix of "
            f"{INDEX} and .data files (a Saver of version 2 writes such)"
        )
    raise UsageError(
        f"there is no checkpoint {prefix}: {prefix}{INDEX} is missing"
        f"{_near(prefix.name, prefixes(prefix.parent))}"
    )


def check_there(path: Path) -> None:
    """Demand a file, a directory, or a checkpoint of this prefix.

    Raises:
        UsageError: there is none; names the models beside it.
    """
    of_checkpoint = path.parent.glob(f"{glob.escape(path.name)}.*")
    if not (path.exists() or any(SUFFIX.search(item.name) for item in of_checkpoint)):
        beside = sorted(item.name for item in path.parent.glob("*") if item.suffix in MODELS)
        raise UsageError(f"there is no file or directory {path}{_near(path.name, beside)}")


def check_model(path: Path) -> None:
    """Demand what may be a model, or else a checkpoint, by its name.

    Raises:
        UsageError: there is nothing, or a file of another kind.
    """
    check_there(path)
    of_checkpoint = path.name == STATE_FILE or SUFFIX.search(path.name)
    if path.is_file() and path.suffix not in MODELS and not of_checkpoint:
        raise UsageError(
            f"{path} is no model: give a frozen .pb, the directory of a SavedModel, or a .keras or .h5 file"
        )


def _near(name: str, known: list[str]) -> str:
    return near_names(name, known) if known else ""


def _nothing_in(directory: Path) -> UsageError:
    """Say what a directory without any index holds instead."""
    names = sorted(path.name for path in directory.iterdir())
    for name in names:
        if Path(name).suffix in KERAS:
            return _keras(directory / name)
        if ".data-" in name:
            prefix = SUFFIX.sub("", name)
            return UsageError(f"{directory} holds {name}, but not {prefix}{INDEX}; copy that, too")
    shown = ", ".join(names[:3]) + (", …" if names[3:] else "")
    held = f"holds {shown}, but no checkpoint" if names else "is empty"
    return UsageError(
        f"{directory} {held}; give a directory with a *{INDEX} file, or a SavedModel ({SAVED_MODELS[0]})"
    )


def _keras(path: Path) -> UsageError:
    return UsageError(
        f"Keras file {path} is no checkpoint; give the file itself to `mlu-conformance init` or `freeze`, or "
        "write a SavedModel with `model.export(directory)` and give that"
    )


@dataclasses.dataclass(frozen=True)
class GraphFile:
    """A graph as it was written.

    Attributes:
        graph_def: all of it, training included.
        restore: the node that restores the checkpoint, as a meta graph says; '' where nothing says so.
        source: the file.
    """

    graph_def: GraphDef
    restore: str
    source: str


def read_graph(path: Path) -> GraphFile:
    """Read a ``.meta``, ``.pb`` or ``.pbtxt`` file.

    Raises:
        UsageError: it cannot be read, has another suffix, or holds no graph.
    """
    if path.suffix not in (META, TEXT, BINARY):
        raise UsageError(f"graph {path} is neither {META} nor {BINARY} nor {TEXT}; give one of these")
    data = read_bytes(path, "graph")
    tensorflow()  # silences what the next import would say
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    kinds = (MetaGraphDef,) if path.suffix == META else (tensorflow().compat.v1.GraphDef, MetaGraphDef)
    for kind in kinds:
        found = graph_of(_parsed(data, kind, as_text=path.suffix == TEXT), str(path))
        if found is not None:
            return found
    raise UsageError(f"graph {path} is damaged or holds no nodes; export the graph again")


def graph_of(message: Any, source: str) -> GraphFile | None:
    """Return the graph in a GraphDef or MetaGraphDef, or None if there are no nodes in it."""
    if message is None:
        return None
    meta = hasattr(message, "graph_def")
    graph_def = message.graph_def if meta else message
    restore = message.saver_def.restore_op_name if meta else ""
    return GraphFile(graph_def, restore, source) if graph_def.node else None


def _parsed(data: bytes, kind: Any, *, as_text: bool) -> Any:
    """Return a message, or None where the bytes are none of this kind."""
    from google.protobuf import text_format
    from google.protobuf.message import DecodeError

    try:
        if as_text:
            return text_format.Parse(data, kind(), allow_unknown_field=True)
        return kind.FromString(data)
    except (DecodeError, text_format.ParseError, UnicodeDecodeError):
        return None
