"""Train the LSTM of ``fixtures/networks/lstm`` on the adding problem, and write its weights.

The sum so far is wanted at every step, not only the last, which is what makes training quick. Run
``python tools/train_lstm.py DIR``; it goes on where it stopped. DIR gets a checkpoint and ``weights.npz``
(float32, by the names of the frozen graph).
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

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lstm.adding import HELD_OUT_SEED, MEAN, TOLERANCE, drawn, right
from lstm.network import STEPS
from lstm.trainer import Recipe, Trainer
from training.log import Log

from conformance.errors import ConformanceError, UsageError
from conformance.files import read_toml

if TYPE_CHECKING:
    from collections.abc import Sequence

RECIPE = Path(__file__).resolve().with_suffix(".toml")
JUDGED = 4096
"""Held-out sequences that judge the weights."""


def train(trainer: Trainer, folder: Path, minutes: float, interval: float) -> None:
    """Train to the end of the recipe, or for some minutes; keep a checkpoint and say how good they are."""
    recipe, begin = trainer.recipe, time.monotonic()
    log = Log(
        recipe.steps,
        lambda step: f"length {recipe.at(step).length}",
        lambda step: recipe.at(step).length * recipe.at(step).batch,
        interval,
    )
    while trainer.step < recipe.steps and time.monotonic() - begin < 60.0 * minutes:
        loss = trainer.train()
        if not np.isfinite(loss):
            raise UsageError(f"the loss at step {trainer.step} is {loss}; lower the rate in {RECIPE.name}")
        if log(trainer.step, loss):
            trainer.save(folder / "checkpoint.npz")
    trainer.save(folder / "checkpoint.npz")


def report(trainer: Trainer) -> str:
    """Print and return how many answers of held-out sequences are right, beside those of a trivial one."""
    sequences = drawn(HELD_OUT_SEED, JUDGED, STEPS)
    answers = trainer.answers(sequences)[:, -1:]
    errors = np.abs(answers - sequences.answers)
    trivial = right(np.full_like(answers, MEAN), sequences.answers)
    text = (
        f"{JUDGED} held-out sequences of {STEPS} steps: {right(answers, sequences.answers):.2%} right within "
        f"{TOLERANCE} (always {MEAN:g}: {trivial:.2%}), mean error {errors.mean():.4f}, "
        f"largest {errors.max():.4f}"
    )
    print(text, flush=True)
    return text


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, judge, export."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="gets checkpoint and weights")
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="how to train")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--interval", type=float, default=15.0, help="seconds between lines of progress")
    parser.add_argument("--threads", type=int, default=1, help="that TensorFlow may use")
    options = parser.parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    recipe = read_toml(options.recipe, Recipe, "recipe")
    trainer = Trainer(recipe)
    if (options.folder / "checkpoint.npz").exists():
        trainer.load(options.folder / "checkpoint.npz")
    train(trainer, options.folder, options.minutes, options.interval)
    about = {"recipe": recipe, "steps": trainer.step, "figures": report(trainer)}
    trainer.export(options.folder / "weights.npz", msgspec.json.encode(about).decode(), np.float32)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"train_lstm: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit("train_lstm: stopped; the same command goes on from the last checkpoint")
