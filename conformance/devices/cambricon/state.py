"""How a card is at the moment: its clock, temperature and power, as far as the driver tells.

Never run on a card: the texts are those of public sources, see :mod:`conformance.devices.cambricon.versions`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from conformance.devices.cambricon.cards import information_text, run_tool
from conformance.devices.cambricon.versions import clock_megahertz, cnmon_state

if TYPE_CHECKING:
    from conformance.devices.cambricon.cards import Card, Tool


def card_state(card: Card, root: Path = Path("/"), run: Tool = run_tool) -> dict[str, float]:
    """Return figures of a card by name and unit; what no source knows is left out.

    Args:
        card: which one.
        root: where ``proc`` lies.
        run: runs a tool; returns what it prints, or None.
    """
    clock = clock_megahertz(information_text(root, card.bus)) if card.bus else None
    told = cnmon_state(run(("cnmon",)) or "").get(card.index, {})
    return ({} if clock is None else {"clock_megahertz": clock}) | told
