"""The shortest way from a few lines of TensorFlow to a frozen graph, and from there through the emulator."""

import functools
from pathlib import Path

import numpy as np

from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.profile import read_profile
from conformance.devices.emulator.rewrite import emulate
from conformance.graph.composing import reference_graph
from conformance.graph.execution import GraphRunner
from conformance.graph.frozen import FrozenGraph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.numerics.half import round_to_half
from conformance.precision import parse_precision
from conformance.quantization.calibration import calibrate, largest_magnitudes, quantized_tensors
from conformance.quantization.parameter_file import QuantizationScales

ROOT = Path(__file__).resolve().parents[2]
PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")


@functools.cache
def profile(request="mlu270"):
    """Return a profile of the suite, such as ``mlu270,half_rounding=ties-even``."""
    return read_profile(request, ROOT / "fixtures/devices")


def frozen(build, *outputs, control_flow_v2=True):
    """Return the graph of what ``build(tf)`` makes, pruned to ``outputs``."""
    tf = tensorflow()
    switch = tf.compat.v1.enable_control_flow_v2 if control_flow_v2 else tf.compat.v1.disable_control_flow_v2
    switch()
    try:
        with tf.Graph().as_default() as graph:
            build(tf)
    finally:
        tf.compat.v1.enable_control_flow_v2()
    return FrozenGraph.of(graph.as_graph_def(), outputs).prune(outputs)


def placeholder(tf, name="x", shape=(2, 4, 6, 3), dtype="float32"):
    return tf.compat.v1.placeholder(dtype, shape, name=name)


def plain_scales(graph, bits, **scales):
    """Return a scale for every quantised tensor of ``graph``: ``input=`` and ``filter=``."""
    chosen = {key: scales[key.rpartition("/")[2]] for key in quantized_tensors(graph)}
    return QuantizationScales(bits=bits, scales=chosen)


def naive_scales(graph, feeds, bits):
    """Return the scales of naive calibration on one sample."""
    return calibrate(largest_magnitudes(graph, [feeds]), bits)


def rewritten(graph, precision, *, scales, request="mlu270", fuse=True):
    """Return the emulated graph of all outputs."""
    return emulate(
        graph,
        graph.outputs,
        precision=parse_precision(precision),
        scales=scales,
        profile=profile(request),
        fuse=fuse,
    )


def run(graph, feeds, precision="int8-fp16", *, request="mlu270", scales=None, fuse=True):
    """Return what the emulator makes of all outputs, and the notes of its session."""
    chosen = parse_precision(precision)
    scales = scales or naive_scales(graph, feeds, chosen.fixed_bits)
    device = EmulatorDevice(profile(request))
    with device.open(graph, graph.outputs, precision=chosen, scales=scales, fuse=fuse) as session:
        return session.run(feeds), session.notes


def emulated(graph, feeds, precision="int8-fp16", **options):
    """Return what the emulator makes of the only output."""
    (result,) = run(graph, feeds, precision, **options)[0].values()
    return result


def in_float64(graph, feeds):
    """Return all outputs of ``graph`` computed by TensorFlow in float64."""
    return GraphRunner(reference_graph(graph)[0], graph.outputs)(feeds)


def halves(values):
    """Return ``values`` rounded to the nearest half, as float32."""
    return np.asarray(values).astype(np.float16).astype(np.float32)


def half_away(values):
    """Return ``values`` rounded as the card rounds them to a half, as float32."""
    return round_to_half(values, rounding="ties-away", overflow="saturate", tiny="smallest").astype(
        np.float32
    )


def are_halves(values):
    """Whether every value is a float16 value."""
    return np.array_equal(halves(values), values)


def same_bits(left, right):
    """Whether two float arrays are equal in dtype, shape and every bit."""
    left, right = np.asarray(left), np.asarray(right)
    same_kind = left.dtype == right.dtype and left.shape == right.shape
    return same_kind and left.tobytes() == right.tobytes()
