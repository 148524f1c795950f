"""``--benchmark-compare``, ``--benchmark-compare-fail``, ``--benchmark-autosave`` with runs of the suite."""

import json

import pytest
from support.suite_run import run_suite


@pytest.fixture(scope="module")
def stored(network, tmp_path_factory):
    """A directory of pytest-benchmark with one run of the CPU in it."""
    root = tmp_path_factory.mktemp("stored")
    assert timed(network, root, "first", "--benchmark-autosave").code == 0
    return root


def timed(network, root, name, *arguments):
    return run_suite(
        root / name,
        "--device=cpu",
        f"--benchmark-storage=file://{root / 'storage'}",
        "--rounds=2",
        *arguments,
        network=network,
        markers="mlu and benchmark and int8 and fp16",
    )


@pytest.fixture
def older(stored):
    """Return a function that changes the stored times for one test."""
    (file,) = (stored / "storage").rglob("*.json")
    before = file.read_text()

    def change(alter):
        content = json.loads(before)
        alter(content)
        file.write_text(json.dumps(content))

    yield change
    file.write_text(before)


def test_times_are_compared_with_those_of_the_same_device(stored, network):
    result = timed(network, stored, "second", "--benchmark-compare")
    assert result.code == 0
    assert "(NOW)" in result.text
    assert "(0001_" in result.text
    assert "INTERNALERROR" not in result.text


def test_a_slower_one_fails_the_run_in_a_sentence(stored, older, network):
    def faster(content):
        content["benchmarks"][0]["stats"]["min"] /= 1000

    older(faster)
    result = timed(network, stored, "slower", "--benchmark-compare", "--benchmark-compare-fail=min:50%")
    assert result.code == 1
    assert "FAILED: --benchmark-compare-fail: test_fused_speed[small-int8-fp16]" in result.text
    assert "Traceback" not in result.text


def test_times_of_another_device_are_not_compared_and_a_limit_then_fails(stored, older, network):
    def of_a_card(content):
        content["benchmarks"][0]["group"] = "fused small on cambricon (MLU270)"

    older(of_a_card)
    result = timed(network, stored, "other", "--benchmark-compare")
    assert result.code == 0
    assert "(NOW)" not in result.text
    assert "has times of 'fused small on cambricon (MLU270)', which are not compared" in result.text
    limited = timed(network, stored, "limited", "--benchmark-compare", "--benchmark-compare-fail=min:50%")
    assert limited.code == 1
    assert "no older time of the same device is there" in limited.text


def test_another_host_is_a_note(stored, older, network):
    def elsewhere(content):
        content["machine_info"]["node"] = "elsewhere"

    older(elsewhere)
    result = timed(network, stored, "host", "--benchmark-compare")
    assert result.code == 0
    assert "older times are of another host, which differs in node" in result.text
