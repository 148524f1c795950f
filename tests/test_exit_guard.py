"""An exit from inside is no pass: status 3 and one sentence, whoever calls it and with what."""

import subprocess
import sys

import pytest
from support.emulation import ROOT, frozen, placeholder
from support.toy_network import uniform, write_toy

from conformance.exit_guard import SENTENCE

GUARDED = """\
import ctypes, os, sys, threading
from conformance.exit_guard import ExitGuard
leave = ctypes.CDLL(None).exit
def in_a_thread():
    thread = threading.Thread(target=leave, args=[0])
    thread.start()
    thread.join()
def in_a_child():
    child = os.fork()
    if not child:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
guard = ExitGuard()
"""
ENDINGS = ["leave(0)", "leave(5)", "os._exit(0)", "sys.exit(0)", "sys.exit('no')", "in_a_thread()"]


def ended(command, **settings):
    """Return exit code, output and error of a process."""
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **settings)
    return done.returncode, done.stdout, done.stderr


def python(code):
    return ended([sys.executable, "-c", GUARDED + code])


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "before", ["", "guard.disarm()\nguard = ExitGuard()\n", "ExitGuard().disarm()\nExitGuard()\n"]
)
def test_an_exit_in_the_middle(ending, before):
    code, text, error = python(f"{before}{ending}\nprint('went on')")
    assert (code, text) == (3, "")
    assert error.endswith(SENTENCE)


@pytest.mark.parametrize("status", [0, 1, 3, 130])
@pytest.mark.parametrize("ending", ["sys.exit", "leave", "os._exit"])
def test_at_its_end_a_process_says_its_own_status(ending, status):
    code, text, error = python(
        f"guard.disarm()\nguard.disarm()\nprint('end', flush=True)\n{ending}({status})"
    )
    assert (code, text, error) == (status, "end\n", "")


def test_children_end_as_they_please():
    assert python("in_a_child()\nguard.disarm()") == (0, "", "")


def test_the_c_librarys_own_output_is_not_lost():
    assert python("ctypes.CDLL(None).puts(b'held')\nguard.disarm()") == (0, "held\n", "")


def test_a_closed_error_output_changes_nothing():
    assert python("guard.disarm()\nos.close(2)\nguard = ExitGuard()\nleave(0)")[0] == 3


def abort(tf):
    """Build a graph with a node that ends the process as if all were well."""
    x = placeholder(tf, shape=(1, 4))
    with tf.control_dependencies([tf.raw_ops.Abort(error_msg="over", exit_without_error=True)]):
        tf.tanh(x, name="out")


def test_a_graph_that_ends_the_process_has_no_goldens(tmp_path):
    write_toy(tmp_path / "network", abort, uniform(1, (1, 4), "x"))
    command = ["golden", tmp_path / "network", "--golden-dir", tmp_path / "goldens", "--trust-graph"]
    code, text, error = ended([sys.executable, "-m", "conformance.cli", *map(str, command)])
    assert (code, text) == (3, "")
    assert error.endswith(SENTENCE)
    assert not (tmp_path / "goldens/toy/manifest.json").exists()
    assert frozen(abort, "out").nodes  # the graph was there
