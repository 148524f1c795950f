"""Where commands print: results to standard output, all else to standard error."""

from __future__ import annotations

import sys
from pathlib import Path

from conformance.errors import printable
from conformance.files import json_text, write_json_atomically
from conformance.progress import Progress

STANDARD_OUTPUT = "-"
"""In place of a file's name."""


def say(text: str) -> None:
    """Print a line of the command's result."""
    print(_lines(text))


def note(text: str) -> None:
    """Print a line that is not part of the result, so that a pipe does not get it."""
    print(_lines(text), file=sys.stderr)


def _lines(text: str) -> str:
    """Return lines in which names from files cannot command a terminal."""
    return "\n".join(map(printable, text.split("\n")))


def progress() -> Progress:
    """Return a progress display that does not mix with the result."""
    return Progress(
        lambda text: print(text, end="", file=sys.stderr, flush=True),
        terminal=sys.stderr.isatty(),
    )


def write_json(value: object, target: str) -> None:
    """Write a value as JSON to a file, whole or not at all, or print it."""
    if target == STANDARD_OUTPUT:
        say(json_text(value))
    else:
        write_json_atomically(Path(target), value)
