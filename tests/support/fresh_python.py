"""Code in an interpreter of its own, which must do without TensorFlow."""

import subprocess
import sys

from support.emulation import ROOT

LAST = 'sys.exit("TensorFlow was imported" if "tensorflow" in sys.modules else 0)'


def without_tensorflow(code, *arguments):
    """Run ``code``, which must not fail; return its output and what it wrote to the error stream."""
    command = [sys.executable, "-c", f"import sys\n{code}\n{LAST}", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr
