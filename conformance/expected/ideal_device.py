"""The ideal device: what it adds at each node, at every precision, is the attainable error.

It is the emulator under the ``ideal`` profile: exact arithmetic and one correct rounding per operator. Every
node is fed with the goldens of the nearest key nodes before it, so the error is its own. Goldens of other
nodes are computed once more, segment by segment, and dropped with their segment.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from conformance import locations
from conformance.cached_methods import cached_method
from conformance.devices.emulator.emulator import EmulatorDevice
from conformance.devices.emulator.parts import EmulatedParts
from conformance.devices.emulator.profile import read_profile
from conformance.expected.attainable import FILE, AttainableFile, bounded, write_attainable
from conformance.expected.fused_errors import fused_errors
from conformance.expected.golden_feeds import golden_feeds, key_shapes
from conformance.expected.overflow import HALF, SATURATING, differing, masked, may_overflow
from conformance.expected.ranges import SeenRanges
from conformance.expected.repeated import repeated
from conformance.expected.right_devices import OTHER_WAY, FromGoldens, digest
from conformance.expected.terms import SummedTerms
from conformance.graph.cut import cut
from conformance.graph.frozen import data_inputs, producer
from conformance.graph.operators import MOVEMENT, SOURCES
from conformance.graph.segments import MOST_ELEMENTS, MOST_NODES
from conformance.judging.comparison import attained, attained_by_all
from conformance.precision import FIXED_BITS, PRECISIONS, FixedBits, Precision
from conformance.quantization.parameter_file import scales_sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from conformance.devices.emulator.emulator import EmulatorSession
    from conformance.devices.emulator.profile import Profile
    from conformance.goldens import GoldenStore
    from conformance.graph.alike import Parts
    from conformance.graph.constants import Array
    from conformance.graph.frozen import FrozenGraph
    from conformance.judging.bounds import Attainable
    from conformance.quantization.parameter_file import QuantizationScales


Digests: TypeAlias = "dict[str, dict[str, list[str]]]"
"""By node and precision, one string per sample."""
Shares: TypeAlias = "dict[str, dict[str, float]]"
"""By node and precision."""
Ranges: TypeAlias = "dict[str, dict[str, tuple[float, float]]]"
"""By node and quantity."""
HALVES = tuple(precision for precision in PRECISIONS if precision.float_bits == HALF)
"""Where right devices often give other bits than the ideal one; at fp32 they rarely do."""
T = TypeVar("T")


def make_attainable(
    store: GoldenStore, scales: Mapping[FixedBits, QuantizationScales], ideal: Profile
) -> AttainableFile:
    """Run the ideal device on the cut graph at every precision and write ``attainable.json``.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
        ideal: the ideal profile.

    Raises:
        GoldenError: goldens are missing or damaged.
    """
    made = attained_by(store, scales, ideal, bounded(store))
    provenance = store.manifest.provenance
    content = AttainableFile(
        provenance.graph_sha256,
        provenance.input_sha256,
        {f"int{bits}": scales_sha256(entry) for bits, entry in scales.items()},
        made.operators,
        made.nodes,
        made.ranges,
        made.right,
        *fused_errors(store, scales),
        made.overflow,
    )
    write_attainable(store.directory / FILE, content)
    return content


class Attained(NamedTuple):
    """What is known of some nodes; each part as :class:`AttainableFile` has it."""

    nodes: dict[str, dict[str, Attainable]]
    operators: dict[str, str]
    ranges: Ranges
    right: Digests
    overflow: Shares


def attained_by(
    store: GoldenStore,
    scales: Mapping[FixedBits, QuantizationScales],
    ideal: Profile,
    names: Sequence[str],
) -> Attained:
    """Return what an ideal device attains at some nodes.

    Args:
        store: goldens, with their manifest made.
        scales: quantisation scales by bit width.
        ideal: the ideal profile.
        names: the nodes, producers first.

    Raises:
        GoldenError: goldens are missing or damaged.
    """
    ranges, shapes = SeenRanges(store), key_shapes(store)
    nodes, right, overflow = _attained(store, scales, ideal, ranges, names)
    return Attained(
        nodes,
        {name: deciding_operator(store.network.graph, name, shapes) for name in nodes},
        {name: ranges.found[name] for name in nodes if name in ranges.found},
        right,
        overflow,
    )


def _attained(
    store: GoldenStore,
    scales: Mapping[FixedBits, QuantizationScales],
    ideal: Profile,
    ranges: SeenRanges,
    names: Sequence[str],
) -> tuple[dict[str, dict[str, Attainable]], Digests, Shares]:
    """Return what is attainable, digests of right results, and what overflows, by node and precision.

    ``ranges`` looks at the same goldens.
    """
    key = [node.name for node in store.manifest.key]
    store.ensure(key)
    terms = SummedTerms(store)
    seen = _Seen(names)
    parts, computed = repeated(store, scales, names), FromGoldens(store)
    device = IdealDevice(store, scales, ideal, names, computed.quantises, parts)
    saturating = IdealDevice(
        store, scales, read_profile(SATURATING, locations.DEVICES), names, computed.quantises
    )
    other_way = read_profile(f"{locations.IDEAL},{OTHER_WAY}", locations.DEVICES)
    other = IdealDevice(store, scales, other_way, names, computed.quantises, parts)
    for sample, part in _goldens(store, names, f"bounds of {store.network.name}"):
        goldens = _agreeing(store, sample, part, set(key))
        terms.add(sample, goldens)
        ranges.add(sample, goldens)
        large = may_overflow([*goldens.values(), *device.fed(sample, goldens).values()])
        for precision, results in device.results(sample, goldens):
            masks = {}
            if precision.float_bits == HALF and (large or may_overflow(results.values())):
                masks = _masks(results, saturating.alone(sample, results, precision))
            for name, result in results.items():
                seen.add(name, str(precision), goldens[name], result, masks.get(name))
        for precision, results in other.results(sample, goldens, HALVES):
            for name, result in results.items():
                seen.also(name, str(precision), result)
    attainable = {
        name: {
            precision: attained_by_all(parts, **terms.of(name)._asdict())
            for precision, parts in _at_all_widths(entries, quantised=computed.quantises(name)).items()
        }
        for name, entries in seen.attained.items()
    }
    digests = {
        name: _at_all_widths(entries, quantised=computed.quantises(name)) if computed.derivable(name) else {}
        for name, entries in seen.digests.items()
    }
    overflow = {
        name: _at_all_widths(entries, quantised=computed.quantises(name))
        for name, entries in seen.overflow.items()
    }
    return attainable, digests, overflow


class _Seen:
    """What right devices gave at nodes, by node and precision.

    Attributes:
        attained: errors of the ideal device, one per sample.
        digests: of right devices' results, one string per sample.
        overflow: the part of elements without a right result, on the worst sample.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.attained: dict[str, dict[str, list[Attainable]]] = {name: {} for name in names}
        self.digests: Digests = {name: {} for name in self.attained}
        self.overflow: Shares = {}

    def add(self, name: str, precision: str, golden: Array, result: Array, mask: Array | None) -> None:
        """Add what the ideal device gave on the next sample."""
        self.digests[name].setdefault(precision, []).append(digest(result))
        if mask is not None:
            golden, result = masked(golden, mask), masked(result, mask)
            entry = self.overflow.setdefault(name, {})
            entry[precision] = max(entry.get(precision, 0.0), float(mask.mean()))
        self.attained[name].setdefault(precision, []).append(attained([golden], [result]))

    def also(self, name: str, precision: str, result: Array) -> None:
        """Add what another right device gave on that sample."""
        if (another := digest(result)) != self.digests[name][precision][-1]:
            self.digests[name][precision][-1] += f" {another}"


