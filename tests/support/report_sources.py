"""What pages are made of, made by hand: run directories, gates, histories, probes."""

import datetime as dt
import math

import msgspec
import numpy as np
from support.records import record

from conformance.files import sha256, write_json_atomically
from conformance.gating import result
from conformance.history import history_file
from conformance.judging.bounds import ErrorValues
from conformance.judging.verdicts import Acceptance, Reached
from conformance.numerics.metrics import Metrics
from conformance.precision import PRECISIONS
from conformance.probing.result import Answer, Curve, Explained, Probe, Property
from conformance.runs.directory import RECORDS, TIMES
from conformance.runs.environment import EndOfRun, Environment, JudgedNetwork, Machine
from conformance.runs.records import encode_record

NOW = dt.datetime(2026, 11, 27, 20, tzinfo=dt.timezone.utc)
NASTY = "generator/<script>alert(1)</script>&'\"/Conv2D"
"""A node's name that must stay text."""
DEVICE = {
    "kind": "cambricon",
    "model": "MLU270",
    "simulated": False,
    "driver": "4.20.11",
    "firmware": "",
    "framework": "tensorflow 1.15",
    "profile": "",
    "serial": "0123",
}
ALL = tuple(map(str, PRECISIONS))


def errors(share, bound=1e-3):
    """Return metrics and bounds of an error that is so many times its bound."""
    size = share * bound
    metrics = Metrics(size**2 / 2, size**2, size, size**2, 0, [0, 0])
    return {
        "metrics": metrics,
        "bounds": ErrorValues(bound**2 / 2, bound**2, bound, bound**2),
        "needed": ErrorValues(size**2 / 2, size**2, size, size**2),
    }


def own(node, op="Mean", precision="int8-fp16", share=0.5, outcome=None, network="n", **more):
    """Return the record of a node's own error, of the outcome that its share of the bound demands."""
    found = outcome or ("deviates" if share > 1 else "conforms")
    about = {"network": network, "node": node, "op": op, "precision": precision}
    name = f"{network}/{node}-{precision}"
    return record(found, case=f"{name}-own", simulated=False, **about, **errors(share), **more)


def chained(node, op="Mean", precision="int8-fp16", share=5.0, network="n"):
    """Return what was measured of a node in the chained network."""
    return record(
        "measured",
        case=f"{network}/{node}-{precision}-chained",
        network=network,
        node=node,
        op=op,
        precision=precision,
        mode="chained",
        simulated=False,
        metrics=errors(share)["metrics"],
    )


def fused(precision="int8-fp16", outcome="conforms", network="n", **more):
    """Return the record of a network's output."""
    return record(
        outcome,
        case=f"{network}/out-{precision}-fused",
        network=network,
        node="out",
        op="Tanh",
        precision=precision,
        mode="fused",
        simulated=False,
        metrics=errors(0.5)["metrics"],
        acceptance=Acceptance(cosine=0.999),
        reached=Reached(cosine=0.99987, psnr=41.5),
        **more,
    )


def small_records(nodes=8):
    """Return a run of one network at all precisions, in which Mean deviates at fp16 and one node is nasty."""
    found = []
    for precision in ALL:
        for number in range(nodes):
            node, op = (
                (f"block_{number}/mean", "Mean") if number % 2 else (f"block_{number}/Conv2D", "Conv2D")
            )
            node, op = (NASTY, "Conv2D") if number == 2 else (node, op)
            share = 3.0 + number if op == "Mean" and precision.endswith("fp16") else 0.1 * (number % 5) + 0.05
            found += [own(node, op, precision, share), chained(node, op, precision)]
        found.append(fused(precision))
    return found


def write_run(directory, records, *, device=None, timed=None, ended=True, **more):
    """Write a run directory as a run leaves it; return it.

    Args:
        directory: new.
        records: all of it.
        device: changes of the device's information.
        timed: seconds of rounds by network and precision.
        ended: whether the environment says that the run came to its end.
        more: further fields of the environment.
    """
    directory.mkdir(parents=True)
    (directory / RECORDS).write_bytes(b"".join(map(encode_record, records)))
    info = DEVICE | (device or {})
    if timed:
        write_json_atomically(directory / TIMES, {"benchmarks": [_timed(*item) for item in timed.items()]})
    names = [name for name in (RECORDS, TIMES) if (directory / name).exists()]
    digests = {name: sha256((directory / name).read_bytes()) for name in names}
    end = EndOfRun(cut_short="", records=len(records), sha256=digests)
    given = {
        "started": NOW,
        "version": "0.1.0",
        "python": "3.11.7",
        "packages": {"numpy": "2.4.6"},
        "machine": Machine(platform="Linux", cpu="EPYC", cores=2),
        "commit": None,
        "options": {},
        "device": info,
        "waivers": [],
        "networks": [
            JudgedNetwork(name=name, graph_sha256="ab" * 32)
            for name in dict.fromkeys(item.network for item in records)
        ],
        "ended": end if ended else msgspec.UNSET,
    }
    write_json_atomically(directory / "environment.json", Environment(**given | more))
    return directory


