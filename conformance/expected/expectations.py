"""What a device is held to on one network: scales, bounds, acceptance and truths. No device is needed."""

from __future__ import annotations

import collections
import dataclasses
import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import numpy as np

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.emulator.profile import read_profile
from conformance.errors import ConformanceError, GoldenError
from conformance.expected.attainable import AttainableFile, bounded, check_scales, read_attainable
from conformance.expected.golden_feeds import key_shapes
from conformance.expected.ideal_device import attained_by
from conformance.expected.limits import Limits
from conformance.expected.overflow import Overflow, masked, told_share
from conformance.expected.right_devices import RightDevices
from conformance.expected.scales import scales_directory
from conformance.expected.terms import golden_shapes
from conformance.graph.operators import known
from conformance.judging.bounds import Attainable, ErrorValues, Margins, bound, rounding_error
from conformance.judging.cases import Case, Mode
from conformance.judging.comparison import Comparison, compare_sample, gain
from conformance.judging.fused_verdicts import held_to_right
from conformance.judging.ideal_verdicts import has_conformity, judge_conformity
from conformance.judging.verdicts import Verdict, accept_comparisons, judge_comparisons
from conformance.precision import FIXED_BITS, parse_precision
from conformance.quantization.files import read_scales

if TYPE_CHECKING:
    from collections import ChainMap
    from collections.abc import Iterable, Sequence

    from conformance.goldens import GoldenStore
    from conformance.judging.answers import Answers
    from conformance.judging.bounds import OperatorClass
    from conformance.network_file import Output
    from conformance.precision import Precision
    from conformance.quantization.parameter_file import QuantizationScales

Array = np.ndarray[Any, Any]


class Known(NamedTuple):
    """What is known of nodes; each part as :class:`conformance.expected.ideal_device.Attained` has it."""

    nodes: ChainMap[str, dict[str, Attainable]]
    operators: ChainMap[str, str]
    ranges: ChainMap[str, dict[str, tuple[float, float]]]
    right: ChainMap[str, dict[str, list[str]]]
    overflow: ChainMap[str, dict[str, float]]