def _at_all_widths(entries: Mapping[str, T], *, quantised: bool) -> dict[str, T]:
    """Return entries of a node by precision; what does not quantise is at every width as at the first."""
    if quantised:
        return dict(entries)
    at_first = {precision: str(Precision(FIXED_BITS[0], precision.float_bits)) for precision in PRECISIONS}
    return {str(precision): entries[first] for precision, first in at_first.items() if first in entries}


def _masks(results: Mapping[str, Array], saturated: Mapping[str, Array]) -> dict[str, Array | None]:
    return {name: differing(result, saturated[name]) for name, result in results.items()}


def _goldens(store: GoldenStore, names: Sequence[str], what: str) -> Iterator[tuple[int, dict[str, Array]]]:
    """Yield sample by sample some of the nodes with their goldens: as they are stored, or computed again."""
    key, everything = {node.name for node in store.manifest.key}, len(store.manifest.nodes)
    if not key.issuperset(names) or len(names) == everything:
        yield from store.computed(names, what)
        return
    done, total = 0, store.network.samples * len(names)
    for sample in range(store.network.samples):
        for part in _parts(store, names):
            yield sample, {name: store.get(name, sample) for name in part}
            done += len(part)
            store.progress(done, total, what)


def _parts(store: GoldenStore, names: Sequence[str]) -> list[list[str]]:
    """Return nodes in parts that do not have too many elements together."""
    parts: list[list[str]] = [[]]
    elements = 0
    for name in names:
        size = math.prod(store.node(name).samples[0].shape)
        if parts[-1] and (elements + size > MOST_ELEMENTS or len(parts[-1]) >= MOST_NODES):
            parts.append([])
            elements = 0
        parts[-1].append(name)
        elements += size
    return parts


