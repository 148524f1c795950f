"""``mlu-conformance dump``: what chosen nodes of a network compute on a device, written into files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.commands.arguments import (
    DEVICE,
    add_network,
    add_option,
    add_options,
    golden_store,
    required_network,
    required_precision,
)
from conformance.commands.printing import note, progress, say
from conformance.devices.base import CPU
from conformance.devices.registry import opened_device, request_of
from conformance.dumps.manifest import FORMATS, GOLDEN
from conformance.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from conformance.commands import Commands
    from conformance.dumps.manifest import DumpManifest
    from conformance.dumps.taking import Selection
    from conformance.dumps.writing import DumpWriter


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("dump", help="write what nodes of a network compute on a device into files")
    add_options(command, "nodes", "layer_by_layer", "golden_dir")
    add_option(command, "sample", also=", or all", default="0")
    command.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default=next(iter(FORMATS)),
        help="npy keeps every bit, text prints %%8.3f per line, text5 %%.5f (default: %(default)s)",
    )
    command.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="where to; must be new or empty"
    )
    add_option(command, "device", also=f", or {GOLDEN} for the goldens themselves")
    add_options(command, *DEVICE[1:], "precision")
    add_network(command)
    command.set_defaults(command=take_dump)


def take_dump(options: argparse.Namespace) -> None:
    """Write the dump, and print what it holds."""
    from conformance.dumps.taking import Selection, chosen_samples
    from conformance.dumps.writing import DumpWriter
    from conformance.graph.selection import select_nodes, selectable_nodes
    from conformance.graph.structure import Structure

    network = required_network(options)
    nodes = select_nodes(options.nodes, selectable_nodes(Structure(network.graph, network.key)), network.name)
    selection = Selection(network, nodes, chosen_samples(options.sample, network))
    take = _of_goldens if options.device == GOLDEN else _of_device
    with DumpWriter(options.output, FORMATS[options.format]) as writer:
        manifest = writer.finish(take(selection, options, writer))
    for text in manifest.notes:
        note(text)
    say(f"{options.output}: {_summary(manifest)}")


def _of_goldens(selection: Selection, options: argparse.Namespace, writer: DumpWriter) -> DumpManifest:
    from conformance.dumps.taking import dump_goldens

    for name, flag in (("precision", "--precision"), ("layer_by_layer", "--layer-by-layer")):
        if name in options.given:
            raise UsageError(f"{flag} means nothing to goldens; drop it, or name another --device")
    store = golden_store(selection.network, options)
    return dump_goldens(selection, store, writer)


def _of_device(selection: Selection, options: argparse.Namespace, writer: DumpWriter) -> DumpManifest:
    from conformance.dumps.taking import dump_device
    from conformance.quantization.files import read_scales
    from conformance.quantization.parameter_file import QuantizationScales

    request, network = request_of(options), selection.network
    if request.name == CPU and options.precision is None:
        precision, scales = None, QuantizationScales(bits=16, scales={})
    else:
        precision = required_precision(options)
        scales = read_scales(network.directory, precision.fixed_bits, network.graph)
    with opened_device(request) as device:
        return dump_device(
            selection,
            device,
            writer,
            precision=precision,
            scales=scales,
            fuse=not options.layer_by_layer,
            progress=progress(),
        )


def _summary(manifest: DumpManifest) -> str:
    nodes = {file.node for file in manifest.files}
    samples = sorted({file.sample for file in manifest.files})
    form, kind = manifest.files[0].format, manifest.device["kind"]
    precision = f" at {manifest.precision}" if manifest.precision else ""
    what = f"{len(nodes)} node{'s' if len(nodes) > 1 else ''} of {manifest.network}"
    numbers = f"sample{'s' if len(samples) > 1 else ''} {', '.join(map(str, samples))}"
    return f"{what}, {numbers}, from {kind}{precision}, as {form}"
