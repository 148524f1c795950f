"""``mlu-conformance diagnose``: which operator is to blame, why, and which precision repairs it."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import clock, locations
from conformance.commands.arguments import (
    add_device,
    add_network,
    add_option,
    add_options,
    golden_store,
    network_of_run_asked,
    required_network,
    required_precision,
    sample_number,
)
from conformance.commands.printing import note, say
from conformance.devices.registry import opened_device, request_of
from conformance.errors import UsageError
from conformance.files import claim_directory, write_json_atomically, write_text_atomically
from conformance.precision import parse_precision

if TYPE_CHECKING:
    import argparse
    import datetime as dt
    from collections.abc import Mapping

    from conformance.commands import Commands
    from conformance.devices.base import DeviceInfo
    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.model import Diagnosis
    from conformance.network_file import Output
    from conformance.networks import Network
    from conformance.precision import Precision
    from conformance.report.grids import Shown

DIAGNOSIS, REPORT, PICTURE, ENVIRONMENT = "diagnosis.json", "report.txt", "picture.png", "environment.json"
MARKS = (DIAGNOSIS, REPORT)
"""The files by which a directory with a diagnosis is known."""


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "diagnose", help="find which operator makes a network wrong, why, and what repairs it"
    )
    add_device(command)
    add_option(command, "precision", also="; of a run that judged one alone, that one")
    add_options(command, "weights")
    add_option(command, "sample", default="0")
    add_options(command, "from_run")
    add_option(command, "golden_dir", also="; of a run, where it found them")
    command.add_argument(
        "--with-probe",
        type=Path,
        metavar="FILE.json",
        help="what `mlu-conformance probe` found of the device: causes are told as measured (default: of a "
        "run, what it keeps)",
    )
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        help="new or empty directory for what is found (default: runs/<time>-diagnosis-…)",
    )
    add_network(command, also="; of a run: which of several")
    command.set_defaults(command=diagnose)


def diagnose(options: argparse.Namespace) -> None:
    """Diagnose a network on a device, or a finished run; print the report and write it down."""
    if options.from_run is not None:
        _from_run(options)
        return
    _on_a_device(options, required_network(options, "give --from-run RUN, "))


def _from_run(options: argparse.Namespace) -> None:
    from conformance.diagnosis.from_run import diagnosis_of_run
    from conformance.diagnosis.report import lines
    from conformance.runs.directory import read_environment
    from conformance.runs.networks import network_of_run

    if options.with_probe is not None:
        raise UsageError("--with-probe and --from-run contradict each other: a run keeps its own; drop one")
    run, name = options.from_run, network_of_run_asked(options)
    trusted = options.trust_graph
    diagnosis = diagnosis_of_run(run, _precision_of_run(options), options.golden_dir, name, trusted=trusted)
    network = network_of_run(read_environment(run), run, name, trusted=trusted)
    text = lines(diagnosis, network.acceptance)
    if options.output:
        claim_directory(options.output, "diagnosis", MARKS)
    for line in text:
        say(line)
    if options.output:
        _write(options.output, diagnosis, text)


def _precision_of_run(options: argparse.Namespace) -> Precision:
    """Return the precision that the user names, else the only one that the run judged."""
    from conformance.runs.directory import read_records

    if options.precision is not None:
        return parse_precision(options.precision)
    records = read_records(options.from_run, on_truncated=lambda _: None)
    judged = list(dict.fromkeys(record.precision for record in records))
    if len(judged) != 1:
        found = f"run {options.from_run} judged {', '.join(judged) or 'nothing'}"
        raise UsageError(f"--precision is missing, and {found}; give one")
    return parse_precision(judged[0])


def _on_a_device(options: argparse.Namespace, network: Network) -> None:
    from conformance.diagnosis.engine import Diagnosing
    from conformance.diagnosis.forward_passes import ForwardPasses
    from conformance.diagnosis.report import lines
    from conformance.expected.expectations import Expectations
    from conformance.expected.preparation import prepare_weights
    from conformance.expected.truth import refuse_wrong_goldens
    from conformance.judging.bounds import read_margins
    from conformance.probing.result import read_probe
    from conformance.runs.directory import default_run_path

    precision, request = required_precision(options), request_of(options)
    sample = sample_number(options.sample)
    if sample >= network.samples:
        raise UsageError(
            f"--sample {sample} does not exist: {network.name} has samples 0 to {network.samples - 1}"
        )
    probe = None if options.with_probe is None else read_probe(options.with_probe)
    now = clock.now()
    store = golden_store(network, options)
    prepare_weights(store)
    expected = Expectations(store, read_margins(locations.MARGINS))
    refuse_wrong_goldens(store)
    with contextlib.ExitStack() as ended:
        with opened_device(request) as device:
            info = device.info()
            name = f"diagnosis-{network.name}"
            directory = options.output or default_run_path(Path.cwd() / "runs", name, info.kind, now)
            claim_directory(directory, "diagnosis", MARKS)
            ended.callback(_remove_empty, directory)
            passes = ForwardPasses(device, expected, sample, note)
            diagnosis = Diagnosing(passes, precision, probe).result()
        text = lines(diagnosis, network.acceptance)
        for line in text:
            say(line)
        _write(directory, diagnosis, text)
    asked = vars(options) | {"sample": sample, "golden_dir": options.golden_dir or locations.GOLDENS}
    _write_environment(directory, asked, info, now)
    _write_picture(directory / PICTURE, passes, diagnosis)
    note(f"written to {directory}")


def _remove_empty(directory: Path) -> None:
    """Give up a directory in which nothing was written, as of a diagnosis that was interrupted."""
    with contextlib.suppress(OSError):  # it is not empty
        directory.rmdir()


def _write(directory: Path, diagnosis: Diagnosis, text: list[str]) -> None:
    write_json_atomically(directory / DIAGNOSIS, diagnosis)
    write_text_atomically(directory / REPORT, "\n".join(text) + "\n")


def _write_environment(
    directory: Path, asked: Mapping[str, object], info: DeviceInfo, now: dt.datetime
) -> None:
    from conformance.runs.environment import gather_environment

    named = {name: value for name, value in asked.items() if name not in ("command", "given")}
    environment = gather_environment(
        options=named, device=info, waivers=[], now=now, directory=locations.PROJECT
    )
    write_json_atomically(directory / ENVIRONMENT, environment)


def _write_picture(path: Path, passes: ForwardPasses, diagnosis: Diagnosis) -> None:
    """Write inputs, CPU result, results of every precision, and differences, where these are pictures."""
    from conformance.precision import PRECISIONS
    from conformance.report.drawing import drawn, save
    from conformance.report.grid_layout import paired
    from conformance.report.grids import Grid, device_words, sheet_of
    from conformance.report.on_device import goldens_of, judged, picture_outputs
    from conformance.runs.environment import named_values

    store, info = passes.store, passes.device.info()
    if not (outputs := picture_outputs(store)):
        return
    layout = paired(store.network, [passes.sample])
    goldens = goldens_of(store, layout, [output.name for output in outputs])
    unmodelled = {item.precision: item.quality.unmodelled for item in diagnosis.choices}
    ordered = sorted(map(str, PRECISIONS), key=lambda name: name != diagnosis.precision)

    def shown(precision: str, output: Output) -> Shown:
        value = passes.pictures.get((precision, output.name))
        reason = unmodelled.get(precision, "")
        return judged(
            store.network, layout, output, precision, goldens[output.name], [value], unmodelled=reason
        )

    grids = [
        Grid(output, goldens[output.name], [shown(name, output) for name in ordered]) for output in outputs
    ]
    device = device_words(named_values(info, "device"))
    save(drawn(sheet_of(store.network, device, layout, grids, simulated=info.simulated)), path)