def _agreeing(store: GoldenStore, sample: int, part: Mapping[str, Array], key: set[str]) -> dict[str, Array]:
    """Return the goldens of a segment: those of key nodes as they are stored, others checked."""
    for name, value in part.items():
        if name not in key:
            store.check(name, sample, value)
    return {name: store.get(name, sample) if name in key else value for name, value in part.items()}


class IdealDevice:
    """The ideal device on a network that is cut at its key nodes.

    What it compiled for a segment is kept until the last sample has run.

    Args:
        store: the goldens that it is fed with.
        scales: quantisation scales by bit width.
        profile: the ideal profile.
        names: the nodes that are asked for.
        quantises: says whether a node's results depend on the width of fixed point.
        parts: of the network, cut, where it repeats itself.
    """

    def __init__(
        self,
        store: GoldenStore,
        scales: Mapping[FixedBits, QuantizationScales],
        profile: Profile,
        names: Sequence[str],
        quantises: Callable[[str], bool],
        parts: Parts | None = None,
    ) -> None:
        self._store, self._scales, self._device = store, scales, EmulatorDevice(profile)
        self._cut = cut(store.network.graph, key_shapes(store), names)
        self._quantises = quantises
        self._last = store.network.samples - 1
        self._parts = parts and {
            precision: EmulatedParts(parts, profile, precision, scales[precision.fixed_bits])
            for precision in PRECISIONS
        }
        self._fed: dict[tuple[int, Precision], dict[str, Array]] = {}
        self._sessions: dict[tuple[tuple[str, ...], Precision], EmulatorSession] = {}

    def results(
        self, sample: int, goldens: Mapping[str, Array], precisions: Iterable[Precision] = PRECISIONS
    ) -> Iterator[tuple[Precision, dict[str, Array]]]:
        """Yield what it gives at each precision at some nodes, on a sample.

        Nodes that do not quantise are left out where another precision of the same float type had them.
        """
        first = FIXED_BITS[0]
        for precision in precisions:
            names = (name for name in goldens if precision.fixed_bits == first or self._quantises(name))
            if results := self._computed(tuple(names), precision, sample):
                yield precision, results

    def fed(self, sample: int, names: Iterable[str]) -> dict[str, Array]:
        """Return what is fed to compute some nodes on a sample, network inputs among it."""
        return golden_feeds(self._store, self._part(tuple(names)).inputs, sample)

    def alone(self, sample: int, names: Iterable[str], precision: Precision) -> dict[str, Array]:
        """Return what it gives at some nodes, on a sample at a precision; nothing is kept for other ones."""
        with self._opened(tuple(names), precision) as session:
            results: dict[str, Array] = session.run(self.fed(sample, names))
        return results

    def _computed(self, names: tuple[str, ...], precision: Precision, sample: int) -> dict[str, Array]:
        """Return the results of some nodes on a sample."""
        if not names:
            return {}
        if self._parts:
            return dict(self._parts[precision].compute(names, self._in_parts(sample, precision)))
        session = self._sessions.pop((names, precision), None) or self._opened(names, precision)
        results: dict[str, Array] = session.run(self.fed(sample, names))
        if sample == self._last:
            session.close()
        else:
            self._sessions[names, precision] = session
        return results

    def _in_parts(self, sample: int, precision: Precision) -> dict[str, Array]:
        """Return what parts are fed with on a sample; of an earlier one nothing is kept."""
        if (sample, precision) not in self._fed:
            self._fed.pop((sample - 1, precision), None)
            self._fed[sample, precision] = golden_feeds(self._store, self._cut.inputs, sample)
        return self._fed[sample, precision]

    @cached_method
    def _part(self, names: tuple[str, ...]) -> FrozenGraph:
        return self._cut.prune(names)

    def _opened(self, names: tuple[str, ...], precision: Precision) -> EmulatorSession:
        scales = self._scales[precision.fixed_bits]
        return self._device.open(self._part(names), names, precision=precision, scales=scales, fuse=False)


def deciding_operator(graph: FrozenGraph, name: str, key: Mapping[str, Sequence[int]]) -> str:
    """Return the operator whose margin holds for a node: its own, or the one that computed what it moves.

    Args:
        graph: the network.
        name: the node.
        key: the nodes whose readers are fed with goldens.
    """
    pending, seen = [name], {name}
    while pending:
        node = graph.nodes[pending.pop(0)]
        if node.op not in MOVEMENT | SOURCES:
            return str(node.op)
        sources = dict.fromkeys(map(producer, data_inputs(node)))
        pending += [source for source in sources if source not in key and source not in seen]
        seen.update(sources)
    return str(graph.nodes[name].op)
