"""The command line: ``mlu-conformance nodes|golden|quantize``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from conformance import __version__, locations
from conformance.errors import EXIT_FINE, EXIT_INFRASTRUCTURE, EXIT_USAGE, ConformanceError, UsageError
from conformance.networks import FILE, Network, find_network
from conformance.precision import FIXED_BITS
from conformance.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

EXIT_INTERRUPTED = 130
"""As a shell reports a program that Ctrl-C ended."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and exits 4."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except ConformanceError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read has seen enough; Python would complain of it once more on exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = error.filename or "a file"
        return _failed(f"{where} cannot be used: {error.strerror or error}", EXIT_INFRASTRUCTURE)
    except KeyboardInterrupt:
        return _failed("interrupted; what was written is whole", EXIT_INTERRUPTED)
    return EXIT_FINE


def _failed(sentence: str, code: int) -> int:
    print(f"mlu-conformance: {sentence}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(
        prog="mlu-conformance", description="Conformance of Cambricon MLUs: networks, goldens, scales."
    )
    top.add_argument("--version", action="version", version=f"mlu-conformance {__version__}")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    nodes = commands.add_parser("nodes", help="list the key nodes of a network, each with the reasons for it")
    nodes.add_argument("--nodes", default="key", help="key, all, a name or a glob (default: %(default)s)")
    nodes.set_defaults(command=_nodes)
    golden = commands.add_parser("golden", help="make a network's goldens and attainable errors")
    golden.add_argument("--golden-dir", type=Path, default=locations.GOLDENS, help="default: %(default)s")
    golden.set_defaults(command=_golden)
    quantize = commands.add_parser("quantize", help="write a network's quantisation parameter files")
    quantize.add_argument("--bits", type=int, choices=FIXED_BITS, help="only this width (default: 8 and 16)")
    quantize.set_defaults(command=_quantize)
    for command in (nodes, golden, quantize):
        command.add_argument(
            "network", help=f"name below {locations.NETWORKS.name}/, or a directory with {FILE}"
        )
    return top


def _network(name: str) -> Network:
    """Return a network by name, or by directory when the word holds a separator or is one."""
    path = Path(name)
    if os.sep in name or (path / FILE).exists():
        return Network(path)
    return find_network(name, locations.NETWORKS)


def _progress() -> Progress:
    return Progress(
        lambda text: print(text, end="", file=sys.stderr, flush=True), terminal=sys.stderr.isatty()
    )


def _nodes(options: argparse.Namespace) -> None:
    from conformance.graph.selection import judgeable_nodes, key_nodes, select

    network = _network(options.network)
    key = key_nodes(network.graph)
    chosen = select(options.nodes, judgeable_nodes(network.graph), key, network.name)
    operators = [network.graph.nodes[name].op for name in chosen]
    width, op_width = (max(map(len, texts), default=0) for texts in (chosen, operators))
    for name, op in zip(chosen, operators, strict=True):
        print(f"{name:<{width}}  {op:<{op_width}}  {', '.join(key.get(name, ['-']))}")
    print(f"{len(chosen)} nodes, {len(key)} of {network.name} are key nodes", file=sys.stderr)


def _golden(options: argparse.Namespace) -> None:
    from conformance.attainable import make_attainable
    from conformance.devices.emulator.profile import read_profile
    from conformance.goldens import GoldenStore
    from conformance.quantization.files import read_scales

    network = _network(options.network)
    scales = {bits: read_scales(network.directory, bits, network.graph) for bits in FIXED_BITS}
    progress = _progress()
    store = GoldenStore(network, options.golden_dir, progress)
    manifest = store.create()
    make_attainable(store, scales, read_profile(locations.IDEAL, locations.DEVICES), progress)
    everything, key = len(manifest.nodes), len(manifest.key)
    print(f"{store.directory}: fingerprints and bounds of {everything} nodes, tensors of {key} key nodes")


def _quantize(options: argparse.Namespace) -> None:
    from conformance.quantization.calibration import calibrate, largest_magnitudes
    from conformance.quantization.files import scales_path, write_scales

    network = _network(options.network)
    feeds = [network.feeds(sample) for sample in range(network.samples)]
    largest = largest_magnitudes(network.graph, feeds)
    if not largest:
        raise UsageError(
            f"network {network.name!r} has no convolution or matmul, so there is nothing to quantise"
        )
    for bits in (options.bits,) if options.bits else FIXED_BITS:
        path, scales = scales_path(network.directory, bits), calibrate(largest, bits)
        written = write_scales(path, scales)
        print(f"{path}: {len(scales.scales)} scales, {'written' if written else 'unchanged'}")


if __name__ == "__main__":
    sys.exit(main())
