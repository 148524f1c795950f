"""A device that does one thing wrong fails in the node that was touched, and in no other."""

import pytest
from support.kept_network import KEY_NODES

PRECISIONS = ("int8-fp16", "int8-fp32", "int16-fp16", "int16-fp32")
NODE, OTHER = "wide/Conv2D", "wide/bias"


def cases(*nodes, precisions=PRECISIONS):
    return {f"{node}-{precision}" for node in nodes for precision in precisions}


def test_the_device_that_the_faulty_ones_wrap_conforms(run):
    result = run("FaultyDevice")
    assert (result.code, result.failed) == (0, set())
    assert result.cases("conforms") == set(result.outcomes)
    assert len(result.outcomes) == KEY_NODES * len(PRECISIONS)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("doubled", "device gives"),
        ("dropped", "is missing"),
        ("zero_channel", "all in channel 200"),
        ("shifted_rows", "of 65536 elements"),
        ("one_nan", "has 1 NaN, 0 +Inf and 0 -Inf where the golden is finite, the first at [0,1,2,3]"),
        ("one_infinity", "has 0 NaN, 1 +Inf and 0 -Inf where the golden is finite"),
        ("integers", "has dtype int32, but should be floating"),
        ("without_batch", "has shape (16, 16, 256), but should have shape (1, 16, 16, 256)"),
        ("broadcastable", "has shape (1, 16, 16, 1), but should have shape (1, 16, 16, 256)"),
        ("one_row_less", "has shape (1, 15, 16, 256), but should have shape (1, 16, 16, 256)"),
        ("transposed", "device gives"),
        ("empty", "is empty (shape (0, 16, 16, 256))"),
        ("a_list", "is of type list, but should be an array"),
        ("nothing", "is missing"),
        ("objects", "has dtype object, but should be floating"),
        ("huge_doubles", "=1e+300, but an ideal"),
        ("noisy", "of 65536 elements"),
        ("stale_node", "wide/Conv2D (sample 1)"),
    ],
)
def test_a_fault_of_one_node_fails_that_node_at_every_precision(run, device, sentence):
    result = run(device)
    assert result.code == 1
    assert result.failed == result.cases("deviates") == cases(NODE)
    assert result.cases("conforms") == set(result.outcomes) - cases(NODE)
    for record in result.records:
        assert (sentence in "; ".join(record.reasons)) == (record.node == NODE)
    assert sentence in result.text


def test_two_swapped_outputs_fail_both_and_no_other(run):
    result = run("swapped")
    assert result.code == 1
    assert result.failed == result.cases("deviates") == cases(NODE, OTHER)


def test_a_fault_at_one_precision_fails_there_only(run):
    result = run("doubled_at_int16_fp32")
    assert result.code == 1
    assert result.failed == result.cases("deviates") == cases(NODE, precisions=["int16-fp32"])


def test_noise_below_the_quantisation_of_8_bits_is_found_at_every_precision(run):
    result = run("barely_noisy")
    assert result.code == 1
    assert result.failed == cases(NODE)


def test_stale_results_fail_every_node(run):
    result = run("stale")
    assert result.code == 1
    assert result.failed == result.cases("deviates") == set(result.outcomes)
    assert all("sample 1" in reason for record in result.records for reason in record.reasons)


@pytest.mark.parametrize(
    ("device", "sentence"),
    [
        ("crash_in_open", "the device raised RuntimeError: no such firmware"),
        ("crash_in_run", "the card fell off the bus"),
        ("exit_in_run", "the device raised SystemExit: 0"),
        ("no_mapping", "the device returned a list, but should return a mapping of node name to array"),
        ("no_number", "the device says that the run took nan seconds, but should give a number >= 0"),
        ("ScribblingDevice", "read-only"),
    ],
)
def test_a_device_that_breaks_is_broken_in_every_case(run, device, sentence):
    result = run(device)
    assert result.code == 1
    assert result.failed == result.cases("broken") == set(result.outcomes)
    assert all(sentence in record.reasons[0] and record.metrics is None for record in result.records)
    assert f"{NODE}-int8-fp16-own is broken: " in result.text
    assert "Traceback" not in result.text


def test_a_device_that_breaks_at_one_precision_is_judged_at_the_others(run):
    result = run("crash_at_int8_fp16")
    assert result.code == 1
    assert len(result.cases("broken")) == KEY_NODES
    assert result.failed == result.cases("broken")
    assert all(case.endswith("int8-fp16") for case in result.failed)
    assert len(result.cases("conforms")) == 3 * KEY_NODES


def test_what_a_device_does_not_offer_is_skipped_and_the_rest_judged(run):
    result = run("unsupported_int8")
    assert result.code == 0
    skipped = {case for case, outcome in result.outcomes.items() if outcome == "skipped"}
    assert skipped == result.cases("unsupported")
    assert len(skipped) == 2 * KEY_NODES
    assert all("-int8-" in case for case in skipped)
    assert all(
        record.notes == ["int8 is not offered"] for record in result.records if "int8" in record.precision
    )
    assert f"{2 * KEY_NODES} unsupported" not in result.text  # the table counts per precision
    assert f"{KEY_NODES} unsupported" in result.text


def test_a_device_that_offers_nothing_shows_nothing(run):
    result = run("unsupported", markers="mlu")
    assert result.code == 3
    assert set(result.outcomes.values()) == {"skipped"}
    assert {record.outcome for record in result.records} == {"unsupported"}
    assert "FAILED: nothing was judged" in result.text


@pytest.mark.parametrize("device", ["read_only_mapping", "extra_outputs"])
def test_a_device_is_free_in_how_it_returns_its_results(run, device):
    assert run(device).code == 0


def test_a_device_that_cannot_be_closed_fails_the_run(run):
    result = run("UnclosableDevice")
    assert (result.code, result.failed) == (1, set())
    assert "FAILED: the device could not be closed: RuntimeError: stuck" in result.text


@pytest.mark.parametrize(
    ("device", "code", "sentence"),
    [
        ("broken_factory", 3, "could not be made: OSError: no driver"),
        ("no_device", 4, "returned an object of type object, which lacks info, open or close"),
        ("NamelessDevice", 4, "says that it is {'kind': 'faulty'}, but should return a complete DeviceInfo"),
        ("SilentDevice", 3, "does not say what it is: RuntimeError: mute"),
    ],
)
def test_a_factory_that_fails_is_one_sentence_before_anything_runs(run, device, code, sentence):
    result = run(device)
    assert (result.code, result.outcomes) == (code, {})
    assert sentence in result.text
    assert "Traceback" not in result.text
    assert not result.directory.exists()
