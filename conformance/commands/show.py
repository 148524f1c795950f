"""``mlu-conformance show``: pictures that people can judge, of a network's outputs at every precision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.arguments import (
    add_device,
    add_network,
    add_option,
    add_options,
    golden_store,
    network_of_run_asked,
    required_network,
)
from conformance.commands.printing import note, progress, say
from conformance.devices.registry import opened_device, request_of
from conformance.errors import UsageError
from conformance.precision import PRECISIONS, parse_precision

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.devices.base import Device
    from conformance.goldens import GoldenStore
    from conformance.precision import Precision
    from conformance.runs.environment import Environment

PNG, OTHERS = ".png", (".jpg", ".jpeg", ".gif", ".pdf", ".svg", ".webp")


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "show", help="draw a network's outputs at every precision beside the CPU's, and their differences"
    )
    add_device(command)
    add_option(command, "precision", also="; several are separated by commas (default: all four)")
    add_options(command, "weights", "from_run")
    add_option(command, "golden_dir", also="; of a run, where it found them")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.png|DIR",
        help="the picture, or a directory for <network>.png and <network>-series.png (default: the working "
        "directory; of a run, its pictures/)",
    )
    add_network(command, also="; of a run: which of several")
    command.set_defaults(command=show)


def show(options: argparse.Namespace) -> None:
    """Draw what can be drawn of a network: its pictures, and the errors of its series against the step."""
    precisions = precisions_of(options.precision)
    if options.from_run is not None:
        _from_run(options, precisions)
    else:
        _on_a_device(options, precisions)


def _on_a_device(options: argparse.Namespace, precisions: tuple[Precision, ...]) -> None:
    from conformance.expected.preparation import prepare_weights

    request, network = request_of(options), required_network(options, "give --from-run RUN, ")
    store = golden_store(network, options)
    prepare_weights(store)
    _require_something(store)
    picture, chart = targets(options.output or Path(), network.name)
    with opened_device(request) as device:
        _pictures(device, store, precisions, picture)
        _series(device, store, precisions, chart)
    for text in store.notes:
        note(text)


def _from_run(options: argparse.Namespace, precisions: tuple[Precision, ...]) -> None:
    from conformance.report.finished_run import PICTURES, FinishedRun, draw_run
    from conformance.runs.directory import read_environment, read_records

    run, name = options.from_run, network_of_run_asked(options)
    environment = read_environment(run)
    finished = FinishedRun(run, read_records(run, on_truncated=note), environment.device)
    stores = _stores_of_run(environment, run, options.golden_dir, name, trusted=options.trust_graph)
    output = options.output or run / PICTURES
    if len(stores) > 1 and output.suffix.lower() == PNG:
        raise UsageError(f"{output} is one file, but run {run} judged several networks; name one of them")
    files = []
    for store in stores:
        made = draw_run(finished, store, *targets(output, store.network.name), precisions)
        for line in (*made.figures, *made.tables, *map(str, made.files)):
            say(line)
        files += made.files
    if not files:
        raise UsageError(
            f"run {run} has nothing to show: it judged neither a picture of the fused network nor a series"
        )


def _stores_of_run(
    environment: Environment, run: Path, golden_dir: Path | None, name: str | None, *, trusted: bool
) -> list[GoldenStore]:
    """Return the goldens of a run's networks, or of the one that the user names."""
    from conformance.goldens import GoldenStore
    from conformance.runs.networks import network_of_run

    goldens = golden_dir or Path(environment.options.get("golden_dir") or locations.GOLDENS)
    names: list[str | None] = [name] if name else [item.name for item in environment.networks]
    networks = [network_of_run(environment, run, chosen, trusted=trusted) for chosen in names or [None]]
    return [GoldenStore(network, goldens, progress()) for network in networks]


def precisions_of(text: str | None) -> tuple[Precision, ...]:
    """Return the precisions of a list.

    Raises:
        UsageError: one of them does not exist.
    """
    if text is None:
        return PRECISIONS
    return tuple(dict.fromkeys(parse_precision(word.strip()) for word in text.split(",")))


def targets(output: Path, network: str) -> tuple[Path, Path]:
    """Return the files for the picture and for the chart, after their directory was made.

    Raises:
        UsageError: they cannot be written.
    """
    if output.suffix.lower() in OTHERS:
        raise UsageError(f"{output} cannot be written: pictures are PNG; name a FILE.png or a directory")
    picture = output if output.suffix.lower() == PNG else output / f"{network}{PNG}"
    chart = picture.with_name(f"{picture.stem}-series{PNG}")
    try:
        picture.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output} cannot be written ({error.strerror}); name another place") from error
    for path in (picture, chart):
        if path.is_dir() or not os.access(picture.parent, os.W_OK):
            raise UsageError(f"{path} cannot be written; name another place")
    return picture, chart


def _require_something(store: GoldenStore) -> None:
    from conformance.report.on_device import picture_outputs

    if not (picture_outputs(store) or store.network.series):
        raise UsageError(
            f"network {store.network.name!r} has nothing to show: no output is a picture (batch x height x "
            "width x 1 or 3), and its network.toml has no [[series]]"
        )


def _pictures(device: Device, store: GoldenStore, precisions: tuple[Precision, ...], path: Path) -> None:
    """Draw the outputs that are pictures, and print their figures."""
    from conformance.report.drawing import drawn, save
    from conformance.report.grid_layout import layout_of
    from conformance.report.grids import device_words, sheet_of, summary_lines
    from conformance.report.on_device import grids_on, picture_outputs
    from conformance.runs.environment import named_values

    if not picture_outputs(store):
        return
    layout = layout_of(store.network)
    grids, info = grids_on(device, store, layout, precisions, note), device.info()
    for line in summary_lines(grids):
        say(line)
    words = device_words(named_values(info, "device"))
    save(drawn(sheet_of(store.network, words, layout, grids, simulated=info.simulated)), path)
    count = len(grids) * len(layout.feeds)
    say(f"{path}: {count} pictures of {store.network.name} at {len(precisions)} precisions")


def _series(device: Device, store: GoldenStore, precisions: tuple[Precision, ...], path: Path) -> None:
    """Draw the errors of repeating nodes against the step, and print some of them."""
    from conformance.report.grids import device_words
    from conformance.report.on_device import measured_on
    from conformance.report.series import panel_of, save_chart, series_steps, table_lines
    from conformance.runs.environment import named_values

    if not store.network.series:
        return
    steps = series_steps(store)
    nodes = dict.fromkeys(name for of_series in steps for name in of_series)
    measured = measured_on(device, store, nodes, precisions, note)
    panels = [panel_of(*pair, measured) for pair in zip(store.network.series, steps, strict=True)]
    for line in table_lines(panels):
        say(line)
    words = device_words(named_values(device.info(), "device"))
    save_chart(panels, f"{store.network.name} on {words}", path)
    say(f"{path}: errors of {store.network.name} against the step")
