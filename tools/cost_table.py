"""Measure what scales, goldens and the suite cost on networks of several sizes, beside stock TensorFlow.

    python tools/cost_table.py                             # the networks of the table, all steps
    python tools/cost_table.py resnet-50 --steps=golden    # one network, one step
    python tools/cost_table.py path/to/mynet               # a network of yours; a copy is measured
    python tools/cost_table.py --docs                      # also into docs/performance.md

BeautyGAN is the project's own. MobileNetV2, EfficientNetB0, ResNet-50 and VGG-16 come from
``tf.keras.applications``, BERT-base (128 tokens) and an unrolled LSTM are written from TensorFlow's
operators; they get random weights and one sample. Each is built once, as a user's network, and kept in the
cache. Every step runs in a process of its own, whose processor time and memory are measured with those of its
children; a step that takes too much is killed. Exit code 1 if a step failed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from costs.measuring import GIGABYTE, Limits
from costs.networks import TITLES, places
from costs.steps import NOT_MEASURED, STEPS, WEIGHTS, costs
from marked_sections import cells, read_section, table, write_section

from conformance import locations, machine
from conformance.errors import EXIT_ACCURACY, EXIT_FINE, ConformanceError, UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from costs.networks import Place
    from costs.steps import Row

DOCUMENT = locations.PROJECT / "docs/performance.md"
SECTION = "costs"
CACHE = locations.PROJECT / ".costs"
LEGEND = "Processor time (wall time), peak memory; process, imports and children included."
COLUMNS = {WEIGHTS: "frozen graph", **{name: step.heading for name, step in STEPS.items()}}
"""What the table has beside the network's name."""


def lines(rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Return machine, legend and table, as lines of Markdown.

    Args:
        rows: the cells by the network's title, without it.
    """
    return [
        _machine(),
        "",
        LEGEND,
        "",
        *table([["network", *COLUMNS.values()], *([name, *row] for name, row in rows.items())]),
    ]


def _machine() -> str:
    return f"On {machine.in_words()}."


def merged(old: Sequence[str], new: Mapping[str, Row]) -> dict[str, list[str]]:
    """Return rows that were measured now, and what an older table has beside them, if it is of this machine.

    Args:
        old: the lines of the older table.
        new: what was measured, by the network's title.
    """
    rows = {row[0]: row[1:] for row in cells(old)[1:]} if _machine() in old else {}
    for title, row in new.items():
        before = dict(zip(COLUMNS, rows.get(title, []), strict=False))
        rows[title] = [row.cells.get(name) or before.get(name, NOT_MEASURED) for name in COLUMNS]
    order = [*TITLES.values(), *new]
    return {title: rows[title] for title in dict.fromkeys([*order, *rows]) if title in rows}


def measure(chosen: Sequence[Place], steps: Sequence[str], limits: Limits) -> dict[str, Row]:
    """Return what each network cost, by its title."""
    return {place.title: costs(place, steps, limits) for place in chosen}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and write it down if asked to; return the exit code."""
    options = _parser().parse_args(arguments)
    chosen, steps = places(options.network, options.cache.absolute()), _steps(options.steps)
    limits = Limits(_positive("--memory", options.memory) * GIGABYTE, _positive("--timeout", options.timeout))
    old = read_section(DOCUMENT, SECTION) if options.docs else []
    found = measure(chosen, steps, limits)
    print("\n".join(lines(merged([], found))))
    if options.docs:
        write_section(DOCUMENT, SECTION, lines(merged(old, found)))
    return EXIT_ACCURACY if any(row.failed for row in found.values()) else EXIT_FINE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    named = f"{', '.join(TITLES)}, or the directory of another one (default: all of these)"
    parser.add_argument("network", nargs="*", help=named)
    parser.add_argument("--steps", metavar="LIST", default=",".join(STEPS), help="default: %(default)s")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, metavar="DIR", help="where networks are kept (default: .costs)"
    )
    parser.add_argument(
        "--memory", type=float, default=12.0, metavar="GB", help="the most for a step (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout", type=float, default=1800.0, metavar="SECONDS", help="of a step (default: %(default)s)"
    )
    parser.add_argument("--docs", action="store_true", help=f"write the table into {DOCUMENT.name}")
    return parser


def _steps(text: str) -> list[str]:
    """Return the steps that are named, in the order in which they run."""
    given = text.split(",")
    for name in given:
        if name not in STEPS:
            raise UsageError(f"--steps {text!r}: {name!r} is no step{near_names(name, list(STEPS))}")
    return [name for name in STEPS if name in given]


def _positive(flag: str, value: float) -> float:
    if not value > 0:
        raise UsageError(f"{flag} {value} is not above 0")
    return value


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"cost_table: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
