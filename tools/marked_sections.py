"""Sections of a document that a tool writes, between ``<!-- figures: NAME -->`` and ``<!-- end -->``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from conformance.errors import UsageError
from conformance.files import write_text_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECTION = r"(?P<head><!-- figures: {name} -->\n)(?P<body>.*?)(?P<tail><!-- end -->)"


def read_section(path: Path, name: str) -> list[str]:
    """Return the lines of a section.

    Raises:
        UsageError: the document has no such section, or two.
    """
    return _only(path, name)["body"].strip().splitlines()


def write_section(path: Path, name: str, lines: Sequence[str]) -> None:
    """Put lines in place of those of a section; all else of the document stays.

    Raises:
        UsageError: the document has no such section, or two.
    """
    found = _only(path, name)
    body = "\n".join(["", *lines, "", ""])
    text = found.string
    write_text_atomically(path, f"{text[: found.start('body')]}{body}{text[found.end('body') :]}")


def _only(path: Path, name: str) -> re.Match[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"document {path} cannot be read: {error.strerror}") from error
    found = list(re.finditer(SECTION.format(name=re.escape(name)), text, re.DOTALL))
    if len(found) != 1:
        raise UsageError(
            f"{path} has {len(found)} sections <!-- figures: {name} --> to <!-- end -->, but should have one"
        )
    return found[0]


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of cells, headings first, as a table in Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def cells(lines: Sequence[str]) -> list[list[str]]:
    """Return the cells of the first table in Markdown, headings first; none if there is no table."""
    rows = [line for line in lines if line.startswith("|")]
    return [_split(row) for row in rows[:1] + rows[2:]]


def _split(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]
