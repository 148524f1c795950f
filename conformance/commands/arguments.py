"""What commands share of the command line: options of the table, the network, the device, the precision."""

from __future__ import annotations

import argparse
import dataclasses
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.commands.printing import progress
from conformance.errors import UsageError
from conformance.freezing.finding import is_saved_model
from conformance.network_file import FILE
from conformance.networks import Network, find_network, network_at
from conformance.options import BY_NAME, Kind, Option
from conformance.precision import PRECISIONS, parse_precision
from conformance.settings import given_twice, resolved

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.goldens import GoldenStore
    from conformance.precision import Precision

DEVICE = ("device", "device_option", "device_timeout", "isolate", "profile")
"""The options that say which device is meant."""
NETWORK = BY_NAME["network"].variable


class Once(argparse.Action):
    """Keeps an option's value; a second one is an error, where argparse would silently take the last."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        """Take a value from the command line."""
        seen = vars(namespace).setdefault("seen", {})
        if option_string and seen.setdefault(self.dest, values) != values:
            parser.error(given_twice(option_string, seen[self.dest], values))
        setattr(namespace, self.dest, values)


def add_options(command: argparse.ArgumentParser, *names: str) -> None:
    """Add options of the table by their names in code, such as ``golden_dir``."""
    for name in names:
        add_option(command, name)


def add_option(
    command: argparse.ArgumentParser, name: str, *, also: str = "", default: str | None = None
) -> None:
    """Add one option of the table.

    Args:
        command: gets the option.
        name: the option's, such as ``golden_dir``.
        also: what more its help says for this command.
        default: in place of the table's.
    """
    option = BY_NAME[name]
    option = dataclasses.replace(
        option, help=option.help + also, default=option.default if default is None else default
    )
    command.add_argument(option.flag, **option.argument)
    _takes(command, option)


def add_list(command: argparse.ArgumentParser, flag: str, metavar: str, text: str, **more: Any) -> None:
    """Add an option that may be given again: its values make a list, which is empty by default."""
    command.add_argument(flag, action="append", default=[], metavar=metavar, help=text, **more)


def add_device(command: argparse.ArgumentParser) -> None:
    """Add ``--device`` and everything that says more about it."""
    add_options(command, *DEVICE)


def add_network(command: argparse.ArgumentParser, also: str = "") -> None:
    """Add the positional argument ``network``, for which ``--network`` of pytest and its twin stand in.

    Args:
        command: gets the argument.
        also: what more its help says for this command.
    """
    command.add_argument(
        "network",
        nargs="?",
        help=f"name below fixtures/{locations.NETWORKS.name}, or a directory with {FILE}{also} [environment: "
        f"{NETWORK} or {BY_NAME['network_path'].variable}]",
    )
    add_option(command, "trust_graph")
    for name in ("network", "network_path"):
        option = dataclasses.replace(BY_NAME[name], flag=name, value="name", default="")
        _takes(command, dataclasses.replace(option, kind=Kind.PATH) if name == "network_path" else option)


def _takes(command: argparse.ArgumentParser, option: Option) -> None:
    command.set_defaults(takes=(*(command.get_default("takes") or ()), option))


def with_environment(options: argparse.Namespace, environment: Mapping[str, str]) -> argparse.Namespace:
    """Return parsed options as the command gets them: with twins, defaults, and what texts mean.

    ``given`` of the result holds the names of those that the command line said itself.

    Raises:
        UsageError: see :func:`conformance.settings.resolved`.
    """
    values = dict(vars(options))
    values.pop("seen", None)
    takes: tuple[Option, ...] = values.pop("takes", ())
    given = frozenset(option.name for option in takes if values.get(option.name) is not None)
    return argparse.Namespace(**values | resolved(takes, values, environment, Path()), given=given)


def required_precision(options: argparse.Namespace) -> Precision:
    """Return the precision that the options ask for.

    Raises:
        UsageError: there is none, or it does not exist.
    """
    if options.precision is None:
        raise UsageError(f"--precision is missing; give one of {', '.join(map(str, PRECISIONS))}")
    return parse_precision(options.precision)


def sample_number(text: str) -> int:
    """Return the number of a sample that ``--sample`` gives.

    Raises:
        UsageError: it is none.
    """
    if not (text.isascii() and text.isdigit()):
        raise UsageError(f"--sample {text!r} is no number of a sample; give one like 0")
    return int(text)


def required_network(options: argparse.Namespace, instead: str = "") -> Network:
    """Return the network that :func:`add_network` asks for, with the weights of ``--weights``.

    Args:
        options: of the command.
        instead: what else the user could give, for the sentence.

    Raises:
        UsageError: none is named, there is no such network, or its description is wrong.
    """
    network = _named(options, instead) if options.network_path is None else network_at(options.network_path)
    network = network.trusting(options.trust_graph)
    weights = getattr(options, "weights", None)
    return network.with_weights(weights) if weights else network


def _named(options: argparse.Namespace, instead: str) -> Network:
    if options.network is None:
        raise UsageError(f"the network is missing; name one, {instead}or set {NETWORK}")
    if "network" not in options.given and (options.network == "all" or "," in options.network):
        raise UsageError(f"{NETWORK}={options.network} is for pytest; name the one network of this command")
    return network_of(options.network)


def golden_store(network: Network, options: argparse.Namespace) -> GoldenStore:
    """Return the goldens of a network in the directory that the options name, else the project's."""
    from conformance.goldens import GoldenStore

    return GoldenStore(network, options.golden_dir or locations.GOLDENS, progress())


def network_of_run_asked(options: argparse.Namespace) -> str | None:
    """Return which of a finished run's networks is asked for, None where the user does not say.

    A run knows its networks and weights, so what the environment says of them does not count.

    Raises:
        UsageError: the command line gives weights all the same.
    """
    if "weights" in options.given:
        raise UsageError("--weights and --from-run contradict each other: a run knows its weights; drop one")
    return options.network if "network" in options.given else None


def network_of(word: str) -> Network:
    """Return a network by name, or by its directory, the ``network.toml`` in it, or a path to either.

    Raises:
        UsageError: there is no such network, or its description is wrong.
    """
    path = Path(word)
    if os.sep in word or path.is_file() or (path / FILE).exists() or is_saved_model(path):
        return network_at(path)
    return find_network(word, locations.NETWORKS)


def share(text: str) -> float:
    """Return ``3%`` or ``0.03`` as a share above 0 and below 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share above 0 and below 100 %; give one like 3%")
    return value
