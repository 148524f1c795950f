"""Where commands print: results to standard output, all else to standard error."""

from __future__ import annotations

import sys

from conformance.progress import Progress


def say(text: str) -> None:
    """Print a line of the command's result."""
    print(text)


def note(text: str) -> None:
    """Print a line that is not part of the result, so that a pipe does not get it."""
    print(text, file=sys.stderr)


def progress() -> Progress:
    """Return a progress display that does not mix with the result."""
    return Progress(
        lambda text: print(text, end="", file=sys.stderr, flush=True),
        terminal=sys.stderr.isatty(),
    )
