"""Put the table of options and the arguments of every command into ``docs/options.md``.

Run ``python tools/options_page.py`` after an option was added or its help changed; a test compares the page.
What stands outside of the lines ``<!-- table: ... -->`` and ``<!-- end -->`` is written by hand, and kept.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

from conformance.cli import COMMANDS
from conformance.files import write_text_atomically
from conformance.options import OPTIONS, Kind, Option

PAGE = Path(__file__).resolve().parents[1] / "docs/options.md"
TABLE = re.compile(
    r"(?P<head><!-- table: (?P<name>\w+) -->)\n.*?(?P<tail><!-- end -->)",
    re.DOTALL,
)


class Parser(argparse.ArgumentParser):
    """A command's parser that remembers what was added to it."""

    def __init__(self, **settings: Any) -> None:
        self.added: list[argparse.Action] = []
        super().__init__(add_help=False, **settings)

    def add_argument(self, *names: Any, **settings: Any) -> argparse.Action:
        """Add an argument and remember it."""
        action = super().add_argument(*names, **settings)
        self.added.append(action)
        return action


class Parsers:
    """Stands for argparse's subparsers, and keeps each command's parser by name."""

    def __init__(self) -> None:
        self.by_name: dict[str, Parser] = {}

    def add_parser(self, name: str, **settings: Any) -> Parser:
        """Return the parser of a command."""
        self.by_name[name] = Parser(prog=name, description=settings["help"])
        return self.by_name[name]


def renewed(text: str) -> str:
    """Return the page with its tables as they are now."""
    parsers = Parsers()
    for command in COMMANDS:
        command.add(parsers)  # type: ignore[arg-type]
    tables = {"shared": _shared(parsers.by_name), "commands": _own(parsers.by_name)}
    return TABLE.sub(
        lambda found: "\n".join([found["head"], "", *tables[found["name"]], "", found["tail"]]), text
    )


def _shared(parsers: dict[str, Parser]) -> list[str]:
    """Return the table of options that pytest or several commands take."""
    rows = [
        [
            f"`{_written(option)}`",
            f"`{option.variable}`" if option.twin else "",
            f"`{option.default}`" if option.default else "",
            option.help,
            _takers(parsers, option),
        ]
        for option in OPTIONS
    ]
    return _table([["option", "environment", "default", "meaning", "taken by"], *rows])


def _takers(parsers: dict[str, Parser], option: Option) -> str:
    """Return who takes an option by its flag, then which commands take it as an argument without a flag."""
    takers = [name for name, parser in parsers.items() if _takes(parser, option)]
    flagged = [name for name in takers if option.flag in _flags(parsers[name])]
    texts = [", ".join([*(["pytest"] if option.suite else []), *flagged])]
    if others := [name for name in takers if name not in flagged]:
        texts.append(f"as the argument `network`, without the flag: {', '.join(others)}")
    return "; ".join(text for text in texts if text)


def _flags(parser: Parser) -> set[str]:
    return {flag for action in parser.added for flag in action.option_strings}


def _takes(parser: Parser, option: Option) -> bool:
    return option.name in [taken.name for taken in parser.get_default("takes") or ()]


def _written(option: Option) -> str:
    return option.flag if option.kind is Kind.SWITCH else f"{option.flag} {option.value}"


def _own(parsers: dict[str, Parser]) -> list[str]:
    """Return what only single commands take, and what they mean by their arguments."""
    lines: list[str] = []
    for name, parser in parsers.items():
        shared = [option.flag for option in OPTIONS if _takes(parser, option)]
        own = [action for action in parser.added if not set(shared) & set(action.option_strings)]
        rows = [["argument", "meaning"], *([_usage(action), _help(action)] for action in own)]
        lines += [
            "",
            f"### `mlu-conformance {name}`",
            "",
            f"{_sentence(parser.description)}",
            "",
            *_table(rows),
        ]
    return [*lines, ""]


def _usage(action: argparse.Action) -> str:
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return f"`{', '.join(action.option_strings)}{'' if action.nargs == 0 else f' {value}'}`"


def _help(action: argparse.Action) -> str:
    return (action.help or "") % vars(action)


def _sentence(text: str | None) -> str:
    return f"{str(text)[:1].upper()}{str(text)[1:]}."


def _table(rows: list[list[str]]) -> list[str]:
    """Return rows as a Markdown table."""
    lines = [f"| {' | '.join(map(_cell, row))} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]


def _cell(text: str) -> str:
    """Return a text that Markdown takes neither for the end of a cell nor, unless it is code, for HTML."""
    escaped = text.replace("|", r"\|")
    return escaped if text.startswith("`") else escaped.replace("<", r"\<")


if __name__ == "__main__":
    write_text_atomically(PAGE, renewed(PAGE.read_text(encoding="utf-8")))
    print(PAGE)
    sys.exit()
