"""What a finished run shows, without a device."""

import functools
import shutil

import msgspec
import pytest
from diagnosis.diagnosing import report
from diagnosis.planted_network import planted_network
from support.refusals import refused
from support.suite_run import run_suite

from conformance.diagnosis.from_run import diagnosis_of_run
from conformance.diagnosis.model import Diagnosis
from conformance.networks import Network
from conformance.precision import parse_precision
from conformance.runs.directory import ENVIRONMENT, RECORDS

WIDE, NARROW = parse_precision("int16-fp32"), parse_precision("int8-fp32")
FAULT, READER = "style/norm_2/squares", "style/norm_2/variance"


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return a function that runs the suite on a faulty device once per selection of nodes."""

    @functools.cache
    def run(nodes="key", device="diagnosis.planted:not_squared"):
        directory = tmp_path_factory.mktemp("runs") / nodes
        run_suite(
            directory,
            f"--device={device}",
            "--no-waivers",
            f"--nodes={nodes}",
            network=planted_network(),
            markers="mlu and fp32 and (own or chained or fused) and not benchmark",
        )
        return directory

    return run


def judged(**changes):
    """Return what an environment says of the planted network, with changes."""
    network = Network(planted_network().directory)
    known = {"name": network.name, "directory": str(network.directory), "graph_sha256": network.graph.sha256}
    return known | changes


@pytest.fixture
def changed(finished, tmp_path):
    """Return a function that copies the run with its records changed, or dropped where the change is None."""

    def change(of_record, **environment):
        directory = tmp_path / "run"
        shutil.copytree(finished(), directory)
        records = [msgspec.json.decode(line) for line in (directory / RECORDS).read_bytes().splitlines()]
        kept = [altered for record in records if (altered := of_record(record)) is not None]
        (directory / RECORDS).write_bytes(b"".join(msgspec.json.encode(record) + b"\n" for record in kept))
        known = msgspec.json.decode((directory / ENVIRONMENT).read_bytes())
        (directory / ENVIRONMENT).write_bytes(msgspec.json.encode({**known, **environment}))
        return directory

    return change


def same(record):
    return record


def without(**selected):
    """Return a change that drops the records of which all these fields have these values."""
    return lambda record: None if all(record[key] == value for key, value in selected.items()) else record


def test_a_run_shows_quality_errors_and_the_failing_key_node(finished):
    diagnosis = diagnosis_of_run(finished(), WIDE)
    assert [item.what for item in diagnosis.culprits] == [READER]
    assert (diagnosis.forwards, diagnosis.sample, diagnosis.device) == (0, None, "planted")
    assert not diagnosis.quality.accepted
    assert not diagnosis.chained_quality.accepted
    assert {item.precision for item in diagnosis.choices} == {"int8-fp32", "int16-fp32"}
    assert diagnosis.recommended is None
    assert all(item.chained is not None for item in diagnosis.errors)
    assert f"the first is {READER}" in " ".join(diagnosis.remarks)
    assert msgspec.json.decode(msgspec.json.encode(diagnosis), type=Diagnosis) == diagnosis
    said = report(diagnosis)
    assert "nothing was run, so no effect and no repair was measured" in said
    assert f"Culprit 1: {READER}." in said
    assert "Measured" not in said


def test_a_run_that_judged_all_nodes_shows_which_operator_it_is(finished):
    diagnosis = diagnosis_of_run(finished("all"), WIDE)
    assert [(item.what, item.kind) for item in diagnosis.culprits] == [(FAULT, "node")]
    assert diagnosis.born == FAULT
    assert READER in [item.node for item in diagnosis.errors]
    assert FAULT not in [item.node for item in diagnosis.errors]
    assert not any("several operators" in remark for remark in diagnosis.remarks)


def test_a_waived_node_is_blamed_all_the_same(changed):
    def waived(record):
        return (
            {**record, "outcome": "waived", "waiver": "known"} if record["outcome"] == "deviates" else record
        )

    diagnosis = diagnosis_of_run(changed(waived), WIDE)
    assert [item.what for item in diagnosis.culprits] == [READER]
    assert not diagnosis.quality.accepted


def test_goldens_are_found_where_the_run_found_them_or_where_the_user_says(finished, tmp_path):
    elsewhere = tmp_path / "goldens"
    shutil.copytree(planted_network().goldens, elsewhere)
    moved, found = (diagnosis_of_run(finished(), WIDE, given) for given in (elsewhere, None))
    assert moved.errors == found.errors


def test_a_run_without_faults_names_nothing(finished):
    diagnosis = diagnosis_of_run(finished("joined", "cpu"), NARROW)
    assert diagnosis.culprits == []
    assert diagnosis.quality.accepted
    assert diagnosis.choices[diagnosis.recommended].precision == "int8-fp32"


def conforming(record):
    """Return the record of a node as if it were right."""
    if record["mode"] != "own" or record["outcome"] != "deviates":
        return record
    return {**record, "outcome": "conforms", "reasons": [], "needed": record["bounds"]}


def test_outputs_that_only_precision_spoils(changed):
    diagnosis = diagnosis_of_run(changed(conforming), NARROW)
    assert [item.kind for item in diagnosis.culprits] == ["precision"]
    assert diagnosis.culprits[0].effect is None


def test_outputs_that_only_fusion_spoils_need_the_device(changed):
    def better(record):
        if record["mode"] == "chained":
            record["metrics"] |= {"mse": 1e-9, "cosine_distance": 1e-9}
            if record["reached"]:
                record["reached"] |= {"cosine": 1.0, "psnr": 60.0}
        return conforming(record)

    diagnosis = diagnosis_of_run(changed(better), WIDE)
    assert diagnosis.culprits == []
    assert diagnosis.chained_quality.accepted
    assert "wrong only where they are fused" in " ".join(diagnosis.remarks)


def test_a_run_without_fused_outputs_says_so(changed):
    diagnosis = diagnosis_of_run(changed(without(mode="fused")), WIDE)
    assert diagnosis.choices == []
    assert [item.what for item in diagnosis.culprits] == [READER]
    said = report(diagnosis)
    assert "the run has no output of the fused network at int16-fp32" in said
    assert "nothing can be said of what repairs it" in said


def test_a_run_without_chained_errors_shows_the_others(changed):
    diagnosis = diagnosis_of_run(changed(without(mode="chained")), WIDE)
    assert {item.chained for item in diagnosis.errors} == {None}
    assert not diagnosis.chained_quality.accepted
    assert [item.what for item in diagnosis.culprits] == [READER]


def test_a_broken_node_is_blamed_with_what_the_device_said(changed):
    def broken(record):
        if (record["node"], record["mode"]) != ("joined", "own"):
            return conforming(record)
        lost = {"metrics": None, "bounds": None, "needed": None, "sha256": []}
        return {**record, **lost, "outcome": "broken", "reasons": ["it hung"]}

    (culprit,) = diagnosis_of_run(changed(broken), WIDE).culprits
    assert (culprit.what, culprit.failure) == ("joined", "The device could not compute it: it hung")


def test_a_cut_off_line_is_told(changed):
    directory = changed(same)
    with (directory / RECORDS).open("ab") as file:
        file.write(b'{"case": "half')
    assert "is truncated" in " ".join(diagnosis_of_run(directory, WIDE).remarks)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda changed: changed(without(mode="own")), "no node at int16-fp32 by its own error; diagnose"),
        (
            lambda changed: changed(without(precision="int16-fp32")),
            "judged no node at int16-fp32 by its own error, but did at int8-fp32; diagnose another precision",
        ),
        (lambda changed: changed(same, networks=[judged(graph_sha256="0" * 64)]), "judged another graph"),
        (lambda changed: changed(same, networks=[]), "does not say which network was judged"),
        (
            lambda changed: changed(same, networks=[judged(), judged(name="b")]),
            "judged twig, b; name one of them",
        ),
        (lambda changed: changed(same, networks=[judged(name="other")]), "judged network 'other', but"),
        (lambda changed: changed(same, options={}), "does not say where goldens lie; give --golden-dir"),
        (
            lambda changed: changed(same, networks=[judged(directory=None, own="beautygam")]),
            "near names: beautygan",
        ),
    ],
)
def test_what_a_run_lacks_is_one_sentence(changed, make, sentence):
    with refused(sentence):
        diagnosis_of_run(make(changed), WIDE)


def test_a_directory_without_a_run(tmp_path):
    with refused(ENVIRONMENT):
        diagnosis_of_run(tmp_path, WIDE)
