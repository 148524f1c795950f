"""``mlu-conformance quantize``: parameter files of Cambricon's TensorFlow, by our calibration or its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.commands.arguments import add_network, add_options, required_network
from conformance.commands.printing import note, say
from conformance.devices.base import CAMBRICON
from conformance.errors import UsageError
from conformance.precision import FIXED_BITS
from conformance.quantization.files import scales_path
from conformance.quantization.scale_rules import LARGEST, RULES, TWO_SIDED

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from conformance.commands import Commands
    from conformance.networks import Network
    from conformance.precision import FixedBits
    from conformance.quantization.parameter_file import QuantizationScales

CPU = "cpu"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser("quantize", help="write a network's quantisation parameter files")
    command.add_argument("--bits", type=int, choices=FIXED_BITS, help="only this width (default: 8 and 16)")
    command.add_argument(
        "--device",
        choices=(CPU, CAMBRICON),
        default=CPU,
        help="who calibrates: this project in float64 (cpu, the default), or the vendor's framework; "
        "MLU_CONFORMANCE_DEVICE says what is judged, so it does not count here",
    )
    command.add_argument(
        "--rule",
        choices=tuple(RULES),
        help=f"how scales follow from values (default: {LARGEST}; {TWO_SIDED}: as in Cambricon's tool "
        "that writes quantised graphs, and `prepare` keeps such a file)",
    )
    add_options(command, "device_option", "device_timeout", "deadline")
    add_network(command)
    command.set_defaults(command=write_scale_files)


def write_scale_files(options: argparse.Namespace) -> None:
    """Calibrate on all samples and write one file per width; one that would not change stays as it is.

    Scales that the graph itself brings along are written as they are.
    """
    from conformance.expected.scales import refuse_installed
    from conformance.graph.own_scales import own_scales
    from conformance.quantization.calibration import calibrated_tensors, told_loops

    network = required_network(options)
    refuse_installed(network)
    tensors, loops = calibrated_tensors(network.graph), told_loops(network.graph)
    if not tensors:
        where = " outside loops" if loops else ""
        raise UsageError(
            f"network {network.name!r} has no convolution or matmul{where}, so there is nothing to quantise"
        )
    for told in loops:
        note(told)
    widths = (options.bits,) if options.bits else FIXED_BITS
    by_the_vendor = options.device == CAMBRICON
    written = (_by_the_vendor if by_the_vendor else _by_us)(network, options, widths)
    brought = {} if by_the_vendor else own_scales(network.graph)
    for bits, changed in written.items():
        path = scales_path(network.directory, bits)
        own = f" ({len(brought[bits])} of them the graph's own)" if bits in brought else ""
        say(f"{path}: {len(tensors)} scales{own}, {'written' if changed else 'unchanged'}")


def _by_us(
    network: Network, options: argparse.Namespace, widths: Sequence[FixedBits]
) -> dict[FixedBits, bool]:
    from conformance.expected.scales import make_scales
    from conformance.quantization.calibration import calibrate, largest_magnitudes

    if "device_option" in options.given:
        given = ", ".join(options.device_option)
        raise UsageError(f"--device-option {given} means nothing without --device=cambricon; drop it")
    if options.rule in (None, LARGEST):
        made = make_scales(network, network.directory, widths)
        _tell(made.told)
        return made.changed
    note(f"scales by the rule {options.rule}, {RULES[options.rule].evidence}: {RULES[options.rule].source}")
    largest = largest_magnitudes(network.graph, map(network.feeds, range(network.samples)))
    _tell(largest.told)
    return {bits: _keep(network, calibrate(largest, bits, options.rule)) for bits in widths}


def _tell(what: str) -> None:
    if what:
        note(what)


def _keep(network: Network, scales: QuantizationScales) -> bool:
    """Write scales that `prepare` shall keep, as not its own; return whether the file changed."""
    from conformance.quantization.calibrated import forget_calibrated
    from conformance.quantization.files import write_scales

    changed = write_scales(scales_path(network.directory, scales.bits), scales)
    forget_calibrated(scales.bits, network.directory)
    return changed


def _by_the_vendor(
    network: Network, options: argparse.Namespace, widths: Sequence[FixedBits]
) -> dict[FixedBits, bool]:
    """Write the vendor's own scales, which `prepare` then keeps."""
    from conformance.devices.cambricon.calibration import vendor_scales
    from conformance.devices.cambricon.options import parse_options
    from conformance.graph.own_scales import of_shapes

    if options.rule is not None:
        raise UsageError(f"--rule {options.rule} means nothing to the vendor's framework; drop it")
    given, written = parse_options(options.device_option), {}
    for bits in widths:
        scales = vendor_scales(
            given,
            network.graph,
            [output.name for output in network.outputs],
            map(network.feeds, range(network.samples)),
            bits,
            timeout=options.device_timeout,
        )
        written[bits] = _keep(network, scales)
        for told in of_shapes(network.graph, scales.scales, bits):
            note(f"{scales_path(network.directory, bits)}: {told}")
    return written
