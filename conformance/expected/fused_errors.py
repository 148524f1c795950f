"""What right devices reach along the whole network: their outputs' errors, to which a device's are held."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.expected.grown_inputs import ROUNDS, grown
from conformance.expected.right_devices import OTHER_WAY
from conformance.judging.bounds import ErrorValues, error_values, largest_values
from conformance.numerics.metrics import compare
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.goldens import GoldenStore
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]

RIGHT_WAYS = (
    "arithmetic=float32",
    OTHER_WAY,
    f"{OTHER_WAY},fixed_point_scale=position-scale,fixed_point_rounding=half-up,convolution_sums=fp32",
)
"""Switches of the ideal profile: right devices that round and add in other ways."""


Errors = dict[str, dict[str, ErrorValues]]


class FusedErrors(NamedTuple):
    """The largest errors that right devices have at a network's outputs, by output and precision.

    An output that is not finite on one of them at a precision has none there.

    Attributes:
        fused: on the network's inputs.
        timed: on those, and on inputs that grew as much as they do in timed runs; against the same goldens.
    """

    fused: Errors
    timed: Errors


def fused_errors(store: GoldenStore, scales: Mapping[FixedBits, QuantizationScales]) -> FusedErrors:
    """Return what right devices reach along the whole network.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
    """
    outputs = [output.name for output in store.network.outputs]
    store.ensure(outputs)
    found = FusedErrors({name: {} for name in outputs}, {name: {} for name in outputs})
    for precision in PRECISIONS:
        runs = [
            run
            for way in RIGHT_WAYS
            for run in _errors(
                store, scales[precision.fixed_bits], precision, way, timed=way == RIGHT_WAYS[0]
            )
        ]
        for name in outputs:
            errors = [run[name] for run in runs]
            for reached, part in ((found.fused, [errors[0], *errors[2:]]), (found.timed, errors)):
                if None not in part:
                    reached[name][str(precision)] = largest_values([value for value in part if value])
    return found


def _errors(
    store: GoldenStore, scales: QuantizationScales, precision: Precision, way: str, *, timed: bool
) -> Iterator[dict[str, ErrorValues | None]]:
    """Yield the largest error of each output on one right device; None for what is not finite.

    Args:
        store: the goldens.
        scales: of the precision's width.
        precision: fixed-point × float width.
        way: switches of the ideal profile.
        timed: whether to yield those on inputs that grew, too, after those on the network's own.
    """
    outputs = [output.name for output in store.network.outputs]
    device = EmulatorDevice(read_profile(f"{locations.IDEAL},{way}", locations.DEVICES))
    with device.open(store.network.graph, outputs, precision=precision, scales=scales, fuse=False) as session:
        for rounds in (0, ROUNDS) if timed else (0,):
            errors: dict[str, list[ErrorValues | None]] = {name: [] for name in outputs}
            for sample in range(store.network.samples):
                feeds = store.network.feeds(sample)
                results = session.run(grown(feeds, rounds) if rounds else feeds)
                for name in outputs:
                    errors[name].append(_error(store.get(name, sample), results[name]))
            yield {
                name: None if None in values else largest_values([value for value in values if value])
                for name, values in errors.items()
            }


def _error(golden: Array, result: Array) -> ErrorValues | None:
    if not (np.isfinite(golden).all() and np.isfinite(result).all()):
        return None
    return error_values(compare(golden, result), golden_is_zero=not golden.any())
