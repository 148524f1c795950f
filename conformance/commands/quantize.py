"""``mlu-conformance quantize``: parameter files of Cambricon's TensorFlow, by our calibration or its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.commands.arguments import add_network, add_options, required_network
from conformance.commands.printing import say
from conformance.devices.base import CAMBRICON
from conformance.errors import UsageError
from conformance.precision import FIXED_BITS

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from conformance.commands import Commands
    from conformance.networks import Network
    from conformance.precision import FixedBits

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
    add_options(command, "device_option", "device_timeout")
    add_network(command)
    command.set_defaults(command=write_scale_files)


def write_scale_files(options: argparse.Namespace) -> None:
    """Calibrate on all samples and write one file per width; one that would not change stays as it is.

    Scales that the graph itself brings along are written as they are.
    """
    from conformance.expected.scales import refuse_installed
    from conformance.graph.own_scales import own_scales
    from conformance.quantization.calibration import quantized_tensors
    from conformance.quantization.files import scales_path

    network = required_network(options)
    refuse_installed(network)
    tensors = quantized_tensors(network.graph)
    if not tensors:
        raise UsageError(
            f"network {network.name!r} has no convolution or matmul, so there is nothing to quantise"
        )
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

    if "device_option" in options.given:
        given = ", ".join(options.device_option)
        raise UsageError(f"--device-option {given} means nothing without --device=cambricon; drop it")
    return make_scales(network, network.directory, widths)


def _by_the_vendor(
    network: Network, options: argparse.Namespace, widths: Sequence[FixedBits]
) -> dict[FixedBits, bool]:
    """Write the vendor's own scales, which `prepare` then keeps."""
    from conformance.devices.cambricon.calibration import vendor_scales
    from conformance.devices.cambricon.options import parse_options
    from conformance.quantization.calibrated import forget_calibrated
    from conformance.quantization.files import scales_path, write_scales

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
        written[bits] = write_scales(scales_path(network.directory, bits), scales)
        forget_calibrated(bits, network.directory)
    return written
