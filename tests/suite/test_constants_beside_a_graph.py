"""A network with arrays beside its graph is the same network: digest, scales, goldens, bounds, records."""

import json
import re
import shutil

import numpy as np
import pytest
from support.emulation import same_bits
from support.kept_network import kept_network
from support.suite_run import run_suite
from support.toy_network import KeptNetwork

from conformance import cli
from conformance.graph import frozen
from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.networks import Network

PREPARED = ("int8.quant.txt", "int16.quant.txt", "calibrated.json")
LIMIT = 10_000
IN_FLOATS = "--nodes=norm/*,add,mul,joined,out"
"""The key nodes that are not in fixed point, which stock TensorFlow does not compute in."""


@pytest.fixture(scope="module")
def apart(tmp_path_factory):
    """The small network with its large constants beside its graph, prepared anew."""
    root = tmp_path_factory.mktemp("apart")
    made = KeptNetwork(root / "network", root / "goldens")
    shutil.copytree(kept_network().directory, made.directory)
    for name in (*PREPARED, "small.pb"):
        (made.directory / name).unlink()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(frozen, "LARGEST_MESSAGE", LIMIT)
        Network(kept_network().directory).graph.save(made.directory / "small.pb")
    assert len(list((made.directory / "small.arrays").iterdir())) == 2
    assert cli.main(["prepare", "--golden-dir", str(made.goldens), str(made.directory)]) == 0
    return made


def test_what_is_prepared_is_the_same(apart):
    whole = kept_network()
    assert Network(apart.directory).graph.sha256 == Network(whole.directory).graph.sha256
    for name in PREPARED:
        assert (apart.directory / name).read_bytes() == (whole.directory / name).read_bytes()
    for name in ("manifest.json", "attainable.json"):
        assert (apart.goldens / "small" / name).read_bytes() == (whole.goldens / "small" / name).read_bytes()
    tensors = {path.name for path in (apart.goldens / "small/tensors").iterdir()}
    assert len(tensors) == 2 * len(whole.store.manifest.key)  # of two samples
    for name in tensors:
        other = whole.goldens / "small/tensors" / name
        assert (apart.goldens / "small/tensors" / name).read_bytes() == other.read_bytes()


def test_another_array_makes_all_of_it_stale(apart, tmp_path, said):
    other = apart.copied(tmp_path)
    (path,) = (other.directory / "small.arrays").glob("wide*")
    np.save(path, np.load(path) * np.float32(1.5))
    code, text, _ = said("prepare", other.directory, "--golden-dir", other.goldens)
    assert (code, [line.split()[1] for line in text.splitlines()]) == (0, ["made"] * 3)
    assert Network(other.directory).graph.sha256 != Network(apart.directory).graph.sha256


def judged(result):
    """Return every record without what is measured anew each time."""
    return [
        {key: value for key, value in json.loads(line).items() if not key.endswith("seconds")}
        for line in (result.directory / "records.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize(
    "arguments",
    [(), ("--isolate",), ("--device=cpu", IN_FLOATS), ("--device=cpu", IN_FLOATS, "--isolate")],
    ids=["emulator", "isolated-emulator", "cpu", "isolated-cpu"],
)
def test_records_are_the_same(apart, tmp_path, arguments):
    markers = "mlu and int8 and fp32 and not benchmark"
    device = [argument for argument in arguments if argument != "--isolate"]
    expected = run_suite(tmp_path / "whole", *device, network=kept_network(), markers=markers)
    found = run_suite(tmp_path / "apart", *arguments, network=apart, markers=markers)
    assert (found.code, expected.code) == (0, 0), found.text
    assert len(found.records) >= (19 if IN_FLOATS in arguments else 31)
    assert judged(found) == judged(expected)


def test_a_run_annotates_a_graph_with_arrays_of_its_own(apart, tmp_path, said, refusal, monkeypatch):
    run_suite(tmp_path / "run", network=apart, markers="mlu and own and int8 and fp32")
    monkeypatch.setattr(frozen, "LARGEST_MESSAGE", LIMIT)
    target = tmp_path / "new/annotated.pb"
    code, text, _ = said("annotate", tmp_path / "run", "-o", target)
    assert code == 0
    assert text.startswith(f"{target} (its arrays lie in {tmp_path / 'new/annotated.arrays'}): 15 nodes")
    network = Network(apart.directory)
    annotated = load_frozen_graph(target, ["out"])
    found, expected = (GraphRunner(each, ["out"])(network.feeds(0)) for each in (annotated, network.graph))
    assert same_bits(found["out"], expected["out"])
    assert "new/annotated.arrays, where arrays of" in refusal("annotate", tmp_path / "run", "-o", target)
    beside = apart.directory / "small.pbtxt"
    assert "small.arrays, where arrays of" in refusal("annotate", tmp_path / "run", "-o", beside)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "No such file or directory: '.*'; keep the directory beside the graph"),
        (
            lambda arrays: np.save(arrays / "wide%2Ffilter.npy", np.zeros(3)),
            "holds float64 .3,.; give the arr",
        ),
    ],
)
def test_a_run_without_its_arrays_is_one_sentence(apart, tmp_path, damage, said):
    copy = apart.copied(tmp_path)
    damage(copy.directory / "small.arrays")
    result = run_suite(tmp_path / "run", network=copy)
    assert result.code == 4
    assert re.search(said, result.text)
    assert "Traceback" not in result.text
