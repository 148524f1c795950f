"""What right devices reach along the whole network: their outputs' errors, to which a device's are held."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from conformance import locations
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.parts import EmulatedParts
from conformance.devices.emulator.profile import read_profile
from conformance.expected.grown_inputs import ROUNDS, grown
from conformance.expected.repeated import along, repeated
from conformance.expected.right_devices import OTHER_WAY
from conformance.judging.bounds import ErrorValues, error_values, largest_values
from conformance.numerics.metrics import compare
from conformance.precision import PRECISIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from conformance.goldens import GoldenStore
    from conformance.graph.alike import Parts
    from conformance.precision import FixedBits, Precision
    from conformance.quantization.parameter_file import QuantizationScales

    Array = np.ndarray[Any, Any]

OTHER_INTEGERS = "fixed_point_scale=position-scale,fixed_point_rounding=half-up,convolution_sums=fp32"
RIGHT_WAYS = (
    locations.IDEAL,
    f"{locations.IDEAL},{OTHER_WAY},{OTHER_INTEGERS}",
)
"""Profiles of right devices: the ideal one, and one that rounds and adds in other ways."""

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
    parts = repeated(store, scales, [node.name for node in store.manifest.key])
    found = FusedErrors({name: {} for name in outputs}, {name: {} for name in outputs})
    for precision in PRECISIONS:
        first, *others = RIGHT_WAYS
        entry = scales[precision.fixed_bits]
        reached, grew = _errors(store, entry, precision, first, parts, rounds=(0, ROUNDS))
        runs = [reached]
        for way in others:
            runs += _errors(store, entry, precision, way, parts)
        for name in outputs:
            for kept, errors in ((found.fused, runs), (found.timed, [*runs, grew])):
                largest = _largest([run[name] for run in errors])
                if largest is not None:
                    kept[name][str(precision)] = largest
    return found


def _errors(
    store: GoldenStore,
    scales: QuantizationScales,
    precision: Precision,
    way: str,
    parts: Parts | None,
    rounds: Sequence[int] = (0,),
) -> list[dict[str, ErrorValues | None]]:
    """Return the largest error of each output on one right device, per round; None for what is not finite.

    Args:
        store: the goldens.
        scales: of the precision's width.
        precision: fixed-point × float width.
        way: its profile.
        parts: of the network, where it repeats itself.
        rounds: whose inputs are fed; 0: the network's own.
    """
    outputs = [output.name for output in store.network.outputs]
    errors: list[dict[str, list[ErrorValues | None]]] = [{name: [] for name in outputs} for _ in rounds]
    with _along(store, scales, precision, way, parts) as run:
        for sample in range(store.network.samples):
            feeds = store.network.feeds(sample)
            for number, found in zip(rounds, errors, strict=True):
                results = run(grown(feeds, number) if number else feeds)
                for name in outputs:
                    found[name].append(_error(store.get(name, sample), results[name]))
    return [{name: _largest(values) for name, values in found.items()} for found in errors]


@contextlib.contextmanager
def _along(
    store: GoldenStore,
    scales: QuantizationScales,
    precision: Precision,
    way: str,
    parts: Parts | None,
) -> Iterator[Callable[[dict[str, Array]], dict[str, Array]]]:
    """Yield what returns a right device's outputs, for a sample's inputs; arguments as of :func:`_errors`."""
    profile = read_profile(way, locations.DEVICES)
    if parts is None:
        graph, outputs = store.network.graph, [output.name for output in store.network.outputs]
        device = EmulatorDevice(profile)
        with device.open(graph, outputs, precision=precision, scales=scales, fuse=False) as session:
            yield session.run
    else:
        names = [node.name for node in store.manifest.key]
        emulated = EmulatedParts(parts, profile, precision, scales)
        yield lambda feeds: along(emulated, feeds, names)
        emulated.close()


def _largest(values: Sequence[ErrorValues | None]) -> ErrorValues | None:
    finite = [value for value in values if value is not None]
    return largest_values(finite) if len(finite) == len(values) else None


def _error(golden: Array, result: Array) -> ErrorValues | None:
    if not (np.isfinite(golden).all() and np.isfinite(result).all()):
        return None
    return error_values(compare(golden, result), golden_is_zero=not golden.any())
