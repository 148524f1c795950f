"""The same bits in every run, with one thread and with two, in this process and in another."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from support import small_network
from support.emulation import PRECISIONS, run

TESTS = Path(__file__).resolve().parents[2]
TURNED = "mlu270,convolution_sums=fp32,tanh=table-64,fused_intermediates=fp32"
RUNS = [*(("mlu270", precision) for precision in PRECISIONS), (TURNED, "int8-fp16"), ("ideal", "int8-fp16")]


def digests():
    """Return a digest of all outputs on a batch of 16, for every precision and profile."""
    graph, feeds = small_network.graph(), small_network.feeds(batch=16)
    found = {}
    for request, precision in RUNS:
        results, _ = run(graph, feeds, precision, request=request)
        found[f"{request} {precision}"] = {
            name: hashlib.sha256(value.tobytes()).hexdigest() for name, value in results.items()
        }
    return found


def started_elsewhere(threads):
    """Start a fresh process whose TensorFlow has this many threads; it prints these and its digests."""
    code = (
        f"import sys; sys.path[:0] = {[str(TESTS)]!r}\n"
        "import json, devices.emulator.test_determinism as test\n"
        "import tensorflow\n"
        "threading = tensorflow.config.threading\n"
        f"threading.set_intra_op_parallelism_threads({threads})\n"
        f"threading.set_inter_op_parallelism_threads({threads})\n"
        "found = test.digests()\n"
        "has = threading.get_intra_op_parallelism_threads(), threading.get_inter_op_parallelism_threads()\n"
        "print(json.dumps([has, found]))"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


@pytest.fixture(scope="module")
def here():
    return digests()


@pytest.fixture(scope="module")
def elsewhere():
    """The digests by number of threads; both processes run at once."""
    processes = {threads: started_elsewhere(threads) for threads in (1, 2)}
    try:
        printed = {threads: process.communicate(timeout=300)[0] for threads, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    return {threads: json.loads(text.splitlines()[-1]) for threads, text in printed.items()}


def test_two_runs_in_one_process(here):
    assert digests() == here


def test_precisions_and_profiles_have_their_own_bits(here):
    """So that equal digests mean something."""
    pictures = {key: outputs["picture"] for key, outputs in here.items()}
    assert len({pictures[f"mlu270 {precision}"] for precision in PRECISIONS}) == len(PRECISIONS)
    assert len({pictures[f"{request} int8-fp16"] for request in ("mlu270", TURNED, "ideal")}) == 3


@pytest.mark.parametrize("threads", [1, 2])
def test_processes_with_one_and_two_threads(here, elsewhere, threads):
    has, found = elsewhere[threads]
    assert found == here
    assert has == [threads, threads]