def _timed(key, rounds):
    network, precision = key
    return {
        "extra_info": {
            "network": network,
            "precision": precision,
            "model": "MLU270",
            "serial": "0123",
            "roofline": {"bound_seconds": 0.008},
        },
        "stats": {"data": rounds},
    }


def gate(**changes):
    """Return a gate in which Mean changed at fp16, one case regressed, and one precision is slower."""
    case = {"network": "n", "node": NASTY, "op": "Mean", "precision": "int8-fp16", "mode": "own"}
    drift = [
        result.Drift(
            case=f"c{number}",
            **case | {"node": f"block_{number}/mean"},
            before=0.2,
            after=0.2 + number,
            criterion="mse",
            error_before=1e-3,
            error_after=2e-3,
            drift=float(number),
            ratio=1.5,
            changed=number >= 1,
        )
        for number in range(12)
    ]
    regressed = result.Transition(
        case="c",
        **case,
        change="regressed",
        before={"conforms": 5},
        after={"deviates": 5},
        decides="accuracy",
        said="largest error 1.4 > bound 0.02",
    )
    operators = [
        result.OperatorDrift(
            op=op,
            precision=precision,
            cases=12,
            identical=0 if op == "Mean" and "fp16" in precision else 12,
            changed=11 if op == "Mean" and "fp16" in precision else 0,
            drift=11.0,
            ratio=1.5,
            worst="c11",
        )
        for op in ("Mean", "Conv2D")
        for precision in ALL
    ]
    made = result.Gate(
        schema=result.SCHEMA,
        verdict="NO-GO",
        exit_code=1,
        reasons=["1 case regressed: Mean at int8-fp16."],
        made=NOW,
        version="0.1.0",
        device="MLU270 cambricon",
        simulated=False,
        networks=["n"],
        baseline=_side("driver-4.20.6"),
        candidate=_side("driver-4.20.11"),
        judged=[result.Difference(what="driver", baseline=["4.20.6"], candidate=["4.20.11"])],
        thresholds=result.Thresholds(slower=0.03, confidence=0.95, family=0.05, drift=1.0),
        counts=result.Counts(
            cases=96, compared=96, identical=72, changed=22, changes={"regressed": 1}, irreproducible=0
        ),
        outcomes=[regressed],
        operators=operators,
        drift=sorted(drift, key=lambda item: -item.drift),
        irreproducible=[],
        speed=[_speed("int8-fp16", 0.05, "slower"), _speed("int8-fp32", 0.0, "not slower")],
        notes=[],
    )
    return msgspec.structs.replace(made, **changes)


def _side(name):
    runs = [
        result.ReadRun(
            path=f"runs/{name}/{number}",
            started=NOW + dt.timedelta(hours=number),
            records=96,
            sha256="ab" * 32,
            cards=["0123"],
            host="Linux, EPYC",
        )
        for number in range(5)
    ]
    return result.ReadSide(path=f"runs/{name}", runs=runs)


def _speed(precision, change, word):
    values = np.random.default_rng(len(word))
    runs = [
        result.TimedRun(
            side=side,
            path=f"runs/{side}/{number}",
            card="0123",
            seconds=0.012 * (1 + change * (side == "candidate")) * math.exp(values.normal(0, 0.008)),
            rounds=20,
        )
        for side in ("baseline", "candidate")
        for number in range(5)
    ]
    return result.Speed(
        network="n",
        precision=precision,
        word=word,
        baseline=0.012,
        candidate=0.012 * (1 + change),
        change=change,
        low=change - 0.01,
        high=change + 0.01,
        p=0.01,
        holm=0.02,
        noise=0.008,
        noise_from="runs",
        detectable=0.018,
        more_runs=None,
        cards=["0123"],
        decides="speed" if word == "slower" else "nothing",
        said=f"n {precision} is {change:+.1%}",
        runs=runs,
    )


