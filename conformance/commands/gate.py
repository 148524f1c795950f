"""``mlu-conformance gate``: may this driver go in? Runs of a candidate against runs of a baseline."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast, get_args

from conformance.commands.arguments import share
from conformance.commands.printing import say
from conformance.errors import UsageError, near_names
from conformance.files import json_text, write_all
from conformance.gating.result import Require

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from conformance.commands import Commands
    from conformance.gating.result import Gate

RUNS = "a run directory, or a directory of run directories"


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "gate",
        help="hold the runs of an upgrade against those before it: exits 0 for GO, 1 for NO-GO, 2 for NO-GO "
        "because of speed alone, 5 where it cannot tell, 4 where they cannot be compared",
    )
    command.add_argument("baseline", type=Path, metavar="BASELINE", help=f"what is known: {RUNS}")
    command.add_argument("candidate", type=Path, metavar="CANDIDATE", help=f"what is judged: {RUNS}")
    command.add_argument(
        "--slower", type=share, metavar="SHARE", help="slowdown that is allowed, such as 3%% (default: 3%%)"
    )
    command.add_argument(
        "--require",
        metavar="WHAT",
        help="identical: every result must have the same bits; nothing-changed: none may move by an "
        "attainable error or more",
    )
    command.add_argument(
        "--history",
        type=Path,
        metavar="DIR",
        help="directory of older runs, whose noise stands in where a side has fewer than 3 runs",
    )
    for flag, what in (
        ("--json", "the evidence as JSON (docs/gate.md)"),
        ("--markdown", "Markdown of at most 60 kB, for a job's summary or a comment"),
        ("--junit", "JUnit XML"),
        ("--html", "a page that needs no network"),
    ):
        command.add_argument(flag, type=Path, metavar="FILE", help=f"write {what}")
    command.set_defaults(command=run_gate)


def run_gate(options: argparse.Namespace) -> int:
    """Judge, write what is asked for, print the verdict, and return its exit code.

    Raises:
        UsageError: an option is wrong, a side has no run or a broken one, or they cannot be compared.
    """
    from conformance.gating.gate import Demands, gate
    from conformance.gating.lines import gate_lines

    demands = Demands(slower=options.slower, require=_required(options.require), history=options.history)
    found = gate(options.baseline, options.candidate, demands)
    write_renderings(found, options.json, options.markdown, options.junit, options.html)
    for line in gate_lines(found):
        say(line)
    return found.exit_code


def write_renderings(
    gate: Gate, json: Path | None, markdown: Path | None, junit: Path | None, html: Path | None = None
) -> None:
    """Write the files that are asked for, all or none; what they held before is replaced.

    Raises:
        UsageError: one cannot be written, or is named twice.
    """
    from conformance.gating import junit as junit_xml
    from conformance.gating import markdown as text
    from conformance.html.gate_page import gate_page
    from conformance.html.page import require_page

    if html is not None:
        require_page(html)
    makers: list[tuple[Path | None, Callable[[Gate], bytes]]] = [
        (json, _as_json),
        (markdown, lambda gate: text.markdown(gate).encode()),
        (junit, junit_xml.junit),
        (html, lambda gate: gate_page(gate, str(json or "gate.json")).encode()),
    ]
    contents = {path: make(gate) for path, make in makers if path is not None}
    if len(contents) < sum(path is not None for path, _ in makers):
        raise UsageError("two outputs have the same name; give each a file of its own")
    try:
        write_all({path: functools.partial(_write, content) for path, content in contents.items()})
    except OSError as error:
        raise UsageError(f"{error.filename or 'a file'} cannot be written: {error.strerror}") from error


def _as_json(gate: Gate) -> bytes:
    return (json_text(gate) + "\n").encode()


def _write(content: bytes, file: BinaryIO) -> None:
    file.write(content)


def _required(text: str | None) -> Require | None:
    known = get_args(Require)
    if text is not None and text not in known:
        raise UsageError(f"--require {text!r} means nothing{near_names(text, list(known))}")
    return cast("Require | None", text)