class Expectations:
    """What every device is held to on a network.

    Args:
        store: the network's goldens.
        margins: margin per operator class.

    Attributes:
        network: the network.
        outputs: its outputs by the name of their node.
        shapes: of the key nodes' goldens on the first sample, by node.
    """

    def __init__(self, store: GoldenStore, margins: Margins) -> None:
        self.store, self.network, self._margins = store, store.network, margins
        self.outputs: dict[str, Output] = {output.name: output for output in self.network.outputs}
        self.shapes = key_shapes(store)
        self._operators = {node.name: node.op for node in store.manifest.nodes}

    @functools.cached_property
    def right(self) -> RightDevices:
        """What right devices give at each node."""
        return RightDevices(self.store, self.scales, self._margins.sum_allowance.factor, self._known.right)

    @functools.cached_property
    def overflow(self) -> Overflow:
        """What overflows even on an ideal half device."""
        return Overflow(self.store, self.scales, self._known.overflow)

    @functools.cached_property
    def attainable(self) -> AttainableFile:
        """What an ideal device attains at each node."""
        return read_attainable(self.store)

    @functools.cached_property
    def _known(self) -> Known:
        """What the file has of nodes, and what was made since of others, which stays out of the file."""
        file = self.attainable
        return Known(
            collections.ChainMap({}, file.nodes),
            collections.ChainMap({}, file.operators),
            collections.ChainMap({}, file.ranges),
            collections.ChainMap({}, file.right),
            collections.ChainMap({}, file.overflow),
        )

    def need(self, nodes: Iterable[str]) -> None:
        """Make what an ideal device attains at nodes of which the file has nothing, as of a large network.

        Raises:
            GoldenError: goldens are missing or damaged.
        """
        wanted = set(nodes).difference(self._known.nodes)
        left_out = set(self._operators).difference(bounded(self.store))
        names = [name for name in self._operators if name in wanted & left_out]
        if names:
            scales = {bits: self.scales(bits) for bits in FIXED_BITS}
            ideal = read_profile(locations.IDEAL, locations.DEVICES)
            made = attained_by(self.store, scales, ideal, names)
            self._known.nodes.update(made.nodes)
            self._known.operators.update(made.operators)
            self._known.ranges.update(made.ranges)
            self._known.right.update(made.right)
            self._known.overflow.update(made.overflow)

    @cached_method
    def scales(self, bits: int) -> QuantizationScales:
        """Return the network's quantisation scales of this width.

        Raises:
            UsageError: the parameter file is missing or wrong.
            GoldenError: attainable errors, and so the bounds, were made with other scales.
        """
        scales = read_scales(scales_directory(self.store), bits, self.network.graph, self.store.command)
        check_scales(self.attainable, scales, self.store)
        return scales

    @cached_method
    def limits(self, model: str) -> Limits:
        """Return what a model's vendor documents, held against the network and its goldens."""
        shapes, ranges = golden_shapes(self.store), self._known.ranges
        return Limits(model, self.network.graph, shapes, ranges, self.store.remedy)

    def case(self, node: str, precision: Precision, mode: Mode) -> Case:
        """Return the case of a node at a precision in a mode."""
        operator = self._operators[node]
        return Case(network=self.network.name, node=node, op=operator, precision=str(precision), mode=mode)

    def attains(self, node: str, precision: Precision) -> Attainable:
        """Return the attainable error of a node.

        Raises:
            GoldenError: it is not known.
        """
        self.need([node])
        try:
            return self._known.nodes[node][str(precision)]
        except KeyError as error:
            raise GoldenError(
                f"node {node!r} has no attainable error at {precision} in {self.store.directory}; "
                f"{self.store.remedy}"
            ) from error

    def bound(self, node: str, precision: Precision) -> ErrorValues:
        """Return the bound of a node's own error.

        Raises:
            GoldenError: its attainable error is not known.
        """
        return bound(*self._attains(node, precision), self._margins)

    def _attains(self, node: str, precision: Precision) -> tuple[Attainable, OperatorClass]:
        """Return the attainable error of a node, and the class of the operator that decides its margin."""
        deciding = self._known.operators.get(node, self._operators[node])
        return self.attains(node, precision), known(deciding).margin_class

    def compare(self, node: str, sample: int, result: Any, where: str = "") -> Comparison:
        """Compare a device's result with the golden, whatever it is, and its answers with the truth."""
        name = node if self.network.samples == 1 else f"{node} (sample {sample})"
        golden = self.store.get(node, sample)
        found = compare_sample(golden, result, where or name)
        if found.metrics is not None and node in self.outputs and self.network.acceptance.of_direction:
            found = dataclasses.replace(found, gain=gain(golden, result))
        answering = self._answering.get(node)
        if answering is None or found.metrics is None:
            return found
        return dataclasses.replace(found, answers=answering.count(result, self._truth(node, sample)))

    def held(
        self, found: Comparison, case: Case, sample: int, result: Any, digest: Sequence[str]
    ) -> Comparison:
        """Return a comparison with the result's conformity, where it is finite and that is known.

        Args:
            found: the comparison with the golden.
            case: the node and the precision.
            sample: the sample.
            result: what the device returned.
            digest: SHA-256 of it, if it has one.

        Raises:
            GoldenError: it cannot be worked out, which says nothing about the device.
        """
        precision, mask = parse_precision(case.precision), None
        if digest and self.overflow.share(case.node, precision):
            mask = self.overflow.mask(case.node, precision, sample)
        if mask is not None and np.shape(result) == mask.shape:
            found = self._where_known(found, case.node, sample, np.asarray(result), mask)
        if found.metrics is None or not digest:
            return found
        try:
            conformity = self.right.held(case.node, precision, sample, np.asarray(result), digest[0], mask)
        except ConformanceError:
            raise
        except Exception as error:
            raise GoldenError(
                f"what right devices give at {case.node!r} cannot be worked out: {error}"
            ) from error
        return dataclasses.replace(found, conformity=conformity)

    def _where_known(
        self, found: Comparison, node: str, sample: int, result: Array, mask: Array
    ) -> Comparison:
        """Return a comparison of the elements that have a right result, with a note on the others."""
        if result.dtype.kind != "f":
            return found
        golden = self.store.get(node, sample)
        known = compare_sample(masked(golden, mask), masked(result, mask), found.where)
        note = f"{found.where} {told_share(float(mask.mean()))}, which are not judged"
        return dataclasses.replace(known, notes=[note], answers=found.answers)

    def judge(self, node: str, precision: Precision, compared: Sequence[Comparison]) -> Verdict:
        """Return the verdict of a node's own results: whether a right device of the precision gives them.

        Where that cannot be derived they are held to the golden, within the node's bound.
        """
        attainable, operators, cost = *self._attains(node, precision), self.attains(node, precision).errors
        if has_conformity(compared):
            verdict = judge_conformity(compared, cost, str(precision))
        else:
            verdict = judge_comparisons(compared, self.bound(node, precision))
        unit = rounding_error(attainable, operators, self._margins)
        worked_out = verdict.conformity is not None and verdict.conformity.found is not None
        if worked_out and verdict.bounds is not None:  # differences are from an ideal device
            unit = verdict.bounds
        return msgspec.structs.replace(verdict, attainable=unit, cost=cost)

    def accept(
        self,
        output: str,
        compared: Sequence[Comparison],
        precision: Precision | None = None,
        timed: Sequence[Comparison] = (),
    ) -> Verdict:
        """Return the verdict of an output against the network's acceptance.

        Args:
            output: its name.
            compared: one per run.
            precision: of the network as it ships, at which it is held to right devices, too; None for one in
                which goldens stand in for nodes.
            timed: one per run on inputs that grew.
        """
        whole = [*compared, *timed]
        verdict = accept_comparisons(whole, self.network.acceptance, self.outputs[output].span)
        for part, reached in ((timed, self.attainable.timed), (compared, self.attainable.fused)):
            errors = reached.get(output, {}).get(str(precision))
            if errors is not None:
                square = self.attains(output, precision).golden_square if precision is not None else 0.0
                verdict = held_to_right(verdict, part, errors, str(precision), square)
        return verdict

    def check(self, nodes: Iterable[str], precisions: Iterable[Precision]) -> None:
        """Read everything that judging these nodes needs; goldens that are not there are made.

        Raises:
            ConformanceError: something is missing, damaged, or does not fit.
        """
        chosen = list(nodes)
        self.store.ensure([*self.shapes, *chosen])
        self.need(chosen)
        for precision in precisions:
            self.scales(precision.fixed_bits)
            for node in chosen:
                self.bound(node, precision)
        for node in self._answering:
            for sample in range(self.network.samples):
                self._truth(node, sample)

    @functools.cached_property
    def _answering(self) -> dict[str, Answers]:
        return {name: item.answers for name, item in self.outputs.items() if item.answers is not None}

    @cached_method
    def _truth(self, node: str, sample: int) -> Array:
        shape = self.store.node(node).samples[sample].shape
        return self.network.truth(self.outputs[node], sample, shape)
