"""Devices with one planted fault each, for ``--device=diagnosis.planted:NAME``; diagnose must name the fault.

Each is the emulator, of ideal arithmetic or of the card's, whose graph is changed before it is compiled: the
fault acts inside the computation, so that what follows it, chained or fused, computes with what it made.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from diagnosis.planted_sessions import breaking, rewritten, scaled, stale, switched, truncated

from conformance import locations
from conformance.devices.base import NOTHING_HOSTED
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile

if TYPE_CHECKING:
    from collections.abc import Callable

ALL = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
IDEAL, CARD = "ideal", "mlu270"


@dataclasses.dataclass(frozen=True)
class Planted:
    """A fault, and what a diagnosis must say of it; called, it is a device that has it.

    Attributes:
        what: the fault, in words.
        where: the faulty node, or the operator type of all faulty nodes.
        open: opens a session that has the fault at some nodes.
        shows: globs of the precisions at which it shows.
        kind: what diagnose must call the culprit.
        only: glob of the precisions that have the fault.
        own: whether own errors show it, so that few runs must do.
    """

    what: str
    where: str
    open: Callable[..., Any]
    shows: str = "*"
    kind: str = "node"
    only: str = "*"
    own: bool = True

    def nodes(self, graph, fetches) -> set[str]:
        """Return the nodes of ``graph`` that are faulty."""
        found = {name for name, node in graph.nodes.items() if self.where in (name, node.op)}
        return found - set(fetches) if self.kind == "fused" else found

    @property
    def cases(self) -> list[tuple[str, str]]:
        """Return profile and precision wherever it shows as the only fault: the card's Mean fails at fp16."""
        shown = [precision for precision in ALL if fnmatch.fnmatch(precision, self.shows)]
        return [
            *((IDEAL, precision) for precision in shown),
            *((CARD, precision) for precision in shown if precision.endswith("fp32")),
        ]

    def __call__(self, profile: str = IDEAL) -> PlantedDevice:
        """Return the emulator of a profile with the fault."""
        return PlantedDevice(self, profile)


class PlantedDevice:
    """The emulator with a fault.

    Attributes:
        profile: its switches.
        emulator: itself, without the fault.
    """

    def __init__(self, fault: Planted, profile: str, hosted: Any = NOTHING_HOSTED) -> None:
        self._fault, self._name, self._hosted = fault, profile, hosted
        self.profile = _profile(profile)
        self.emulator = EmulatorDevice(self.profile, hosted)

    def info(self):
        return dataclasses.replace(self.emulator.info(), kind="planted")

    def open(self, graph, fetches, *, precision, scales, fuse=True):
        options = {"precision": precision, "scales": scales, "fuse": fuse}
        faulty = fnmatch.fnmatch(str(precision), self._fault.only)
        targets = self._fault.nodes(graph, fetches) - self._hosted.nodes_of(graph) if faulty else ()
        if not targets:
            return self.emulator.open(graph, fetches, **options)
        return self._fault.open(self, graph, list(fetches), targets, **options)

    def hosting(self, hosted):
        """Return the same device with some operators left to the host, where they are right."""
        return PlantedDevice(self._fault, self._name, hosted)

    def close(self):
        self.emulator.close()


@functools.cache
def _profile(request):
    return read_profile(request, locations.DEVICES)


# What faulty nodes compute, of TensorFlow, their name, the right value, and their inputs, constants as arrays


def _half_pixel_resize(tf, _, __, images, size):
    return tf.raw_ops.ResizeNearestNeighbor(images=images, size=size, half_pixel_centers=True)


def _without_last_filter_row(tf, _, __, x, filters):
    shorter = filters.copy()
    shorter[-1] = 0
    return tf.nn.conv2d(x, shorter, 1, "SAME")


def _eight_bits(tf, _, right, *__):
    return tf.cast(tf.cast(right, tf.bfloat16), right.dtype)


def _swapped(tf, _, __, first, second, axis):
    return tf.concat([second, first], axis)


def _saturated(tf, _, right, *__):
    return tf.clip_by_value(right, -16.0, 16.0)


def _transposed_tile(tf, _, right, *__):
    """Transpose the first 8 × 8 places of every channel."""
    height, width, channels = right.shape[1:]
    places = np.arange(height * width).reshape(height, width)
    places[:8, :8] = places[:8, :8].T.copy()
    rows = tf.gather(tf.reshape(right, [-1, height * width, channels]), places.reshape(-1), axis=1)
    return tf.reshape(rows, [-1, height, width, channels])


def _leaking(tf, _, __, x):
    return tf.maximum(x, -1e-3)


def _doubled(_, __, right, *___):
    return right + right


def _one_term_less(_, __, right, x, axes):
    terms = float(np.prod([x.shape[axis] for axis in axes]))
    return right * (terms / (terms - 1))


def _first_column(tf, _, __, x, axes):
    return tf.reduce_mean(x, axes[:1], keepdims=True)[:, :, :1]


def _without_bias(tf, _, __, x, *___):
    return tf.identity(x)


def _channel(number, value):
    def body(tf, _, right, *__):
        place = np.arange(right.shape[-1]) == number
        return tf.where(tf.broadcast_to(place, right.shape), np.float32(value), right)

    return body


def _difference(_, __, ___, first, second):
    return first - second


def _reversed(_, __, ___, first, second):
    return second - first


def _stronger(factor, channel=None):
    def body(_, __, right, *___):
        place = np.ones(right.shape[-1], bool) if channel is None else np.arange(right.shape[-1]) == channel
        return right * np.where(place, np.float32(factor), np.float32(1))

    return body


