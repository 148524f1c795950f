"""What is found beyond the switches of the profile, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.probing.experiments import storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.probing.answers import Answer
    from conformance.probing.measuring import Measured
    from conformance.probing.result import Property

EXPERIMENTS = (*storage.EXPERIMENTS,)
"""What all of them need."""


def properties(measured: Sequence[Measured], answers: Sequence[Answer]) -> list[Property]:
    """Return everything that results tell, subject by subject.

    Args:
        measured: what the device gave, at each precision that it offers.
        answers: of the switches.
    """
    return []
