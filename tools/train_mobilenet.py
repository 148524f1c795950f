"""Train the small MobileNet on drawn shapes, and write its variables, batch norms unfolded.

Run ``python tools/train_mobilenet.py DIR``; it goes on where it stopped. DIR gets a checkpoint,
``trained.npz`` (float32, for ``tools/build_mobilenet.py``) and ``sheet.png``, pictures of all classes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mobilenet import samples
from mobilenet.trainer import Recipe, Trainer
from shapes import CLASSES
from training.log import Log

from conformance.errors import ConformanceError, UsageError
from conformance.files import read_toml, write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPE = Path(__file__).resolve().with_suffix(".toml")
CHECKPOINT = "checkpoint.npz"


def train(trainer: Trainer, folder: Path, minutes: float, interval: float) -> None:
    """Train to the end of the recipe, or for some minutes; keep a checkpoint and say how good it is."""
    recipe = trainer.recipe
    log, begin, due = (
        Log(recipe.steps, lambda _: f"batch {recipe.batch}", lambda _: 1.0, interval),
        time.monotonic(),
        False,
    )
    while trainer.step < recipe.steps:
        for batch in samples.training_round(
            recipe.seed, trainer.round, recipe.pictures, recipe.batch, recipe.uses
        ):
            loss = trainer.train(batch)
            if not np.isfinite(loss):
                raise UsageError(
                    f"the loss at step {trainer.step} is {loss}; lower the rate in {RECIPE.name}"
                )
            due = log(trainer.step, loss) or due
        stop = time.monotonic() - begin > 60.0 * minutes
        if due or stop:
            trainer.save(folder / CHECKPOINT)
            report(trainer, 200)
            due = False
        if stop:
            return
    trainer.save(folder / CHECKPOINT)


def report(trainer: Trainer, count: int) -> str:
    """Print and return how many held-out pictures are told right, beside the trivial answer."""
    batch = samples.held_out(count)
    right = trainer.guesses(batch) == batch.classes
    trivial = np.bincount(batch.classes).max() / count
    text = (
        f"held out: {100 * right.mean():.1f} % of {count} pictures right; always the commonest class: "
        f"{100 * trivial:.1f} %"
    )
    worst = sorted((float(right[batch.classes == index].mean()), name) for index, name in enumerate(CLASSES))
    text += "; worst class: " + f"{worst[0][1]}, {100 * worst[0][0]:.1f} %"
    print(text, flush=True)
    return text


def write_sheet(path: Path, columns: int = 12) -> None:
    """Write a picture of held-out pictures, one row per class."""
    batch = samples.held_out(columns * len(CLASSES), 1)
    ordered = batch.pictures[np.argsort(batch.classes, kind="stable")]
    rows = [
        np.concatenate(list(ordered[start : start + columns]), 1) for start in range(0, len(ordered), columns)
    ]
    picture = Image.fromarray(np.concatenate(rows, 0))
    write_atomically(path, lambda file: picture.save(file, "PNG"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, export."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets checkpoint, variables and sheet")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="how to train")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between lines of progress")
    parser.add_argument("--threads", type=int, default=1, help="that TensorFlow may use")
    parser.add_argument("--held-out", type=int, default=2000, help="pictures that judge the result")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe = read_toml(options.recipe, Recipe, "recipe")
    trainer = Trainer(recipe)
    if (options.folder / CHECKPOINT).exists():
        trainer.load(options.folder / CHECKPOINT)
    write_sheet(options.folder / "sheet.png")
    train(trainer, options.folder, options.minutes, options.interval)
    about = {"recipe": recipe, "steps": trainer.step, "figures": report(trainer, options.held_out)}
    trainer.export(options.folder / "trained.npz", msgspec.json.encode(about).decode())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"train_mobilenet: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit("train_mobilenet: stopped; the same command goes on from the last checkpoint")
