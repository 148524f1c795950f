"""``mlu-conformance diagnose``: which operator is to blame, why, and which precision repairs it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.commands.arguments import (
    add_device,
    device_request,
    network_of,
    note,
    opened_device,
    progress,
    required_precision,
    say,
)
from conformance.errors import UsageError
from conformance.files import write_json_atomically, write_text_atomically

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.devices.base import DeviceInfo
    from conformance.diagnosis.forwards import Forwards
    from conformance.diagnosis.model import Diagnosis
    from conformance.networks import Network, Output
    from conformance.report.grids import Shown

DIAGNOSIS, REPORT, PICTURE, ENVIRONMENT = "diagnosis.json", "report.txt", "picture.png", "environment.json"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "diagnose", help="find which operator makes a network wrong, why, and what repairs it"
    )
    add_device(command)
    command.add_argument(
        "--weights", type=Path, metavar="DIR", help="checkpoint whose weights take the place of the network's"
    )
    command.add_argument("--sample", type=int, default=0, help="the sample that is looked at (default: 0)")
    command.add_argument(
        "--from-run", type=Path, metavar="RUN", help="read a finished run instead of running a device"
    )
    command.add_argument(
        "--golden-dir", type=Path, default=locations.GOLDENS, help="where goldens lie (default: goldens)"
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="new or empty directory for what is found (default: runs/<time>-diagnosis-…)",
    )
    command.add_argument(
        "network",
        nargs="?",
        help="name below fixtures/networks, or a directory with network.toml; of a run: which of several",
    )
    command.set_defaults(command=diagnose)


def diagnose(options: argparse.Namespace) -> None:
    """Diagnose a network on a device, or a finished run; print the report and write it down."""
    if options.from_run is not None:
        _from_run(options)
        return
    if options.network is None:
        raise UsageError("the network is missing; name one, or give --from-run RUN")
    network = network_of(options.network)
    _on_a_device(options, network.with_weights(options.weights) if options.weights else network)


def _from_run(options: argparse.Namespace) -> None:
    from conformance.diagnosis.from_run import diagnosis_of_run
    from conformance.diagnosis.report import lines
    from conformance.runs.directory import read_environment
    from conformance.runs.networks import network_of_run

    run, name = options.from_run, options.network
    diagnosis = diagnosis_of_run(run, required_precision(options), options.golden_dir, name)
    text = lines(diagnosis, network_of_run(read_environment(run), run, name).acceptance)
    for line in text:
        say(line)
    if options.output:
        _write(_claimed(options.output), diagnosis, text)


def _on_a_device(options: argparse.Namespace, network: Network) -> None:
    from conformance.diagnosis.engine import Diagnosing
    from conformance.diagnosis.forwards import Forwards
    from conformance.diagnosis.report import lines
    from conformance.expected.expectations import Expectations
    from conformance.expected.preparation import prepare_weights
    from conformance.goldens import GoldenStore
    from conformance.judging.bounds import read_margins

    precision, request = required_precision(options), device_request(options)
    if not 0 <= options.sample < network.samples:
        raise UsageError(
            f"--sample {options.sample} does not exist: {network.name} has samples 0 to {network.samples - 1}"
        )
    now = dt.datetime.now(dt.timezone.utc)
    store = GoldenStore(network, options.golden_dir, progress())
    prepare_weights(store)
    expected = Expectations(store, read_margins(locations.MARGINS))
    with opened_device(request) as device:
        info = device.info()
        directory = _claimed(options.output or _default(network, info, now))
        forwards = Forwards(device, expected, options.sample, note)
        diagnosis = Diagnosing(forwards, precision).result()
    text = lines(diagnosis, network.acceptance)
    for line in text:
        say(line)
    _write(directory, diagnosis, text)
    _write_environment(directory, options, info, now)
    _write_picture(directory / PICTURE, forwards, diagnosis)
    note(f"written to {directory}")


def _default(network: Network, info: DeviceInfo, now: dt.datetime) -> Path:
    from conformance.runs.directory import default_run_path

    return default_run_path(Path.cwd() / "runs", f"diagnosis-{network.name}", info.kind, now)


def _claimed(directory: Path) -> Path:
    """Return a directory that is new or empty.

    Raises:
        UsageError: it is not, or cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        occupied = next(directory.iterdir(), None)
    except OSError as error:
        raise UsageError(f"{directory} cannot be used ({error.strerror}); name another directory") from error
    if occupied is not None:
        raise UsageError(
            f"{directory} is not empty (it holds {occupied.name}); name a new or empty directory"
        )
    return directory


def _write(directory: Path, diagnosis: Diagnosis, text: list[str]) -> None:
    write_json_atomically(directory / DIAGNOSIS, diagnosis)
    write_text_atomically(directory / REPORT, "\n".join(text) + "\n")


def _write_environment(
    directory: Path, options: argparse.Namespace, info: DeviceInfo, now: dt.datetime
) -> None:
    from conformance.runs.environment import gather_environment

    named = {name: value for name, value in vars(options).items() if name != "command"}
    environment = gather_environment(
        options=named, device=info, waivers=[], now=now, directory=locations.PROJECT
    )
    write_json_atomically(directory / ENVIRONMENT, environment)


def _write_picture(path: Path, forwards: Forwards, diagnosis: Diagnosis) -> None:
    """Write inputs, CPU result, results of every precision, and differences, where these are pictures."""
    from conformance.precision import PRECISIONS
    from conformance.report.drawing import drawn, save
    from conformance.report.grids import Grid, device_words, sheet_of
    from conformance.report.meeting import paired
    from conformance.report.on_device import goldens_of, judged, picture_outputs
    from conformance.runs.environment import named_values

    store, info = forwards.store, forwards.device.info()
    if not (outputs := picture_outputs(store)):
        return
    meeting = paired(store.network, [forwards.sample])
    goldens = goldens_of(store, meeting, [output.name for output in outputs])
    ordered = sorted(map(str, PRECISIONS), key=lambda name: name != diagnosis.precision)

    def shown(precision: str, output: Output) -> Shown:
        value = forwards.pictures.get((precision, output.name))
        return judged(store.network, meeting, output, precision, goldens[output.name], [value])

    grids = [
        Grid(output, goldens[output.name], [shown(name, output) for name in ordered]) for output in outputs
    ]
    device = device_words(named_values(info, "device"))
    save(drawn(sheet_of(store.network, device, meeting, grids, simulated=info.simulated)), path)
