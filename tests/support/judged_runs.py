"""Made-up runs of MobileNet, which comes along, to be judged again: no device, no goldens, no TensorFlow."""

import functools

import msgspec
from support.histories import write_run
from support.records import record

from conformance import locations
from conformance.expected.expectations import Expectations
from conformance.goldens import GoldenStore
from conformance.judging.bounds import ErrorValues, read_margins
from conformance.judging.verdicts import Acceptance, Reached
from conformance.networks import find_network
from conformance.numerics.metrics import Metrics
from conformance.runs.environment import JudgedNetwork
from conformance.runs.held_to import bounds_sha256

NAME = "mobilenet"
PRECISION = "int8-fp16"
OUTPUT = "MobilenetV1/Predictions/Softmax"
ACCEPTANCE = Acceptance(cosine=0.999)


@functools.cache
def expectations():
    store = GoldenStore(find_network(NAME, locations.NETWORKS), locations.GOLDENS)
    return Expectations(store, read_margins(locations.MARGINS))


def nodes(precision=PRECISION):
    """Return the nodes whose attainable errors are known there."""
    return [node for node, found in expectations().attainable.nodes.items() if precision in found]


def measured(needed):
    """Return metrics that need these bounds."""
    values = msgspec.structs.asdict(needed)
    return Metrics(**values, worst_channel=0, worst_index=[0])


def own(node, times, precision=PRECISION, **changes):
    """Return the record of an own error of so many times its bound."""
    from conformance.precision import parse_precision

    bounds = expectations().bound(node, parse_precision(precision))
    needed = ErrorValues(0.0, 0.0, bounds.max_abs * times, 0.0)
    return named(
        node,
        "deviates" if times > 1 else "conforms",
        precision=precision,
        bounds=bounds,
        needed=needed,
        metrics=measured(needed),
        **changes,
    )


def fused(cosine=0.9999, psnr=50.0, *, ending="", **changes):
    """Return the record of an output that reached this."""
    needed = ErrorValues(1 - cosine, 0.1, 0.1, 0.1)
    outcome = "conforms" if cosine >= ACCEPTANCE.cosine else "deviates"
    about = {"acceptance": ACCEPTANCE, "reached": Reached(cosine=cosine, psnr=psnr, answers=0.9)}
    about |= {"needed": needed, "metrics": measured(needed)}
    return named(OUTPUT, outcome, mode="fused", ending=ending, **(about | changes))


def named(node, outcome, *, mode="own", precision=PRECISION, ending="", **changes):
    op = expectations().store.node(node).op
    plain = {"network": NAME, "node": node, "op": op, "precision": precision, "mode": mode}
    plain |= {"simulated": False, "device": "cambricon", "sha256": ["0" * 64], "seconds": 0.5}
    return record(outcome, case=f"{NAME}/{node}-{precision}-{mode}{ending}", **(plain | changes))


def write_judged(path, *records, **changes):
    """Write a run of these records."""
    store = expectations().store
    graph = store.manifest.provenance.graph_sha256
    plain = {
        "networks": [JudgedNetwork(name=NAME, own=NAME, graph_sha256=graph)],
        "held_to": {f"bounds of {NAME}": bounds_sha256(expectations().attainable)},
        "options": {"waivers": None, "no_waivers": False, "golden_dir": None, "run_dir": str(path)},
    }
    return write_run(path, 0, found=list(records), **(plain | changes))
