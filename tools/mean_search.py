"""Try ways of taking a mean in half, on a network whose result on a real card is known, and on BeautyGAN.

Run ``python tools/mean_search.py DIR``; DIR is that of ``tools/card_evidence.py``. It prints how near each
way comes to the card's picture, and what it makes of BeautyGAN at int8-fp16; then what the order of axes does
to BeautyGAN where kernels before a norm are larger, which the norm hides in float32. Both tables are in
``docs/evidence.md``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from card.listing import located, read_listing
from card.means import FIRST, HEIGHT, LAST, WAYS, at_once, over
from card.pictures import as_fed, as_written, likeness, read_picture
from card.plain_network import PlainNetwork
from card.trials import Trial, trial

from conformance.errors import ConformanceError
from conformance.locations import NETWORKS
from conformance.networks import find_network
from conformance.numerics.metrics import compare
from conformance.quantization.files import read_scales
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Sequence

    from card.listing import Listing, Places
    from card.means import Mean

LIST = Path(__file__).with_name("card_evidence.toml")
NETWORK = "beautygan"
HEADINGS = ("", "card dB", "dB of 8x8 means", f"{NETWORK} cosine", "dB")
FACTORS = (0.25, 0.5, 1, 2, 3, 4, 8)
ORDERS = {"H, then W": over(FIRST), "W, then H": over(LAST), "one pass": at_once(over((HEIGHT,)))}


def card_figures(listing: Listing, places: Places) -> list[tuple[str, str]]:
    """Return PSNR against the card's picture, and that of tiles, of each way."""
    tried = trial(listing, places.graph, as_fed(read_picture(places.picture), listing.size))
    card = read_picture(places.card)
    figures = []
    for mean in WAYS.values():
        output = PlainNetwork(tried.graph, tried.scales.scales, mean).run(tried.feeds)
        near = likeness(as_written(output, places.card), card)
        figures.append((f"{near.psnr:.1f}", f"{near.coarse:.1f}"))
    return figures


def trials(name: str) -> list[Trial]:
    """Return a network of the suite with each of its samples."""
    network = find_network(name, NETWORKS)
    graph = network.graph.prune([network.outputs[0].name])
    scales = read_scales(network.directory, 8, graph)
    return [Trial(graph, scales, network.feeds(sample)) for sample in range(network.samples)]


class Quality:
    """How good the first output of a network is, by the worst sample."""

    def __init__(self, name: str) -> None:
        self._trials = trials(name)
        self._right = [tried.on_cpu() for tried in self._trials]
        self._span = find_network(name, NETWORKS).outputs[0].span

    def of(self, mean: Mean, factor: float = 1.0) -> tuple[str, str]:
        """Return cosine and PSNR in dB with a way of taking a mean."""
        found = [
            compare(right, PlainNetwork(tried.graph, tried.scales.scales, mean, factor).run(tried.feeds))
            for tried, right in zip(self._trials, self._right, strict=True)
        ]
        cosine = min(item.cosine for item in found if item.cosine is not None)
        return f"{cosine:.4f}", f"{min(item.psnr(self._span) for item in found):.1f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR", help="below which the evidence files lie")
    parser.add_argument(
        "--list", type=Path, default=LIST, help="of the evidence files (default: %(default)s)"
    )
    options = parser.parse_args(arguments)
    listing = read_listing(options.list)
    figures = card_figures(listing, located(listing, options.directory))
    quality = Quality(NETWORK)
    rows = [(name, *known, *quality.of(WAYS[name])) for name, known in zip(WAYS, figures, strict=True)]
    print("\n".join(aligned([HEADINGS, *rows], HEADINGS[1:])))
    scaled = [
        (f"kernels x {factor:g}", *(" / ".join(quality.of(mean, factor)) for mean in ORDERS.values()))
        for factor in FACTORS
    ]
    print("\n" + "\n".join(aligned([(f"{NETWORK}, cosine / dB", *ORDERS), *scaled])))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"mean_search: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
