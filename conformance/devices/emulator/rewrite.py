"""Rewriting a graph so that TensorFlow computes it as the MLU would, one operator at a time.

Every node keeps its name; what takes it over stands under ``<name>/…``. The result is an ordinary graph,
which can be saved and looked at.
"""

from __future__ import annotations

import collections
import dataclasses
from typing import TYPE_CHECKING, ClassVar

from conformance.devices.emulator.composed_operators import compositions_of
from conformance.devices.emulator.constants import Constants, made_of
from conformance.devices.emulator.copies import without_copies
from conformance.devices.emulator.fixed_point import FixedPoint
from conformance.devices.emulator.library import Library
from conformance.devices.emulator.partial_sums import PartialSums
from conformance.devices.emulator.reductions import Reductions
from conformance.devices.emulator.rounding import Rounding
from conformance.devices.emulator.switched_operators import SwitchedOperators
from conformance.errors import UsageError
from conformance.graph.composing import INSIDE, composed, composed_in_float64
from conformance.graph.dataflow import TensorType, tensor_types
from conformance.graph.editing import copied, plain
from conformance.graph.frozen import FrozenGraph, Node, data_inputs, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import ELEMENTWISE, EXACT, FIXED_POINT, MOVEMENT, PRODUCT_SUMS, known
from conformance.graph.retype import IN_FLOAT32
from conformance.numerics.half import round_to_half
from conformance.quantization.calibration import hidden_operators

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from conformance.devices.emulator.profile import Profile
    from conformance.graph.operators import Emulation
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

FUSABLE = ELEMENTWISE | (EXACT - MOVEMENT)
"""Operators that read an intermediate where it was computed, before it is stored."""


ALWAYS_FLOAT32 = frozenset({"CropAndResize"})
"""Operators that return float32 whatever the arithmetic's type is, and that a switch changes."""

CONTROL = frozenset({"Enter", "Switch"})
"""Operators after which a node may run more than once, or not at all: what guards it could not be fetched."""


def unstored(graph: FrozenGraph, fetches: set[str]) -> frozenset[str]:
    """Return the elementwise nodes that are read by fusable operators alone and not fetched.

    Args:
        graph: the graph to compile.
        fetches: nodes whose result leaves the device, so that it is stored.
    """
    readers: dict[str, list[str]] = {}
    for node in graph.nodes.values():
        for tensor in node.input:
            readers.setdefault(producer(tensor), []).append(node.op)
    return frozenset(
        name
        for name, operators in readers.items()
        if graph.nodes[name].op in ELEMENTWISE and name not in fetches and FUSABLE.issuperset(operators)
    )


def entering(graph: FrozenGraph, on_host: frozenset[str]) -> frozenset[str]:
    """Return the constants that enter a loop for operators alone that the host computes: it keeps them."""
    readers: dict[str, list[str]] = collections.defaultdict(list)
    for node in graph.nodes.values():
        for tensor in data_inputs(node):
            readers[producer(tensor)].append(node.name)
    enters = {
        name
        for name, node in graph.nodes.items()
        if node.op == "Enter" and readers[name] and on_host.issuperset(readers[name])
    }
    return frozenset(
        name
        for name, node in graph.nodes.items()
        if node.op == "Const" and readers[name] and (enters | on_host).issuperset(readers[name])
    )


@dataclasses.dataclass(frozen=True)
class EmulatedGraph:
    """A rewritten graph.

    Attributes:
        graph: the graph.
        unmodelled: nodes whose numerics the emulator does not model: they run in float.
        guard: a vector of the graph, where integer kernels are in it. If its first number is not finite, an
            operator that they took over may have read a NaN, which they do not hand on as float kernels do.
        in_loops: operators that the host computes because they lie inside a loop or a branch.
        checked: operators whose sums they may have rounded, if the number after that is not finite: one each.
    """

    graph: FrozenGraph
    unmodelled: tuple[str, ...]
    guard: str | None = None
    checked: tuple[str, ...] = ()
    in_loops: tuple[str, ...] = ()


