"""Train the BeautyGAN generator to transfer makeup between drawn faces, and write its weights.

X is a bare face, Y another face with makeup, and the target is X with the makeup of Y: all three are drawn,
so that the answer is known. Run ``python tools/train_beautygan.py DIR``; it goes on where it stopped. DIR
gets a checkpoint, ``weights.npz`` (float16, by the names of the frozen graph) and ``grid.png``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent))

from faces import Portrait, random_face, random_makeup, random_scene
from training import figures, samples
from training.log import Log
from training.trainer import Recipe, Trainer

from conformance.errors import ConformanceError, UsageError
from conformance.files import read_toml, write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from training.samples import Samples

RECIPE = Path(__file__).resolve().with_suffix(".toml")
INPUTS = Path(__file__).resolve().parents[1] / "fixtures/networks/beautygan/inputs"
FULL = 256
"""Size of the pictures that the network is for."""


def batches(recipe: Recipe, step: int) -> Iterator[Samples]:
    """Yield a batch for every step from ``step`` on, drawn in the background."""
    with ThreadPoolExecutor(1) as pool:
        pending = pool.submit(_round, recipe, step)
        while step < recipe.steps:
            drawn = pending.result()
            step += len(drawn)
            pending = pool.submit(_round, recipe, step)
            yield from drawn


def _round(recipe: Recipe, step: int) -> list[Samples]:
    stage, variety = recipe.at(step)
    return samples.training_round(recipe.seed, step, stage.size, stage.batch, variety, recipe.bare)


def progress(recipe: Recipe, interval: float) -> Log:
    """Return what prints the progress of a training."""

    def pixels(step: int) -> int:
        stage = recipe.at(step)[0]
        return stage.batch * stage.size**2

    return Log(recipe.steps, lambda step: f"size {recipe.at(step)[0].size}", pixels, interval)


def train(trainer: Trainer, folder: Path, minutes: float, interval: float) -> None:
    """Train to the end of the recipe, or for some minutes; keep a checkpoint and say how good they are."""
    log, due = progress(trainer.recipe, interval), False
    begin = judged = time.monotonic()
    for batch in batches(trainer.recipe, trainer.step):
        loss = trainer.train(batch)
        if not np.isfinite(loss):
            raise UsageError(f"the loss at step {trainer.step} is {loss}; lower the rate in {RECIPE.name}")
        due = log(trainer.step, loss) or due
        if trainer.step % samples.ROUND:
            continue
        stop = time.monotonic() - begin > 60.0 * minutes
        if stop or (due and time.monotonic() - judged > 10.0 * interval):
            trainer.save(folder / "checkpoint.npz")
            report(trainer, trainer.recipe.at(trainer.step - 1)[0].size)
            judged = time.monotonic()
        due = False
        if stop:
            return
    trainer.save(folder / "checkpoint.npz")


def report(trainer: Trainer, size: int, count: int = 20) -> str:
    """Print and return PSNR on held-out samples."""
    _, variety = trainer.recipe.at(trainer.step - 1)
    variety = 1.0 if size == FULL else variety
    text = figures.table(*figures.compared(trainer.transfer, samples.held_out(size, count, variety)))
    print(f"held out: {count} faces at {size} x {size}, variety {variety:.2f}\n{text}", flush=True)
    return text


def write_grid(trainer: Trainer, path: Path, size: int, photographs: Sequence[Path]) -> None:
    """Write the picture of styles, inputs, results and targets: held-out faces, then photographs."""
    random = np.random.RandomState(samples.HELD_OUT_SEED + 1)
    sitters = [Portrait(random_face(random), random_scene(random), size) for _ in range(7)]
    makeups = [random_makeup(random) for _ in range(4)]
    styles = [sitter.photograph(makeup) for sitter, makeup in zip(sitters, makeups, strict=False)]
    inputs = [sitter.photograph() for sitter in sitters[4:]]
    truth = [[sitter.photograph(makeup, noise=False) for makeup in makeups] for sitter in sitters[4:]]
    inputs += [_pixels(photograph, size) for photograph in photographs]
    truth += [[] for _ in photographs]
    picture = figures.grid(trainer.transfer, inputs, styles, truth)
    write_atomically(path, lambda file: picture.save(file, "PNG"))


def _pixels(path: Path, size: int) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, export."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets checkpoint, weights and grid")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="how to train")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between lines of progress")
    parser.add_argument("--threads", type=int, default=2, help="that TensorFlow may use")
    parser.add_argument("--size", type=int, default=FULL, help="of the pictures that judge the weights")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe = read_toml(options.recipe, Recipe, "recipe")
    trainer = Trainer(recipe)
    if (options.folder / "checkpoint.npz").exists():
        trainer.load(options.folder / "checkpoint.npz")
    train(trainer, options.folder, options.minutes, options.interval)
    about = {"recipe": recipe, "steps": trainer.step, "figures": report(trainer, options.size)}
    trainer.export(options.folder / "weights.npz", msgspec.json.encode(about).decode())
    write_grid(trainer, options.folder / "grid.png", options.size, sorted(INPUTS.glob("face-*.png")))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"train_beautygan: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit("train_beautygan: stopped; the same command goes on from the last checkpoint")
