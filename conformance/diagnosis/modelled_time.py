"""The least time of a network on one core of the device's model, or of an MLU270 where that has no data."""

from __future__ import annotations

import dataclasses
import functools
from typing import TYPE_CHECKING, cast

from conformance.devices.base import Device, DeviceInfo
from conformance.evaluation.evaluation import Evaluation
from conformance.expected.roofline import hardware, roofline

if TYPE_CHECKING:
    from conformance.goldens import GoldenStore
    from conformance.judging.bounds import Margins
    from conformance.precision import Precision

MODEL = "MLU270"
"""Whose speed is modelled for a device of which nothing is known."""


@dataclasses.dataclass(frozen=True)
class Named:
    """In the place of a device: says which model it is, and runs nothing."""

    model: str

    def info(self) -> DeviceInfo:
        """Return the model."""
        return DeviceInfo(kind="model", model=self.model, simulated=True)


class ModelledTime:
    """The roofline of a network.

    Args:
        store: the network's goldens.
        margins: margin per operator class.
        model: what the device is.

    Attributes:
        model: whose time it is.
    """

    def __init__(self, store: GoldenStore, margins: Margins, model: str) -> None:
        self._asked = model
        self.model = model if hardware(model) else MODEL
        self._evaluation = Evaluation(cast("Device", Named(self.model)), store, margins, ())

    @property
    def remark(self) -> str:
        """What a reader should know of whose time it is, or ''."""
        if self.model == self._asked:
            return ""
        return f"modelled times are those of one core of an {self.model}: nothing is known of {self._asked!r}"

    @functools.cache  # noqa: B019 - lives as long as its diagnosis
    def seconds(self, precision: Precision) -> float | None:
        """Return the least time of one sample at a precision, without what crosses to a host."""
        found = roofline(self._evaluation, precision)
        return None if found is None else float(found["bound_seconds"])