def emulate(
    graph: FrozenGraph,
    fetches: Sequence[str],
    *,
    precision: Precision,
    scales: QuantizationScales,
    profile: Profile,
    fuse: bool,
    on_host: Collection[str] = (),
    integers_from: int | None = None,
    in_floats: Collection[str] = (),
    factors_fed: bool = False,
) -> EmulatedGraph:
    """Return ``graph`` rewritten to the numerics of ``profile`` at ``precision``.

    Args:
        graph: the network, whole or cut.
        fetches: nodes that will be fetched; fusion is broken there.
        precision: fixed-point × float width.
        scales: a scale per fixed-point operator's input and filter.
        profile: the numeric switches.
        fuse: whether intermediates may stay on chip, as the profile's ``fused_intermediates`` says.
        on_host: nodes that the host computes in float32; what they return is stored as any other tensor.
        integers_from: how many products a fixed-point operator must have for integer kernels to sum it; None:
            float kernels sum them all.
        in_floats: operators that float kernels must sum. No bit depends on either.
        factors_fed: whether what scales of inputs become is fed, see :func:`.fixed_point.fed_factors`.
    """
    if scales.bits != precision.fixed_bits:
        raise UsageError(f"quantisation scales are for {scales.bits} bits, but the precision is {precision}")
    pruned = graph.prune(fetches)
    in_loops = _in_loops(pruned, scales, profile)
    if CONTROL.intersection(node.op for node in pruned.nodes.values()):
        integers_from = None
    rewriter = _Rewriter(
        pruned,
        set(fetches),
        precision,
        scales,
        profile,
        fuse,
        frozenset([*on_host, *in_loops]),
        integers_from,
        frozenset(in_floats),
        frozenset(in_loops).difference(on_host),
        factors_fed,
    )
    return dataclasses.replace(rewriter.rewritten(), in_loops=in_loops)


def _in_loops(graph: FrozenGraph, scales: QuantizationScales, profile: Profile) -> tuple[str, ...]:
    """Return the fixed-point operators inside TensorFlow 1 loops and branches that have no scales."""
    kinds = FIXED_POINT if profile.depthwise_convolution == "float" else PRODUCT_SUMS
    return tuple(
        name
        for name in hidden_operators(graph)
        if graph.nodes[name].op in kinds and f"{name}/input" not in scales.scales
    )