def history(runs=40, change=0.05, series=2):
    """Return a history in which the driver changes at three quarters, and device times with it."""
    values, place = np.random.default_rng(3), runs * 3 // 4
    tracked = [
        history_file.TrackedRun(
            path=f"runs/{number:05d}",
            started=NOW + dt.timedelta(hours=number),
            driver="4.20.6" if number < place else "4.20.11",
            firmware="1.1.4",
            runtime="",
            framework="tensorflow 1.15",
        )
        for number in range(runs)
    ]
    factors = [1 + change * (number >= place) for number in range(runs)]
    found = [
        history_file.Series(
            network=f"network {which // len(ALL)}",
            precision=ALL[which % len(ALL)],
            card="MLU270 0123",
            figure="seconds",
            unit="s",
            better="lower",
            ratio=True,
            effect=0.03,
            runs=list(range(runs)),
            values=[0.012 * factor * math.exp(values.normal(0, 0.008)) for factor in factors],
            steps=[_step(place, runs, change)] if change else [],
            noise=history_file.Noise(runs=runs, groups=2, deviation=0.008, largest=0.03),
        )
        for which in range(series)
    ]
    return history_file.History(
        version="0.1.0",
        alpha=0.01,
        least=3,
        directories=["runs"],
        runs=tracked,
        broken=[history_file.BrokenRun(path="runs/bad", reason="it was cut short")],
        series=found,
    )


def _step(place, runs, change):
    return history_file.Step(
        run=place,
        last=place - 1,
        known=["driver"],
        judged="worse" if change > 0 else "better",
        before=0.012,
        after=0.012 * (1 + change),
        change=change,
        low=change - 0.01,
        high=change + 0.01,
        p=None,
        runs_before=place,
        runs_after=runs - place,
        differences=[history_file.Difference(name="device.driver", before="4.20.6", after="4.20.11")],
        sentence=f"device time {change:+.1%}; driver 4.20.6 -> 4.20.11",
    )


FP16, FP32 = ["int8-fp16", "int16-fp16"], ["int8-fp32", "int16-fp32"]
BLOCKS = "in blocks of 16, each one after the other, the blocks one after the other"


def probe(**changes):
    """Return a probe of a card: one switch is told, one is none of the alternatives, Exp is not right."""
    answers = [
        Answer(
            switch="half_rounding",
            state="told",
            values=["ties-away"],
            observation="Add(1, 0.00048828125) gave 1.0009766",
            deciding=96,
            agreeing=96,
            precisions=FP16,
        ),
        Answer(switch="half_products", state="same", values=["as-conversions", "toward-zero"]),
        Answer(switch="reduction_sum", state="none", observation="Sum of 64 terms gave 4"),
        Answer(switch="softmax_steps", state="rests", observation="it rests on reduction_sum"),
        Answer(switch="tanh", state="lost", observation="Tanh at int8-fp16: it <broke>"),
    ]
    properties = [
        _summed("Sum", BLOCKS),
        _summed("Mean", BLOCKS),
        _summed("AvgPool", "in none of the orders known here", known=False),
        Property(subject="Exp", precisions=FP16, words="correctly rounded"),
        Property(subject="Exp", precisions=FP32, words="off by up to 1.74 units in the last place"),
        Property(subject="run again", precisions=list(ALL), words="the same bits"),
    ]
    curves = [
        Curve(function="Exp", precisions=FP16, inputs=3, x=[-4.0, 0.0, 4.0], ulps=[0.4, 0.0, 0.5]),
        Curve(function="Exp", precisions=FP32, inputs=2, x=[-4.0, 4.0], ulps=[1.74, 0.3]),
        Curve(function="Sqrt", precisions=list(ALL), inputs=2, x=[0.5, 2.0], ulps=[0.5, 0.5]),
    ]
    made = Probe(
        date="2026-11-28",
        device=DEVICE,
        answers=answers,
        base="mlu270",
        compilations=dict.fromkeys(ALL, 1),
        seconds=14.6,
        processor=20.2,
        properties=properties,
        curves=curves,
        lost={"int8-fp16 tanh": "it <broke>"},
        explained=Explained(network="n", explained=7, nodes=8, others={"Exp at int8-fp32": (1, 2)}),
    )
    return msgspec.structs.replace(made, **changes)


def _summed(subject, order, *, known=True):
    words = f"summed {order}, kept in a half (11 digits), rounded to nearest, ties to even"
    confirmed = "72 of 72 sums bit for bit"
    found = {"precisions": FP16, "words": words, "digits": 11}
    return Property(
        subject=subject,
        confirmed=confirmed if known else "",
        order=order if known else "",
        **found,
    )
