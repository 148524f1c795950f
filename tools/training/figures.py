"""How good a generator is: PSNR against the target, by region, and beside the answer "return X unchanged"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from faces import MASKS
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from faces.camera import Pixels

    from training.samples import Samples

    Field = np.ndarray
    Transfer = Callable[[Pixels, Pixels], Pixels]

HALF = 128
REGIONS = ("all", *MASKS[:3], "makeup", "rest")


def regions(masks: Pixels) -> dict[str, Field]:
    """Return which pixels each region has; a mask is where makeup covers at least half as much as at most."""
    parts = masks >= HALF
    makeup = parts[..., :3].any(-1)
    named = {name: parts[..., index] for index, name in enumerate(MASKS[:3])}
    return {"all": np.ones_like(makeup), **named, "makeup": makeup, "rest": ~makeup}


def psnr(result: Pixels, target: Pixels, masks: Pixels) -> dict[str, float]:
    """Return the PSNR of all pictures together, in dB, for each of ``REGIONS``.

    Raises:
        ValueError: a region has no pixel.
    """
    square = np.mean(((result.astype(np.float64) - target) / 255.0) ** 2, axis=-1)
    errors = {}
    for name, region in regions(masks).items():
        if not region.any():
            raise ValueError(f"no pixel of these pictures is in {name!r}")
        errors[name] = np.mean(square[region])
    return {name: float(-10.0 * np.log10(max(error, 1e-12))) for name, error in errors.items()}


def compared(transfer: Transfer, samples: Samples) -> tuple[dict[str, float], dict[str, float]]:
    """Return the PSNR of ``transfer`` and of "return X"."""
    results = np.stack([transfer(x, y) for x, y in zip(samples.x, samples.y, strict=True)])
    return psnr(results, samples.target, samples.masks), psnr(samples.x, samples.target, samples.masks)


def table(network: dict[str, float], unchanged: dict[str, float]) -> str:
    """Return both rows of figures, in dB, one column per region."""
    named = {"network": network, "return X": unchanged}
    rows = [["dB", *REGIONS]]
    rows += [[name, *(f"{row[region]:.1f}" for region in REGIONS)] for name, row in named.items()]
    return "\n".join("".join(f"{cell:<9}" for cell in row).rstrip() for row in rows)


def grid(
    transfer: Transfer, inputs: Sequence[Pixels], styles: Sequence[Pixels], truth: Sequence[Sequence[Pixels]]
) -> Image.Image:
    """Return a picture: styles on top, inputs on the left, results where they meet, below them the targets.

    Args:
        transfer: puts the makeup of its second argument on its first.
        inputs: bare faces.
        styles: made-up faces.
        truth: for each input, the targets for each style; empty where none is known.
    """
    rows = [[np.full_like(inputs[0], 255), *styles]]
    for picture, targets in zip(inputs, truth, strict=True):
        rows.append([picture, *(transfer(picture, style) for style in styles)])
        if targets:
            rows.append([np.full_like(picture, 255), *targets])
    return Image.fromarray(np.concatenate([np.concatenate(row, 1) for row in rows], 0))
