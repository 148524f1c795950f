"""Nodes that round results to the float type of a precision, where an operator stores them."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

from conformance.devices.emulator import kernels
from conformance.devices.emulator.kernels import UNROUNDED
from conformance.graph.editing import cast, copied, plain
from conformance.graph.frozen import INPUT_OPERATORS, data_inputs, output_index, producer
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.graph.operators import EXACT

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from conformance.devices.emulator.library import Library
    from conformance.devices.emulator.profile import Profile
    from conformance.graph.dataflow import TensorType
    from conformance.graph.frozen import Node
    from conformance.precision import Precision

PRODUCTS = frozenset({"Mul", "Square", "SquaredDifference"})
"""Elementwise operators whose result is a product."""

LARGE = 2**18
"""Elements from which an operator and its rounding are compiled together, for its own shape."""


@dataclasses.dataclass(frozen=True)
class Rounding:
    """Rounds results of one graph at one precision.

    Attributes:
        types: the graph's tensors' types, by node.
        precision, profile: what to emulate.
        library: collects the compiled kernels.
        dtype: of float tensors.
        kept_wide: nodes whose results are kept in float32, at any precision.
        renamed: of tensors that another node hands on, the name of that one.
    """

    types: Mapping[str, Sequence[TensorType]]
    precision: Precision
    profile: Profile
    library: Library
    dtype: Any
    kept_wide: Collection[str]
    renamed: dict[str, str] = dataclasses.field(default_factory=dict)

    def is_float(self, tensor: TensorType) -> bool:
        """Whether a tensor holds the network's float32; other float types are run as the graph says."""
        return bool(tensor.dtype == self.dtype)

    def type_of(self, tensor: str) -> TensorType:
        """Return the type of a tensor."""
        return self.types[producer(tensor)][output_index(tensor)]

    def computes(self, node: Node) -> bool:
        """Whether a float output can hold values that are not of the precision's float type yet."""
        if not any(self.is_float(tensor) for tensor in self.types[node.name]):
            return False
        if node.op not in EXACT:
            return True
        if node.op == "Cast":
            return not self.is_float(self.type_of(node.input[0]))
        wide = any(producer(tensor) in self.kept_wide for tensor in node.input)
        return wide and node.name not in self.kept_wide

    def stock(self, node: Node) -> list[Node]:
        """Return the node as TensorFlow computes it, its results rounded where that can change them."""
        return self.rounded(node) if self.computes(node) else [node]

    def rounded(self, node: Node) -> list[Node]:
        """Return the node as TensorFlow computes it, and a rounding of each float output."""
        exact_type = self.precision.float_bits == 32 and self.dtype == tensorflow().float32
        if exact_type or node.name in self.kept_wide:
            return [node]
        if node.op in INPUT_OPERATORS:
            self.renamed[node.name] = self.renamed[f"{node.name}:0"] = f"{node.name}/stored"
            return [node, *self.rounding(f"{node.name}/stored", node.name)]
        if self._is_large(node) and node.op in kernels.OF_TWO:
            return [self._computed_and_rounded(node)]
        nodes = [copied(node, name=f"{node.name}/exact")]
        for index, kind in enumerate(self.types[node.name]):
            source = f"{node.name}/exact:{index}"
            outer = node.name if index == 0 else f"{node.name}/rounded_{index}"
            self.renamed[f"{node.name}:{index}"] = outer
            if self.is_float(kind):
                nodes += self.rounding(outer, source, profile=self._rounding_of(node))
            else:
                nodes.append(plain(outer, "Identity", [source], T=kind.dtype))
        return nodes

    def in_float64(self, node: Node) -> list[Node]:
        """Return the function computed in float64, exact to far below float32, and rounded once."""
        double = tensorflow().float64
        wide, inputs = self.widened(node)
        exact = copied(node, name=f"{node.name}/exact", inputs=inputs)
        exact.attr["T"].type = double.as_datatype_enum
        return [*wide, exact, *self.rounding(node.name, exact.name, double)]

    def widened(self, node: Node) -> tuple[list[Node], list[str]]:
        """Return casts of the float inputs of ``node`` to float64, and its inputs with these in place."""
        wide, inputs = [], list(node.input)
        for index, source in enumerate(data_inputs(node)):
            if self.is_float(self.type_of(source)):
                wide.append(cast(f"{node.name}/wide_{index}", source, self.dtype, tensorflow().float64))
                inputs[index] = wide[-1].name
        return wide, inputs

    def rounding(
        self, name: str, source: str, dtype: Any = None, profile: Profile | None = None
    ) -> list[Node]:
        """Return nodes that round ``source``, of ``dtype``, to the float type, or to fp32 if not stored."""
        dtype = dtype or self.dtype
        if self.stored_bits(name) == 32:
            narrow = tensorflow().float32  # as which TensorFlow's own kernel rounds once
            if self.dtype == narrow:
                return [cast(name, source, dtype, narrow)]
            inner = cast(f"{name}/narrow", source, dtype, narrow)
            return [inner, cast(name, inner.name, narrow, self.dtype)]
        rounding = self.library.call(
            name,
            kernels.rounded,
            [source],
            (dtype,),
            self.dtype,
            float_bits=self.precision.float_bits,
            profile=profile or self.profile,
            out=self.dtype.name,
        )
        return [rounding]

    def rescaled(
        self,
        name: str,
        kernel: Callable[..., Any],
        inputs: Sequence[str],
        signature: tuple[Any, ...],
        **settings: Any,
    ) -> list[Node]:
        """Return nodes of which the last, ``name``, holds what a kernel makes of integer sums, rounded once.

        A small result is rounded by the kernel that rounds all others of its shape, so that the one that
        makes it in float64 is compiled once for both float types.
        """
        bits, settings = self.precision.float_bits, {"profile": self.profile, **settings}
        if self.shared(name):
            exact = f"{name}/exact"
            made = self.library.call(
                exact, kernel, inputs, signature, "float64", float_bits=UNROUNDED, out="float64", **settings
            )
            return [made, *self.rounding(name, exact, "float64")]
        out = self.dtype.name
        return [self.library.call(name, kernel, inputs, signature, out, float_bits=bits, out=out, **settings)]

    def narrowed(self, name: str, source: str) -> tuple[list[Node], str]:
        """Return nodes that make a float tensor a float32, which holds all that is stored, and that tensor.

        So kernels that read it are compiled once, whatever the arithmetic's type.
        """
        narrow = tensorflow().float32
        if self.dtype == narrow:
            return [], source
        return [cast(name, source, self.dtype, narrow)], name

    def shared(self, name: str) -> bool:
        """Whether a result is rounded by the kernel that all of its shape share; not if it is large."""
        return not self._has_many(name)

    def by_kernel(self, node: Node, kernel: Callable[..., Any], **settings: Any) -> Node:
        """Return a node that runs an elementwise kernel on the inputs of ``node``."""
        signature = (self.dtype,) * len(data_inputs(node))
        settings = {"profile": self.profile, **settings}
        return self.library.call(node.name, kernel, list(node.input), signature, self.dtype, **settings)

    def stored_bits(self, name: str) -> int:
        """Return the bits that a node's results are rounded to."""
        return 32 if name in self.kept_wide else self.precision.float_bits

    def _rounding_of(self, node: Node) -> Profile:
        return self.profile.of_products if node.op in PRODUCTS else self.profile

    def _is_large(self, node: Node) -> bool:
        """Whether a pass over a float32 result takes longer than compiling for its shape and operator."""
        in_float32 = self.is_float(self.types[node.name][0]) and self.dtype == tensorflow().float32
        return in_float32 and self._has_many(node.name)

    def _has_many(self, name: str) -> bool:
        shape = self.types[name][0].shape
        return shape is not None and math.prod(length or 1 for length in shape) >= LARGE

    def _computed_and_rounded(self, node: Node) -> Node:
        """Return a node that computes and rounds in one pass over memory."""
        return self.by_kernel(
            node,
            kernels.computed_and_rounded,
            operator=node.op,
            float_bits=self.precision.float_bits,
            profile=self._rounding_of(node),
        )
