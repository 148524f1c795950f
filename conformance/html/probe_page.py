"""The page of a probe, made from its ``probe.json`` alone."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING

from conformance.html.formats import count, percent
from conformance.html.page import Banner, Tile, rendered
from conformance.html.probe_findings import arithmetic

if TYPE_CHECKING:
    from conformance.probing.result import Probe, State

WORDS: dict[State, str] = {
    "told": "told by a result",
    "same": "not told apart",
    "none": "none of the alternatives",
    "rests": "open",
    "lost": "without a result",
}
"""What a page calls the states of answers, in the order in which it counts them."""
TONES: dict[State, str] = {"told": "good", "none": "known", "rests": "odd"}
MOST_LOST = 50


def probe_page(probe: Probe, source: str) -> str:
    """Return the page of a probe.

    Args:
        probe: what was found.
        source: its file, as the page names it.
    """
    return rendered(
        "probe.html",
        title=f"probe of {probe.device_words}, {probe.date}",
        banner=_banner(probe),
        tiles=_tiles(probe),
        found=arithmetic(probe),
        lost=[*probe.lost.items()][:MOST_LOST],
        lost_left_out=max(len(probe.lost) - MOST_LOST, 0),
        source=source,
    )


def _counts(probe: Probe) -> dict[State, int]:
    counted = collections.Counter(answer.state for answer in probe.answers)
    return {state: counted[state] for state in WORDS if counted[state]}


def _banner(probe: Probe) -> Banner:
    counts = _counts(probe)
    said = ", ".join(f"{number} {WORDS[state]}" for state, number in counts.items()) or "nothing was asked"
    sentences = [f"Of {count(len(probe.answers), 'switch', 'switches')}: {said}."]
    if probe.explained is not None:
        sentences.append(f"The profile found {probe.explained.in_words}.")
    badges = ["SIMULATED"] if probe.device.get("simulated") else []
    if not {"told", "same"} & set(counts):
        return Banner("NOTHING FOUND", "odd", sentences, badges)
    lacking = {"none", "rests", "lost"} & set(counts)
    if lacking or (probe.explained and probe.explained.explained < probe.explained.nodes):
        return Banner("FOUND IN PART", "known", sentences, badges)
    return Banner("FOUND", "good", sentences, badges)


def _tiles(probe: Probe) -> list[Tile]:
    states = [
        Tile(f"{number:,}", f"switches {WORDS[state]}", TONES.get(state, ""))
        for state, number in _counts(probe).items()
    ]
    return [*states, *_explained(probe), *_costs(probe)]


def _explained(probe: Probe) -> list[Tile]:
    found = probe.explained
    if found is None or not found.nodes:
        return []
    whole = found.explained == found.nodes
    share = percent(found.explained / found.nodes)
    return [Tile(share, f"of {found.network}'s nodes explained", "good" if whole else "known")]


def _costs(probe: Probe) -> list[Tile]:
    most = max(probe.compilations.values(), default=0)
    return [
        Tile(f"{most:,}", "compilations per precision at most"),
        Tile(f"{probe.seconds:.0f} s", "wall time"),
    ]
