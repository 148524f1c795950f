"""What a run judges: networks, their goldens' manifests, and the chosen nodes. Needs no TensorFlow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from conformance import locations
from conformance.errors import UsageError
from conformance.goldens import GoldenStore, Manifest
from conformance.graph.selection import select_nodes
from conformance.judging.cases import OPERATORS
from conformance.networks import Network, find_network, network_at, network_names
from conformance.runs.environment import JudgedNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from conformance.settings import Settings

ALL = "all"
"""The word for every network below ``fixtures/networks``."""


class NetworkPlan:
    """One network of a run.

    Args:
        network: the network.
        settings: what the user asked for.
    """

    def __init__(self, network: Network, settings: Settings) -> None:
        self.network, self.settings = network, settings

    @functools.cached_property
    def store(self) -> GoldenStore:
        """The goldens; of a user's weights they are made here, with scales and bounds, when first needed."""
        store = GoldenStore(self.network, self.settings.golden_dir)
        if self.settings.weights:
            from conformance.expected.preparation import prepare_weights

            prepare_weights(store)
        return store

    @property
    def manifest(self) -> Manifest:
        """The manifest of the goldens."""
        return self.store.manifest

    @functools.cached_property
    def nodes(self) -> list[str]:
        """The judged nodes, producers first.

        Raises:
            UsageError: ``--nodes`` matches none.
        """
        return select_nodes(self.settings.nodes, self.manifest.nodes, self.network.name)

    @property
    def judged(self) -> JudgedNetwork:
        """What the run's environment says of the network."""
        own = self.network.directory.parent == locations.NETWORKS
        return JudgedNetwork(
            name=self.network.name,
            directory=None if own else str(self.network.directory),
            own=self.network.directory.name if own else None,
            weights=None if self.settings.weights is None else str(self.settings.weights),
            graph_sha256=self.manifest.provenance.graph_sha256,
        )


class Plan:
    """All networks of a run.

    Args:
        settings: what the user asked for.

    Attributes:
        parts: by the network's name, in the order in which they are judged.
        operators: names of those that are judged by themselves, too.

    Raises:
        UsageError: a network is not there, is named twice, or several shall get the same weights.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        networks = _at(settings.network_path) if settings.network_path else _named(settings.network)
        if settings.weights is not None:
            if len(networks) > 1:
                named = "--network-path" if settings.network_path else f"--network {settings.network}"
                raise UsageError(
                    f"--weights {settings.weights} are those of one network, but {named} names "
                    f"{len(networks)}; name one"
                )
            networks = [networks[0].with_weights(settings.weights)]
        networks = [network.trusting(settings.trust_graph) for network in networks]
        self.parts = {network.name: NetworkPlan(network, settings) for network in networks}
        self.operators: tuple[str, ...] = ()

    def restrict(self, networks: Collection[str], operators: Sequence[str]) -> None:
        """Judge these networks alone, and operators by themselves.

        Args:
            networks: names of what is selected; those that the plan does not have are none of its own.
            operators: names of the operators.

        Raises:
            UsageError: a network is called as operators are.
        """
        if OPERATORS in self.parts:
            raise UsageError(
                f"network {self.parts[OPERATORS].network.directory} is called {OPERATORS!r}, as operators "
                "that are tested by themselves are; give it another name"
            )
        self.operators = tuple(operators)
        self.parts = {name: part for name, part in self.parts.items() if name in networks}

    @property
    def title(self) -> str:
        """What the run is called after: its network, how several were named, or operators."""
        if not self.parts:
            return OPERATORS
        named = self.settings.network if not self.settings.network_path else "-".join(self.parts)
        return named if len(self.parts) > 1 else next(iter(self.parts))

    @property
    def notes(self) -> list[str]:
        """What a reader should know of goldens."""
        return [note for part in self.parts.values() for note in part.store.notes]

    def show_progress(self, progress: Callable[[int, int, str], None]) -> None:
        """Show long work on goldens with ``progress`` from now on."""
        for part in self.parts.values():
            part.store.progress = progress


def _at(paths: Sequence[Path]) -> list[Network]:
    """Return the networks that ``--network-path`` names; a case is known by its network's name."""
    networks = [network_at(path) for path in dict.fromkeys(paths)]
    first: dict[str, Network] = {}
    for network in networks:
        if (other := first.setdefault(network.name, network)) is not network:
            raise UsageError(
                f"--network-path {network.directory} and {other.directory} are both called {network.name!r}; "
                "give each a name of its own, or judge them in runs of their own"
            )
    return networks


def _named(words: str) -> list[Network]:
    """Return the networks that ``--network`` names: ``all``, a name, or several separated by commas."""
    names = network_names(locations.NETWORKS) if words == ALL else [word.strip() for word in words.split(",")]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise UsageError(f"--network {words} names {doubled[0]!r} twice; name each network once")
    return [find_network(name, locations.NETWORKS) for name in names]
