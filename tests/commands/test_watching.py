"""Commands that make goldens survive TensorFlow: a crash or a hang is one sentence with the node."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.emulation import placeholder
from support.processes import wait_until
from support.toy_network import uniform, write_toy


@pytest.fixture
def command(tmp_path):
    """Start a command on a network that computes ``end(tf, tanh(2 x))``."""

    def start(name, end, *arguments):
        def whole(tf):
            fine = tf.tanh(placeholder(tf, "x", (1, 12)) * 2, name="fine")
            tf.identity(end(tf, fine) + 1, name="out")

        network = write_toy(tmp_path / "network", whole, uniform(1, (1, 12), "x"))
        line = ["-m", "conformance.cli", name, str(network), f"--golden-dir={tmp_path / 'goldens'}"]
        return subprocess.Popen(
            [sys.executable, *line, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return start


def ended(process):
    output, error = process.communicate()
    return process.returncode, output, error.splitlines()


def aborts(tf, fine):
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="it is over")]):
        return tf.identity(fine, name="hit")


def never_ends(tf, fine):
    """Return a loop whose condition always holds."""
    return tf.raw_ops.StatelessWhile(
        input=[fine],
        cond=tf.function(lambda value: tf.reduce_all(tf.abs(value) < 9)).get_concrete_function(fine),
        body=tf.function(lambda value: [value * 1.0]).get_concrete_function(fine),
        name="hit",
    )[0]


def test_a_crash_is_one_sentence_with_the_node(command, tmp_path):
    code, output, lines = ended(command("golden", aborts, "--trust-graph"))
    assert (code, output) == (3, "")
    assert lines[-1].startswith(
        "mlu-conformance: TensorFlow on the CPU was ended by SIGABRT at node 'hit', so there is no result"
    )
    assert not [*(tmp_path / "goldens").rglob("*.json"), *(tmp_path / "goldens").rglob("*.npy")]


def test_what_never_ends_ends_at_the_deadline_with_the_node(command):
    code, output, lines = ended(command("prepare", never_ends, "--deadline=8"))
    assert (code, output) == (3, "")
    assert "took longer than 8 s (--deadline) at node 'hit/" in lines[-1]


def test_what_is_well_is_as_without_a_watcher(command):
    code, output, _ = ended(command("prepare", lambda _, fine: fine))
    assert code == 0
    assert [line.split()[:2] for line in output.splitlines()] == [
        ["scales", "fresh"],
        ["goldens", "made"],
        ["bounds", "made"],
    ]


def test_a_refusal_has_its_own_code_and_sentence(command):
    code, _, lines = ended(command("golden", lambda _, fine: fine, "--deadline=soon"))
    assert code == 4
    assert lines == ["mlu-conformance: --deadline 'soon' is no number of seconds above 0; give one like 300"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_who_watches_does_not_leave_the_process_behind(command, number):
    process = command("prepare", never_ends, "--deadline=300")
    wait_until(lambda: children(process.pid))
    (child,) = children(process.pid)
    wait_until(lambda: _computes(child))
    for pid in [process.pid, child] if number == signal.SIGINT else [child]:
        os.kill(pid, number)
    code, _, lines = ended(process)
    assert code == {signal.SIGINT: 130, signal.SIGKILL: 3}[number]
    assert not Path(f"/proc/{child}").exists()
    assert ("lack of memory" in lines[-1]) == (number == signal.SIGKILL)


def children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _computes(pid):
    """Whether TensorFlow's library is loaded."""
    return "tensorflow" in Path(f"/proc/{pid}/maps").read_text()
