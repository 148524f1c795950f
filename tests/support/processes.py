"""Watching processes from outside, and interrupting the one that waits for them."""

import contextlib
import signal
import time
from pathlib import Path


def group_lives(group):
    """Whether any process of a group is left, zombies of other parents aside."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[2] == str(group) and fields[0] != "Z":
            return True
    return False


def wait_until(condition, seconds=30):
    """Wait for what must come; a test that waits in vain fails."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.05)


@contextlib.contextmanager
def interrupted(seconds):
    """Interrupt this thread, as Ctrl-C does, after some seconds."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
