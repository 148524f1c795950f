"""Every format that the suite reads, as a good file and what a command does with it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dumps.made_dumps import dump
from support.kept_network import kept_network
from support.made_runs import PRECISIONS as PRECISIONS_OF_RUNS
from support.made_runs import Made, made_run, usual
from support.report_sources import probe
from support.twins_files import twins_text
from support.waivers import waiver_toml

from conformance import locations
from conformance.devices.cambricon.twins import read_twins
from conformance.devices.emulator.profile import read_profile
from conformance.dumps.sources import side_of
from conformance.errors import ConformanceError
from conformance.expected.attainable import read_attainable
from conformance.expected.expectations import Expectations
from conformance.files import json_text
from conformance.freezing.checkpoint import read_index
from conformance.gating.gate import Demands, gate
from conformance.goldens import GoldenStore
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.selection import key_nodes
from conformance.graph.wholeness import check_whole
from conformance.history.tracking import history_of, read_runs
from conformance.html.pages import page_of
from conformance.judging.bounds import read_margins
from conformance.judging.waivers import read_waivers
from conformance.networks import network_at
from conformance.precision import PRECISIONS
from conformance.quantization.calibrated import read_calibrated
from conformance.quantization.files import read_scales
from conformance.runs.directory import ENVIRONMENT, end_of_run, read_records

if TYPE_CHECKING:
    from collections.abc import Callable

CHECKPOINT = Path(__file__).resolve().parents[1] / "freezing/checkpoints/small/model.ckpt.index"


@dataclasses.dataclass(frozen=True)
class Format:
    """A file format.

    Attributes:
        file: where the file lies in a directory of its own.
        make: fills that directory with what belongs to it.
        read: does what a command does with it.
    """

    file: str
    make: Callable[[Path], object]
    read: Callable[[Path], object]


def _network(directory: Path) -> None:
    kept = kept_network()
    shutil.copytree(kept.directory, directory / "network")
    shutil.copytree(kept.goldens, directory / "goldens")


def _store(directory: Path) -> GoldenStore:
    return GoldenStore(network_at(directory / "network"), directory / "goldens")


def _described(directory: Path) -> None:
    network = network_at(directory / "network")
    key_nodes(network.graph, network.key)
    for sample in range(min(network.samples, 4)):
        network.feeds(sample)


def _graph(file: Path) -> None:
    """Do what a network does with its graph."""
    graph = load_frozen_graph(file, ["out"])
    check_whole(graph)
    key_nodes(graph, ())


def _goldens(directory: Path) -> None:
    store = _store(directory)
    for node in store.manifest.key[:3]:
        store.get(node.name, 0)


def _bounds(directory: Path) -> None:
    store = _store(directory)
    read_attainable(store)
    expected = Expectations(store, read_margins(locations.MARGINS))
    for node in store.manifest.nodes:
        for precision in PRECISIONS:
            expected.bound(node.name, precision)


def _run(directory: Path) -> None:
    made = Made(usual(), seconds=dict.fromkeys(PRECISIONS_OF_RUNS, 0.01))
    made_run(directory / "runs/base", made, number=0)
    made_run(directory / "runs/run", made, number=1)


def _run_read(directory: Path) -> None:
    """Do what gate, track and report do; each of them may refuse it."""
    with contextlib.suppress(ConformanceError):
        gate(directory / "runs/base", directory / "runs/run", Demands())
    with contextlib.suppress(ConformanceError):
        _tracked(directory)
    page_of(directory / "runs/run")


def _tracked(directory: Path) -> None:
    runs, broken = read_runs([directory / "runs"], keep=False, progress=lambda *_: None, note=lambda _: None)
    history_of([directory / "runs"], runs, broken, 0.03)


def _sealed_again(directory: Path) -> None:
    """Let ``environment.json`` say that the run left its records as they are now."""
    run = directory / "runs/run"
    environment = json.loads((run / ENVIRONMENT).read_text())
    with contextlib.suppress(ConformanceError):
        environment["ended"] = json.loads(json_text(end_of_run(run, len(read_records(run)))))
    (run / ENVIRONMENT).write_text(json.dumps(environment))
    _run_read(directory)


def _gate_file(directory: Path) -> None:
    _run(directory)
    found = gate(directory / "runs/base", directory / "runs/run", Demands())
    (directory / "gate.json").write_text(json_text(found))


def _history_file(directory: Path) -> None:
    _run(directory)
    runs, broken = read_runs([directory / "runs"], keep=False, progress=lambda *_: None, note=lambda _: None)
    found = history_of([directory / "runs"], runs, broken, 0.03)
    (directory / "history.json").write_text(json_text(found))


def _probe_file(directory: Path) -> None:
    (directory / "probe.json").write_text(json_text(probe()))


def _compared(directory: Path) -> None:
    for tensor in side_of(directory / "dump").tensors:
        tensor.read()


def _copied(source: Path, name: str) -> Callable[[Path], object]:
    return lambda directory: shutil.copy(source, directory / name)


def _written(name: str, text: str) -> Callable[[Path], object]:
    return lambda directory: (directory / name).write_text(text)


def _scales(directory: Path) -> None:
    read_scales(directory / "network", 8, _store(directory).network.graph)


def _alone(file: str, make: Callable[[Path], object], read: Callable[[Path], object]) -> Format:
    """Return a format of which the file alone is read."""
    return Format(file, make, lambda directory: read(directory / file))


def _profile(file: Path) -> None:
    read_profile(str(file), file.parent)


MLU270, MARGINS = locations.DEVICES / "mlu270.toml", locations.MARGINS
TWINS = twins_text(([[1, 8, 8, 3]], [[1, 4, 4, 8]]))
GRAPH = kept_network().directory / "small.pb"

FORMATS = {
    "graph": _alone("graph.pb", _copied(GRAPH, "graph.pb"), _graph),
    "network": Format("network/network.toml", _network, _described),
    "scales": Format("network/int8.quant.txt", _network, _scales),
    "calibrated": Format(
        "network/calibrated.json", _network, lambda directory: read_calibrated(directory / "network")
    ),
    "manifest": Format("goldens/small/manifest.json", _network, _goldens),
    "bounds": Format("goldens/small/attainable.json", _network, _bounds),
    "array": Format("network/x-0.npy", _network, _described),
    "records": Format("runs/run/records.jsonl", _run, _sealed_again),
    "environment": Format("runs/run/environment.json", _run, _run_read),
    "times": Format("runs/run/benchmark.json", _run, _sealed_again),
    "waivers": _alone("waivers.toml", _written("waivers.toml", waiver_toml()), read_waivers),
    "profile": _alone("mlu270.toml", _copied(MLU270, "mlu270.toml"), _profile),
    "margins": _alone("margins.toml", _copied(MARGINS, "margins.toml"), read_margins),
    "twins": _alone("twins", _written("twins", TWINS), read_twins),
    "dump": Format("dump/dump.json", lambda directory: dump(directory / "dump"), _compared),
    "checkpoint": _alone("model.ckpt.index", _copied(CHECKPOINT, "model.ckpt.index"), read_index),
    "gate": _alone("gate.json", _gate_file, page_of),
    "history": _alone("history.json", _history_file, page_of),
    "probe": _alone("probe.json", _probe_file, page_of),
}
"""By name."""
