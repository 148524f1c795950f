"""Hold the emulator against pictures that a real MLU270 made.

Run ``python tools/card_evidence.py DIR``, where DIR holds the files that ``tools/card_evidence.toml`` lists,
which are public but not part of this project. It runs the network of that evidence on the emulator, with the
profile as it is and with every other value of each switch, prints how near each result comes to the card's
picture, and writes a picture of card, CPU and emulator side by side. ``docs/evidence.md`` shows all this.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from card.listing import located, read_listing
from card.pictures import as_fed, as_written, likeness, read_picture
from card.trials import FLOAT, HALF, changes, trial

from conformance.errors import ConformanceError, UsageError
from conformance.report.drawing import drawn, save
from conformance.report.sheet import Band, Block, Cell, Line, Sheet
from conformance.tables import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from card.listing import Listing, Places
    from card.pictures import Array, Likeness
    from card.trials import Trial

    from conformance.precision import Precision

LIST = Path(__file__).with_suffix(".toml")
PROFILE, PICTURE = "mlu270", "card-evidence.png"
HEADINGS = ("", "dB", "dB of 8x8 means", "level", "contrast")


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What there is to compare.

    Attributes:
        trial: the network, ready to run.
        places: where the files lie.
        card, again, cpu: the pictures, uint8, height × width × 3.
    """

    trial: Trial
    places: Places
    card: Array
    again: Array
    cpu: Array

    def emulated(self, profile: str, precision: Precision = HALF) -> Array:
        """Return the emulator's picture, written as the card's was."""
        return as_written(self.trial.on_emulator(profile, precision), self.places.card)

    def in_float(self) -> Array:
        """Return the picture of the network in float32."""
        return as_written(self.trial.on_cpu(), self.places.card)


def read_evidence(listing: Listing, directory: Path) -> Evidence:
    """Return the evidence whose files lie below a directory.

    Raises:
        UsageError: a file is missing, another one, or unreadable, or pictures have different sizes.
    """
    places = located(listing, directory)
    pictures = {name: read_picture(getattr(places, name)) for name in ("card", "again", "cpu")}
    for name, picture in pictures.items():
        if picture.shape != pictures["card"].shape:
            shapes = [f"{height} x {width}" for height, width, _ in (picture.shape, pictures["card"].shape)]
            raise UsageError(f"{getattr(places, name)} is {shapes[0]}, but {places.card} is {shapes[1]}")
    fed = as_fed(read_picture(places.picture), listing.size)
    return Evidence(trial(listing, places.graph, fed), places, **pictures)


def rows(evidence: Evidence, profile: str, switched: Sequence[str]) -> Iterator[tuple[str, Likeness]]:
    """Yield what is compared with the card's picture, and how near it comes.

    Args:
        evidence: the pictures and the network.
        profile: of the emulator.
        switched: changes of it, made one at a time.
    """
    yield "the card, another time", likeness(evidence.again, evidence.card)
    yield "the CPU", likeness(evidence.cpu, evidence.card)
    yield profile, likeness(evidence.emulated(profile), evidence.card)
    for change in switched:
        yield f"  {change}", likeness(evidence.emulated(f"{profile},{change}"), evidence.card)
    if (by_data := evidence.trial.calibrated()) is not None:
        other = dataclasses.replace(evidence, trial=by_data)
        yield "  transposed convolutions scaled by data", likeness(other.emulated(profile), evidence.card)
    yield f"{profile} at {FLOAT}", likeness(evidence.emulated(profile, FLOAT), evidence.card)


def table(compared: Sequence[tuple[str, Likeness]]) -> list[str]:
    """Return the lines of the table."""
    cells = [
        (name, f"{near.psnr:.1f}", f"{near.coarse:.1f}", f"{near.level:.1f}", f"{near.contrast:.1f}")
        for name, near in compared
    ]
    return aligned([HEADINGS, *cells], HEADINGS[1:])


def sheet(evidence: Evidence, profile: str) -> Sheet:
    """Return card, CPU and emulator side by side."""
    emulated = evidence.emulated(profile)
    pictures = {"the card": evidence.card, "the CPU": evidence.cpu, "the emulator": emulated}
    blocks = [
        Block(
            (Line(name), Line(_figure(picture, evidence.card), 17, "faint")),
            ((Cell(picture),),),
        )
        for name, picture in pictures.items()
    ]
    title = Line(f"{evidence.places.graph.name} at {HALF} on {evidence.places.picture.name}", 26)
    below = Line(f"emulator: {profile}", 17, "faint")
    return Sheet((title, below), (Band((), (), tuple(blocks)),))


def _figure(picture: Array, card: Array) -> str:
    return "" if picture is card else f"{likeness(picture, card).psnr:.1f} dB from the card's"


def show(evidence: Evidence, profile: str, switched: Sequence[str], picture: Path) -> None:
    """Print the table and write the picture."""
    near = likeness(evidence.in_float(), evidence.cpu)
    print(f"the network in float32 comes within {near.psnr:.1f} dB of the CPU's picture\n")
    print("\n".join(table(list(rows(evidence, profile, switched)))))
    save(drawn(sheet(evidence, profile)), picture)
    print(f"\n{picture}: card, CPU and emulator side by side")


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the emulator against the card."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", type=Path, metavar="DIR", help="below which the evidence files lie")
    parser.add_argument(
        "--profile", default=PROFILE, help="what is held against the card (default: %(default)s)"
    )
    parser.add_argument(
        "--switch",
        action="append",
        default=[],
        metavar="NAME",
        help="to change; may be given again (default: all)",
    )
    parser.add_argument(
        "--list", type=Path, default=LIST, help="of the evidence files (default: %(default)s)"
    )
    parser.add_argument("-o", "--output", type=Path, default=Path(PICTURE), metavar="PNG", help="the picture")
    options = parser.parse_args(arguments)
    switched = changes(options.profile, options.switch)
    evidence = read_evidence(read_listing(options.list), options.directory)
    show(evidence, options.profile, switched, options.output)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"card_evidence: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
