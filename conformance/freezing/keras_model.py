"""Keras files: exported to a SavedModel of TensorFlow 2, which is then frozen like any other."""

from __future__ import annotations

import contextlib
import importlib
import io
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance.errors import UsageError
from conformance.graph.lazy_tensorflow import tensorflow

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def exported(path: Path) -> Iterator[Path]:
    """Return a SavedModel of a ``.keras`` or ``.h5`` file, which lasts as long as the block.

    Raises:
        UsageError: Keras cannot load or export the model.
    """
    with tempfile.TemporaryDirectory(prefix="mlu-conformance-") as folder:
        directory = Path(folder) / "model"
        _export(path, directory)
        yield directory


def _export(path: Path, directory: Path) -> None:
    """Export a model; what Keras prints about it is dropped."""
    keras: Any = tensorflow().keras
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            keras.models.load_model(str(path), compile=False).export(str(directory))
    except Exception as error:  # a model runs its own layers' code, which may raise anything
        if damage := _damage(path):
            raise UsageError(f"Keras cannot read {path}: {damage}; save the model again") from error
        first = next(iter(str(error).splitlines()), "")
        raise UsageError(
            f"Keras cannot export {path} ({type(error).__name__}: {first}); where the model has layers of "
            "your own, write a SavedModel with `model.export(directory)` in your program and give that"
        ) from error


def _damage(path: Path) -> str:
    """Return what is wrong with the file itself, whatever model is in it; '' if nothing is."""
    if not path.stat().st_size:
        return "it is empty"
    try:
        whole = _is_whole_archive(path) if path.suffix == ".keras" else _is_whole_hdf5(path)
    except (OSError, zipfile.BadZipFile):
        whole = False
    return "" if whole else f"it is damaged, or no {path.suffix} file"


def _is_whole_archive(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return archive.testzip() is None and "config.json" in archive.namelist()


def _is_whole_hdf5(path: Path) -> bool:
    h5py = importlib.import_module("h5py")  # Keras needs it; it has no types
    with h5py.File(path, "r"):
        return True