class _Rewriter:
    def __init__(
        self,
        graph: FrozenGraph,
        fetches: set[str],
        precision: Precision,
        scales: QuantizationScales,
        profile: Profile,
        fuse: bool,  # noqa: FBT001
        on_host: frozenset[str],
        integers_from: int | None,
        in_floats: frozenset[str],
        in_loops: frozenset[str],
        factors_fed: bool,  # noqa: FBT001
    ) -> None:
        wide = profile.arithmetic == "float64"
        self.compositions = compositions_of(graph, precision, profile, on_host)
        if wide:
            self.graph, narrow = composed_in_float64(graph, self.compositions)
        else:
            self.graph, narrow = composed(graph, self.compositions), ()
        self.dtype = tensorflow().float64 if wide else tensorflow().float32
        self.types: dict[str, list[TensorType]] = tensor_types(self.graph)
        self.precision, self.profile = precision, profile
        self.library, self.constants = Library(), Constants()
        fused = fuse and profile.fused_intermediates == "fp32"
        self.kept_wide = unstored(graph, fetches | on_host) if fused else frozenset()
        self.rounding = Rounding(self.types, precision, profile, self.library, self.dtype, self.kept_wide)
        fixed_point = FixedPoint if profile.convolution_sums == "exact" else PartialSums
        self.fixed_point = fixed_point(
            self.graph,
            self.rounding,
            scales,
            self.constants,
            integers_from,
            in_floats,
            factors_fed=factors_fed,
        )
        self.reductions = Reductions(self.graph, self.rounding)
        self.inside = tuple(f"{name}{INSIDE}" for name in self.compositions)
        self.on_host, self.in_loops = on_host, in_loops
        self.kept_by_host = entering(self.graph, on_host)
        self.same_as: dict[str, str] = {}
        self.has_frames = any(node.op == "Enter" for node in self.graph.nodes.values())
        self.unmodelled: list[str] = list(narrow)
        self.between_casts = {f"{name}{IN_FLOAT32}": name for name in narrow}
        self.switched = SwitchedOperators(self.rounding, self.fixed_point, self.unmodelled)

    def rewritten(self) -> EmulatedGraph:
        """Return the whole graph, rewritten."""
        nodes = [part for node in self.graph.nodes.values() for part in self._in_frame(node)]
        nodes, self.same_as = without_copies(nodes, self.graph, self.constants.arrays)
        nodes = [copied(node, inputs=[self._source(tensor, node) for tensor in node.input]) for node in nodes]
        guards = self._guards()
        library = self.library.with_definitions(self.graph.library)
        graph = self.graph.replaced([*nodes, *guards], arrays=self.constants.arrays, library=library)
        graph = graph.prune([*self.graph.outputs, *(guard.name for guard in guards[-1:])])
        names = [*self.unmodelled, *self.fixed_point.unmodelled]
        unmodelled = tuple(dict.fromkeys(self.between_casts.get(name, name) for name in names))
        checked = tuple(self.fixed_point.convolutions.checks)
        return EmulatedGraph(graph, unmodelled, guards[-1].name if guards else None, checked)

    def _guards(self) -> list[Node]:
        """Return nodes of which the last holds all guards of integer kernels, if there are any."""
        guards, checks = self.fixed_point.convolutions.guards, self.fixed_point.convolutions.checks
        if not guards:
            return []
        total = plain(f"{producer(guards[0])}/guards", "AddN", guards, T=self.dtype)
        total.attr["N"].i = len(guards)
        together = plain(f"{total.name}/all", "Pack", [total.name, *checks.values()], T=self.dtype)
        together.attr["N"].i = 1 + len(checks)
        return [total, together]

    def _node(self, node: Node) -> list[Node]:
        """Return what takes over ``node``, under its name."""
        if node.name in self.compositions:
            return self.rounding.rounding(node.name, node.input[0], tensorflow().float64)
        if not self._touches_float(node) or node.name.startswith(self.inside):
            return [node]
        if node.name in self.on_host:
            return self._on_the_host(node)
        if node.op == "Const":
            return self._constant(node)
        if node.op in SwitchedOperators.of_operator:
            return self.switched.rewrite(node)
        return self.of_emulation[known(node.op).emulation](self, node)

    def _on_the_host(self, node: Node) -> list[Node]:
        """Return the node as TensorFlow computes it, from constants that the host keeps, stored once.

        In a loop a matmul is summed in float64: how the host does it is not said.
        """
        if node.name in self.in_loops:
            return self.rounding.in_float64(node)
        inputs, kept = list(node.input), []
        for index, tensor in enumerate(node.input):
            if not tensor.startswith("^") and self.graph.nodes[producer(tensor)].op == "Const":
                source, name = producer(tensor), f"{node.name}/host_{index}"
                kept.append(copied(self.graph.nodes[source], name=name))
                inputs[index] = name
                if source in self.graph.arrays:
                    self.constants.arrays[name] = self.graph.arrays[source]
        return [*kept, *self.rounding.rounded(copied(node, inputs=inputs))]

    def _in_frame(self, node: Node) -> list[Node]:
        """Return what takes over ``node``, with its constants in the loop that a TensorFlow 1 node runs in.

        A node runs in the frame of its inputs; a constant without any would run outside every loop.
        """
        nodes = self._node(node)
        if not self.has_frames or node.op == "Const" or not node.input:
            return nodes
        after = f"^{producer(node.input[0])}"
        return [copied(part, inputs=[*part.input, after]) if part.op == "Const" else part for part in nodes]

    def _touches_float(self, node: Node) -> bool:
        if node.op in ALWAYS_FLOAT32:
            return True
        rounding = self.rounding
        tensors = [*self.types[node.name], *(rounding.type_of(tensor) for tensor in data_inputs(node))]
        return any(rounding.is_float(tensor) for tensor in tensors)

    def _in_fixed_point(self, node: Node) -> list[Node]:
        return self.fixed_point.rewrite(node)

    def _reduced(self, node: Node) -> list[Node]:
        reduced = self.reductions.rewrite(node)
        return self._not_modelled(node) if reduced is None else reduced

    def _stock(self, node: Node) -> list[Node]:
        return self.rounding.stock(node)

    def _in_float64(self, node: Node) -> list[Node]:
        return self.rounding.in_float64(node)

    def _not_modelled(self, node: Node) -> list[Node]:
        if self.rounding.computes(node):
            self.unmodelled.append(node.name)
        return self.rounding.stock(node)

    def _constant(self, node: Node) -> list[Node]:
        """Return the constant as the card stores it; filters of fixed-point operators do not pass here."""
        if self.precision.float_bits != 16 or node.name in self.kept_by_host:
            return [node]
        profile, value = self.profile, self.graph.constant(node.name)
        assert value is not None, "it is a constant"
        switches = {
            "rounding": profile.half_rounding,
            "overflow": profile.half_overflow,
            "tiny": profile.half_tiny,
        }
        rounded = made_of(
            value,
            ("half", *switches.values()),
            lambda value: round_to_half(value, **switches),  # type: ignore[arg-type]
        )
        return [self.constants.like(node, rounded)]

    def _source(self, tensor: str, reader: Node) -> str:
        renamed = self.rounding.renamed.get(tensor, tensor)
        rounds = reader.name == renamed or reader.name.startswith(f"{renamed}/")
        source = tensor if rounds else renamed
        return self.same_as.get(source, source)

    of_emulation: ClassVar[Mapping[Emulation | None, Callable[[_Rewriter, Node], list[Node]]]] = {
        "fixed point": _in_fixed_point,
        "running sum": _reduced,
        "float64": _in_float64,
        "composed": _not_modelled,
        "rounded": _stock,
        "exact": _stock,
        "stored": _stock,
        None: _not_modelled,
    }
    """What rewrites the operators of a kind of emulation."""
