"""What right devices reach along the whole network: their outputs' errors, to which a device's are held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.expected.right_devices import OTHER_WAY
from conformance.judging.bounds import ErrorValues, error_values, largest_values
from conformance.numerics.metrics import compare
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from conformance.goldens import GoldenStore
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

RIGHT_WAYS = (
    "arithmetic=float32",
    OTHER_WAY,
    f"{OTHER_WAY},fixed_point_scale=position-scale,fixed_point_rounding=half-up,convolution_sums=fp32",
)
"""Switches of the ideal profile: right devices that round and add in other ways."""


def fused_errors(
    store: GoldenStore, scales: Mapping[FixedBits, QuantizationScales]
) -> dict[str, dict[str, ErrorValues]]:
    """Return the largest errors that right devices have at a network's outputs, by output and precision.

    An output that is not finite on one of them at a precision has none there.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
    """
    outputs = [output.name for output in store.network.outputs]
    store.ensure(outputs)
    found: dict[str, dict[str, ErrorValues]] = {name: {} for name in outputs}
    for precision in PRECISIONS:
        errors = dict(_errors(store, scales[precision.fixed_bits], precision, outputs))
        for name, values in errors.items():
            if None not in values:
                found[name][str(precision)] = largest_values([value for value in values if value])
    return found


def _errors(
    store: GoldenStore, scales: QuantizationScales, precision: Precision, outputs: list[str]
) -> Iterator[tuple[str, list[ErrorValues | None]]]:
    """Yield each output with its errors on every right device and sample; None for what is not finite."""
    errors: dict[str, list[ErrorValues | None]] = {name: [] for name in outputs}
    for way in RIGHT_WAYS:
        device = EmulatorDevice(read_profile(f"{locations.IDEAL},{way}", locations.DEVICES))
        with device.open(
            store.network.graph, outputs, precision=precision, scales=scales, fuse=False
        ) as session:
            for sample in range(store.network.samples):
                results = session.run(store.network.feeds(sample))
                for name in outputs:
                    golden, result = store.get(name, sample), results[name]
                    finite = np.isfinite(golden).all() and np.isfinite(result).all()
                    zero = not golden.any()
                    errors[name].append(
                        error_values(compare(golden, result), golden_is_zero=zero) if finite else None
                    )
    yield from errors.items()
