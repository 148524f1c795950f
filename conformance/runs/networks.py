"""The networks of a finished run: found again, and known to be the same, by what its environment says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance import locations
from conformance.errors import UsageError, near_names
from conformance.networks import Network, find_network

if TYPE_CHECKING:
    from conformance.runs.environment import Environment, JudgedNetwork


def network_of_run(
    environment: Environment, run: Path, name: str | None = None, *, trusted: bool = False
) -> Network:
    """Return a network of a finished run.

    Args:
        environment: of the run.
        run: its directory, for sentences.
        name: of the network; None where the run has one alone.
        trusted: whether its graph may reach outside of itself; what the run says of that does not count.

    Raises:
        UsageError: there is no such network, or the run judged another graph than it has now.
    """
    network = found_network(environment, run, name).trusting(trusted)
    _check_graph(_chosen(environment.networks, run, name), network, run)
    return network


def found_network(environment: Environment, run: Path, name: str | None = None) -> Network:
    """Return a network of a finished run as :func:`network_of_run`, its graph unread and unchecked."""
    judged = _chosen(environment.networks, run, name)
    network = _found(judged, run)
    if network.name != judged.name:
        raise UsageError(
            f"run {run} judged network {judged.name!r}, but {network.directory} is {network.name!r} now; "
            "repeat the run"
        )
    return network


def judged_graph(environment: Environment, name: str) -> str | None:
    """Return the SHA-256 of the graph that a run judged under this network's name, None if it did not."""
    return next((item.graph_sha256 for item in environment.networks if item.name == name), None)


def _check_graph(judged: JudgedNetwork, network: Network, run: Path) -> None:
    if judged.graph_sha256 != network.graph.sha256:
        raise UsageError(
            f"run {run} judged another graph (sha256 {judged.graph_sha256:.12}) than {network.directory} "
            f"holds now ({network.graph.sha256:.12}); repeat the run"
        )


def _chosen(networks: list[JudgedNetwork], run: Path, name: str | None) -> JudgedNetwork:
    names = [item.name for item in networks]
    if not names:
        raise UsageError(f"run {run} does not say which network was judged; repeat the run")
    if name is None and len(names) > 1:
        raise UsageError(f"run {run} judged {', '.join(names)}; name one of them")
    if name is not None and name not in names:
        raise UsageError(f"run {run} did not judge network {name!r}{near_names(name, names)}")
    return networks[names.index(name) if name is not None else 0]


def _found(judged: JudgedNetwork, run: Path) -> Network:
    weights = None if judged.weights is None else Path(judged.weights)
    try:
        if judged.directory is not None:
            return Network(Path(judged.directory), weights)
        network = find_network(judged.own or judged.name, locations.NETWORKS)
        return network if weights is None else network.with_weights(weights)
    except UsageError as error:
        raise UsageError(f"{error}: run {run} had it there; put it back") from error
