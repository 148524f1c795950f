"""``mlu-conformance prepare``: all that a run needs of a network, made where it is missing or stale."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.commands.arguments import add_network, add_options, golden_store, required_network
from conformance.commands.printing import note, say
from conformance.expected.preparation import STEPS, prepare, stale
from conformance.expected.truth import refuse_wrong_goldens

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.goldens import GoldenStore


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "prepare", help="make a network's scales, goldens and bounds, where missing or stale"
    )
    command.add_argument(
        "--only",
        action="append",
        default=[],
        choices=STEPS,
        help="make this step alone, even where it is fresh; may be given again",
    )
    add_options(command, "weights", "golden_dir", "deadline")
    add_network(command)
    command.set_defaults(command=prepare_network)


def prepare_network(options: argparse.Namespace) -> None:
    """Prepare, and print what became of each step; what is stale afterwards goes beside the result."""
    store = golden_store(required_network(options), options)
    for done in prepare(store, options.only):
        say(f"{done.step:<8} {done.state:<6} {done.details}")
    if options.only:
        _remind(store, options.only)
    if not options.only or "goldens" in options.only:
        refuse_wrong_goldens(store)


def _remind(store: GoldenStore, only: list[str]) -> None:
    """Say which of the other steps are stale now."""
    others = {step: stale(store, step) for step in STEPS if step not in only}
    for step, why in others.items():
        if why:
            note(f"{step} are stale: {why}; {store.remedy}")
