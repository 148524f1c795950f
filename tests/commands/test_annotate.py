"""``mlu-conformance annotate`` on a real run of the suite, and on runs that are damaged or do not fit."""

import functools
import json
import shutil

import pytest
from support.damage import edited
from support.emulation import same_bits
from support.kept_network import MEANS, kept_network
from support.suite_run import run_suite

from conformance.graph.execution import GraphRunner
from conformance.graph.graph_file import load_frozen_graph
from conformance.graph.lazy_tensorflow import tensorflow
from conformance.networks import Network
from conformance.runs.directory import ENVIRONMENT, RECORDS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of everything at two precisions, in which a Mean deviates."""
    network = kept_network().copied(tmp_path_factory.mktemp("kept"))
    directory = tmp_path_factory.mktemp("runs") / "run"
    result = run_suite(directory, "--no-waivers", network=network, markers="mlu and int8")
    assert result.code == 1
    return network, directory


@pytest.fixture
def run(finished, tmp_path):
    """A copy of that run to damage; its network is where it was."""
    return shutil.copytree(finished[1], tmp_path / "run")


@pytest.fixture
def said(said):
    return functools.partial(said, "annotate")


def annotations(path):
    """Return every attribute of ours, by node and name, from the file alone."""
    graph_def = tensorflow().compat.v1.GraphDef()
    graph_def.ParseFromString(path.read_bytes())
    return {
        (node.name, key): {
            "s": value.s.decode(),
            "f": value.f,
            "list": [text.decode() for text in value.list.s],
        }[value.WhichOneof("value")]
        for node in graph_def.node
        for key, value in node.attr.items()
        if key.startswith("_conformance")
    }


def test_judged_nodes_carry_outcome_and_errors(said, finished, tmp_path):
    code, text, error = said(finished[1], "-o", tmp_path / "new/annotated.pb")
    assert (code, error) == (0, "")
    count = len(records(finished[1]))
    assert text == f"{tmp_path / 'new/annotated.pb'}: 15 nodes of small carry what {count} records say\n"
    found = annotations(tmp_path / "new/annotated.pb")
    for record in records(finished[1]):
        name = f"_conformance_{record['precision'].replace('-', '_')}_{record['mode']}"
        timed = "_timed" if record["case"].endswith("-timed") else ""
        assert found[record["node"], name + timed].startswith(record["outcome"])
        if record["metrics"]:
            assert found[record["node"], f"{name}{timed}_mse"] == pytest.approx(record["metrics"]["mse"])
    deviating = {node for (node, _), value in found.items() if str(value).startswith("deviates:")}
    assert deviating == {MEANS[1]}
    assert found[MEANS[1], "_conformance"].startswith(
        "SIMULATED emulator: deviates at int8-fp16 own; measured at int8-fp16 chained"
    )
    assert found[MEANS[1], "_conformance_int8_fp16_own_excess"] > 1
    assert {node for node, _ in found} == {record["node"] for record in records(finished[1])}


def records(directory):
    return [json.loads(line) for line in (directory / RECORDS).read_text().splitlines()]


def test_tensorflow_computes_the_same_bits(said, finished, tmp_path):
    assert said(finished[1], "-o", tmp_path / "a.pb")[0] == 0
    network = Network(finished[0].directory)
    fetches = ["out", *MEANS]
    annotated = GraphRunner(load_frozen_graph(tmp_path / "a.pb", ["out"]), fetches)(network.feeds(0))
    plain = GraphRunner(network.graph, fetches)(network.feeds(0))
    assert all(same_bits(annotated[name], plain[name]) for name in fetches)


def test_one_precision(said, finished, tmp_path):
    assert said(finished[1], "-o", tmp_path / "a.pb", "--precision=int8-fp32")[0] == 0
    keys = {key for _, key in annotations(tmp_path / "a.pb")} - {"_conformance"}
    assert keys
    assert all(key.startswith("_conformance_int8_fp32_") for key in keys)


def test_an_older_file_is_replaced_and_nothing_else_is_left(said, finished, tmp_path):
    (tmp_path / "a.pb").write_text("older")
    assert said(finished[1], "-o", tmp_path / "a.pb")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["a.pb"]
    assert annotations(tmp_path / "a.pb")


def test_a_network_that_was_moved_is_found_where_the_user_says(said, refusal, finished, run, tmp_path):
    network = finished[0].copied(tmp_path / "moved").directory
    text = (run / ENVIRONMENT).read_text()
    (run / ENVIRONMENT).write_text(text.replace(str(finished[0].directory), "/no/such/place"))
    error = refusal(run, "-o", tmp_path / "a.pb")
    assert "/no/such/place/network.toml cannot be read" in error
    assert f"run {run} had it there; put it back, or give --network" in error
    assert said(run, "-o", tmp_path / "a.pb", "--network", network)[0] == 0


def without_records(run, _):
    (run / RECORDS).write_bytes(b"")


def without_anything(run, _):
    (run / RECORDS).unlink()


def cut_off(run, _):
    (run / RECORDS).write_bytes((run / RECORDS).read_bytes()[:-100])


def with_a_broken_line(run, _):
    edited(run / RECORDS, '"case":"small/out-int8-fp16-own"', '"case":7')


def without_environment(run, _):
    (run / ENVIRONMENT).unlink()


def without_networks(run, _):
    content = json.loads((run / ENVIRONMENT).read_text())
    (run / ENVIRONMENT).write_text(json.dumps(content | {"networks": []}))


def of_a_renamed_node(run, _):
    edited(run / RECORDS, '"node":"norm/mean"', '"node":"norm/meen"')


def of_another_operator(run, _):
    edited(run / RECORDS, '"op":"ConcatV2"', '"op":"Concat"')


def of_another_network(_, network):
    edited(network.directory / "network.toml", 'name = "small"', 'name = "other"')


def of_a_graph_that_is_gone(_, network):
    (network.directory / "small.pb").unlink()


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (without_records, f"{RECORDS} is empty: the run judged nothing; name a run that did"),
        (without_anything, f"holds no run ({RECORDS} is missing); name the --run-dir of a run"),
        (cut_off, "is truncated: the run was cut off while writing it; repeat the run"),
        (with_a_broken_line, "is malformed: Expected `str`, got `int` - at `$.case`"),
        (without_environment, f"holds no run ({ENVIRONMENT} is missing)"),
        (without_networks, "does not say which network was judged; repeat the run, or give --network"),
        (of_a_renamed_node, "small.pb does not have (near names: norm/mean"),
        (of_another_operator, "judged node 'joined' as Concat, but in"),
        (of_another_network, "judged network 'small', but"),
        (of_a_graph_that_is_gone, "small.pb is no file"),
    ],
)
def test_a_run_that_is_damaged_or_does_not_fit(refusal, finished, run, tmp_path, damage, sentence):
    network = finished[0].copied(tmp_path / "kept")
    edited(run / ENVIRONMENT, str(finished[0].directory), str(network.directory))
    damage(run, network)
    (tmp_path / "a.pb").write_text("older")
    assert sentence in refusal(run, "-o", tmp_path / "a.pb")
    assert (tmp_path / "a.pb").read_text() == "older"


def test_bad_arguments(refusal, finished, tmp_path):
    output = tmp_path / "a.pb"
    (tmp_path / "directory").mkdir()
    for arguments, sentence in (
        ([finished[1]], "the following arguments are required: -o/--output"),
        ([tmp_path / "none", "-o", output], "none holds no run"),
        ([finished[1], "-o", output, "--precision=int8"], "'int8' does not exist (near names: int8-"),
        (
            [finished[1], "-o", output, "--precision=int16-fp16"],
            f"run {finished[1]} judged nothing at int16-fp16; it has int8-fp16, int8-fp32",
        ),
        ([finished[1], "-o", output, "--network=beautygan"], "is 'beautygan'; give the right --network"),
        ([finished[1], "-o", output, "--network=beautygam"], "(near names: beautygan)"),
        ([finished[1], "-o", tmp_path / "directory"], "be written (Is a directory); name another file"),
        ([finished[1], "-o", finished[0].directory / "small.pb"], "is the graph of network 'small' itself"),
    ):
        assert sentence in refusal(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["directory"]