def _one_element(change):
    """Change the element of the first row, third column and last channel."""

    def body(tf, _, right, *__):
        there = np.zeros(right.shape[1:], bool)
        there[0, 2, -1] = True
        return tf.where(there, change(tf, right), right)

    return body


def _rolled(tf, _, right, *__):
    return tf.roll(right, 1, 1)


def _channels_swapped(tf, _, right, *__):
    return tf.gather(right, [1, 0, *range(2, right.shape[-1])], axis=-1)


def _without_last(axis):
    def body(_, __, right, *___):
        kept = np.arange(right.shape[axis]) < right.shape[axis] - 1
        return right * kept.reshape([-1 if at == axis else 1 for at in range(4)]).astype(np.float32)

    return body


def _in_half(tf, _, right, *__):
    return tf.cast(tf.cast(right, tf.float16), right.dtype)


def _offset(tf, _, right, *__):
    return right + 0.01 * tf.math.reduce_std(right)


FAULTS = {
    "resize_rule": Planted("resize by pixel centres", "up_1/resize", rewritten(_half_pixel_resize)),
    "filter_row": Planted(
        "convolution without its last filter row",
        "block_1/second/Conv2D",
        rewritten(_without_last_filter_row),
    ),
    "rsqrt_bits": Planted("Rsqrt good to 8 bits", "Rsqrt", rewritten(_eight_bits), kind="operator"),
    "concat_order": Planted("concat in the wrong order", "joined", rewritten(_swapped)),
    "add_saturates": Planted("Add saturating at 16", "block_2/add", rewritten(_saturated)),
    "scale_by_two": Planted("quantisation scale off by 2", "block_2/first/Conv2D", scaled(2.0)),
    "stale": Planted("buffer of the run before", "mix_norm/normal", stale, own=False),
    "transposed_tile": Planted(
        "tile of a convolution transposed", "style/second/Conv2D", rewritten(_transposed_tile)
    ),
    "relu_leaks": Planted("Relu passing -1e-3", "block_1/relu", rewritten(_leaking), "int16-*"),
    "truncated": Planted(
        "int16 truncated, not rounded", "Conv2D", truncated, "int16-fp32", "operator", only="int16-*"
    ),
    "half_sums": Planted(
        "fp16 sums at one node",
        "style/norm_1/variance",
        switched(reduction_sum="float-type", half_overflow="saturate"),
        "*-fp16",
    ),
    "fused_only": Planted(
        "Add doubling where it is fused", "block_1/add", rewritten(_doubled), kind="fused", own=False
    ),
    "fused_inside": Planted(
        "Relu doubling where it is fused", "image/relu", rewritten(_doubled), kind="fused", own=False
    ),
    "wrong_count": Planted(
        "Mean dividing by one too few", "block_2/norm_1/variance", rewritten(_one_term_less)
    ),
    "one_column": Planted("Mean over the first column alone", "mix_norm/mean", rewritten(_first_column)),
    "no_bias": Planted("bias missing", "up_2/BiasAdd", rewritten(_without_bias)),
    "zero_channel": Planted("channel of zeros", "up_1/Conv2D", rewritten(_channel(5, 0.0))),
    "nan": Planted("channel of NaN", "image/norm_2/scaled", rewritten(_channel(2, np.nan))),
    "breaks": Planted("kernel that hangs", "block_2/norm_2/rsqrt", breaking),
    "not_squared": Planted(
        "SquaredDifference without the square", "style/norm_2/squares", rewritten(_difference)
    ),
    "coarse_tanh": Planted("Tanh from 16 table entries", "image/tanh", switched(tanh="table-16")),
    "swapped_operands": Planted("Sub with swapped operands", "block_1/norm_2/shift", rewritten(_reversed)),
    "stronger": Planted("all values 0.1 % too large", "style/second/Conv2D", rewritten(_stronger(1.001))),
    "stronger_channel": Planted(
        "one channel 1 % too strong", "block_2/first/Conv2D", rewritten(_stronger(1.01, channel=3))
    ),
    "sign": Planted("sign of one element", "up_1/Conv2D", rewritten(_one_element(lambda _, right: -right))),
    "element": Planted(
        "one element off by 1 % of all",
        "block_1/second/Conv2D",
        rewritten(_one_element(lambda tf, right: right + 0.01 * tf.math.reduce_std(right))),
    ),
    "scale_too_large": Planted("scales 5 % too large", "block_2/first/Conv2D", scaled(1.05)),
    "scale_slightly_off": Planted("scales 0.1 % off", "style/second/Conv2D", scaled(1.001)),
    "rolled": Planted("rows one further down", "up_1/Conv2D", rewritten(_rolled)),
    "channels": Planted("two channels swapped", "block_1/second/Conv2D", rewritten(_channels_swapped)),
    "last_row": Planted("last row missing", "style/second/Conv2D", rewritten(_without_last(1))),
    "last_column": Planted("last column missing", "up_1/Conv2D", rewritten(_without_last(2))),
    "kept_in_half": Planted("results kept in half", "block_2/first/Conv2D", rewritten(_in_half), "*-fp32"),
    "offset": Planted("all values off by 1 % of all", "up_1/Conv2D", rewritten(_offset)),
}
"""The faults by name; the first 12 are those that a diagnosis was asked for."""
ASKED_FOR = 12


def enlarged(node: str) -> Planted:
    """Return the fault of a node that is a tenth too large."""
    return Planted("a tenth too large", node, rewritten(lambda _, __, right, *___: 1.1 * right))


def __getattr__(name: str) -> Planted:
    """Return a fault by its name, as a factory of devices."""
    if name in FAULTS:
        return FAULTS[name]
    raise AttributeError(name)
