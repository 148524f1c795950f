"""Progress of long work, on a terminal or in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BAR = 30
"""Width of the bar, in characters."""


class Progress:
    """Shows how far work is: one line rewritten on a terminal, one line per piece of work in a log.

    Args:
        write: takes text.
        terminal: whether a line can be rewritten.
    """

    def __init__(self, write: Callable[[str], object], *, terminal: bool) -> None:
        self._write, self._terminal = write, terminal
        self._what = ""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show that ``done`` of ``total`` parts of ``what`` are done."""
        if self._terminal:
            filled = BAR * done // max(total, 1)
            end = "\n" if done >= total else ""
            self._write(f"\r{what} [{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}{end}")
        elif what != self._what:
            self._write(f"{what} ({total})\n")
        self._what = "" if done >= total else what
