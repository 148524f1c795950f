"""``mlu-conformance probe``: read a device's arithmetic from outside, as a profile for the emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance import clock, locations
from conformance.commands.arguments import add_device, add_options, golden_store, network_of
from conformance.commands.printing import note, say
from conformance.devices.registry import opened_device, request_of
from conformance.errors import UsageError
from conformance.files import write_json_atomically, write_text_atomically
from conformance.precision import PRECISIONS, parse_precision

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.devices.base import Device
    from conformance.devices.emulator.profile import Profile
    from conformance.probing.result import Explained, Probe

DIRECTORY = "probe"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "probe",
        help="read a device's arithmetic off results of small graphs, as a profile of the emulator",
    )
    add_device(command)
    add_options(command, "precision", "golden_dir", "trust_graph")
    command.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE.toml",
        help="the profile that was found, for --profile=FILE.toml; beside it FILE.json has all the rest "
        "(default: nothing is written)",
    )
    command.add_argument(
        "--verify",
        metavar="NETWORK",
        help="a network, by name or directory, on which the emulator with the profile found must give the "
        "device's results bit for bit",
    )
    command.add_argument("--json", action="store_true", help="print what was found as one JSON object")
    command.set_defaults(command=probe)


def probe(options: argparse.Namespace) -> None:
    """Probe a device, print what was found, and write the profile."""
    from conformance.devices.emulator.profile import read_profile
    from conformance.files import json_text
    from conformance.probing.profile_file import profile_toml
    from conformance.probing.text import lines

    _check_output(options.output)
    base = read_profile(options.profile, locations.DEVICES)
    if options.verify is not None:
        network_of(options.verify)  # a wrong one is told before anything is run
    with opened_device(request_of(options)) as device:
        found = _probed(device, base, options)
    if options.json:
        say(json_text(found))
    else:
        for line in lines(found):
            say(line)
    if options.output is not None:
        write_text_atomically(options.output, profile_toml(found, base, options.output.stem))
        write_json_atomically(options.output.with_suffix(".json"), found)
        note(f"written to {options.output} and {options.output.with_suffix('.json')}")


def _check_output(output: Path | None) -> None:
    """Refuse an output that cannot be a profile, before anything is run.

    Raises:
        UsageError: it is none.
    """
    if output is None:
        return
    if output.suffix != ".toml":
        raise UsageError(
            f"--output {output} is no .toml file, as --profile takes it; give one like found.toml"
        )
    if not output.parent.is_dir():
        raise UsageError(f"--output {output} is in no directory that exists; make {output.parent} first")
    for path in (output, output.with_suffix(".json")):
        if path.exists():
            raise UsageError(f"--output {path} exists already; name another file, nothing was overwritten")


def _probed(device: Device, base: Profile, options: argparse.Namespace) -> Probe:
    import msgspec

    from conformance.probing.probing import probed

    precisions = PRECISIONS if options.precision is None else (parse_precision(options.precision),)
    today = clock.now().date()
    found = probed(device, base=base.name, today=today, precisions=precisions, told=note)
    if options.verify is None:
        return found
    return msgspec.structs.replace(found, explained=_verified(device, found, base, options))


def _verified(device: Device, found: Probe, base: Profile, options: argparse.Namespace) -> Explained:
    from conformance.probing.profile_file import emulated
    from conformance.probing.verifying import explained

    network = network_of(options.verify).trusting(options.trust_graph)
    precisions = [parse_precision(name) for name in found.compilations if name not in found.declined]
    return explained(device, emulated(found, base), golden_store(network, options), precisions, note)
