"""The errors a user sees: one sentence with the value, where it came from, and what to do.

Exit codes are those of the command line: 0 fine, 1 accuracy, 2 speed, 3 infrastructure or nothing ran,
4 usage, 5 inconclusive.
"""

from __future__ import annotations

from typing import ClassVar

EXIT_FINE = 0
EXIT_ACCURACY = 1
EXIT_SPEED = 2
EXIT_INFRASTRUCTURE = 3
EXIT_USAGE = 4
EXIT_INCONCLUSIVE = 5


def printable(text: str) -> str:
    """Return text in which what no terminal shows, or what commands one, is written as an escape."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode()
        for letter in text
    )


class ConformanceError(Exception):
    """Base of every error of this project; its text is one sentence meant for the user."""

    exit_code: ClassVar[int] = EXIT_INFRASTRUCTURE

    def __str__(self) -> str:
        """Return the sentence; what it says of a file's content cannot command a terminal."""
        return printable(super().__str__())


class UsageError(ConformanceError):
    """An argument, option or file that the user gave is wrong."""

    exit_code: ClassVar[int] = EXIT_USAGE


class InfrastructureError(ConformanceError):
    """The machine, a device or a stored file does not do what it must; no verdict is possible."""


class GoldenError(InfrastructureError):
    """A golden is missing, damaged, or belongs to another network."""


class SpaceError(InfrastructureError):
    """A disk or the shared memory is full: no device is to blame, and nothing can be judged."""


class DeviceError(InfrastructureError):
    """A device could not be opened or run."""


def near_names(name: str, known: list[str], limit: int = 3) -> str:
    """Return ' (near names: …)' for a misspelt ``name``, or all known names when they are few."""
    import difflib

    close = difflib.get_close_matches(name, known, n=limit, cutoff=0.5)
    if close:
        return f" (near names: {', '.join(close)})"
    if len(known) <= limit * 3:
        return f" (known: {', '.join(known)})"
    return ""
