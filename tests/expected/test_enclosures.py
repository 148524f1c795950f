"""What an ideal device gives lies within what is derived for it, however small a tensor is."""

import numpy as np
from support.emulation import naive_scales, run
from support.small_graphs import small_graphs

from conformance.expected.enclosing.enclosure import enclosure, unenclosed
from conformance.judging.conformity import conformity
from conformance.precision import parse_precision

SUM_FACTOR = 3.0


def held(graph, feeds, scales, precision, results):
    """Return the conformity of each output of a graph."""
    found = {}
    for name in graph.outputs:
        part = graph.prune([name])
        assert not unenclosed(part.nodes.values())
        known = {key: feeds[key] for key in part.inputs}
        right = enclosure(part, known, precision, scales, SUM_FACTOR)
        found[name] = conformity(
            right.value, right.radius, results[name], precision.float_bits, chance=right.chance
        )
    return found


def test_an_ideal_device_is_nowhere_more_than_half_a_unit_off_but_where_intermediates_are_stored():
    graph, feeds = small_graphs(5, 20)
    precision = parse_precision("int8-fp32")
    scales = naive_scales(graph, feeds, 8)
    results, _ = run(graph, feeds, str(precision), request="ideal", scales=scales)
    ratios = [item.ratio for item in held(graph, feeds, scales, precision, results).values()]
    assert max(ratios) <= 1
    assert np.median(ratios) < 0.6
