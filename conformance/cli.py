"""The command line: ``mlu-conformance COMMAND``, and how every command ends."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from conformance import __version__, breadcrumbs
from conformance.commands import (
    annotate,
    compare,
    devices,
    diagnose,
    dump,
    freeze,
    gate,
    golden,
    init,
    judge,
    merge,
    nodes,
    operators,
    prepare,
    probe,
    quantize,
    report,
    sensitivity,
    show,
    test,
    track,
    waive,
)
from conformance.commands.arguments import Once, with_environment
from conformance.commands.watching import watched
from conformance.errors import (
    EXIT_FINE,
    EXIT_INFRASTRUCTURE,
    EXIT_USAGE,
    ConformanceError,
    near_names,
    printable,
)
from conformance.exit_guard import ExitGuard

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

COMMANDS = (
    test,
    merge,
    gate,
    init,
    prepare,
    freeze,
    nodes,
    operators,
    golden,
    quantize,
    devices,
    probe,
    dump,
    compare,
    diagnose,
    sensitivity,
    show,
    annotate,
    track,
    judge,
    waive,
    report,
)
"""In the order of the help; the contract of such a module stands in ``conformance.commands``."""
EXIT_INTERRUPTED = 130
"""As a shell reports a program that Ctrl-C ended."""


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence and exits 4; an option that takes one value is given once."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for action in (None, "store"):
            self.register("action", action, Once)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse what is unknown here, where the command is known."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            names = (argument.partition("=")[0] for argument in unknown if argument.startswith("-"))
            known = [name for action in self._actions for name in action.option_strings if name[:2] == "--"]
            near = next((near_names(name, known) for name in names), "")
            self.error(f"unrecognized arguments: {' '.join(unknown)}{near}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {message}; see `{self.prog} --help`\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = parser().parse_args(arguments)
    guard = ExitGuard()
    try:
        code = _code(options)
    except SystemExit:  # of something that runs inside: the guard makes it 3
        raise
    except BaseException:
        guard.disarm()
        raise
    guard.disarm()
    return code


def run() -> int:
    """Run the command of this process's command line; one that may crash or hang in a process of its own."""
    options = parser().parse_args()
    if "deadline" not in options:
        return main()
    if breadcrumbs.watched():
        breadcrumbs.end_with_watcher()
        return main()
    options.command = lambda resolved: watched(sys.argv[1:], resolved.deadline)
    return _code(options)


def _code(options: argparse.Namespace) -> int:
    """Run the command and return its exit code, with one sentence for what went wrong."""
    try:
        code = options.command(with_environment(options, os.environ)) or EXIT_FINE
        sys.stdout.flush()
        return int(code)
    except ConformanceError as error:
        return _failed(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read has seen enough; Python would complain of it once more on exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        where = error.filename or "a file"
        return _failed(f"{where} cannot be used: {error.strerror or error}", EXIT_INFRASTRUCTURE)
    except (UnicodeEncodeError, MemoryError) as error:
        return _failed(*_told(error))
    except KeyboardInterrupt:
        return _failed("interrupted; what was written is whole", EXIT_INTERRUPTED)
    return EXIT_FINE


def _told(error: UnicodeEncodeError | MemoryError) -> tuple[str, int]:
    """Return the sentence and the exit code for what the machine or its settings do not allow."""
    if isinstance(error, UnicodeEncodeError):
        return f"{error.object} cannot be written as {error.encoding}; set LC_ALL=C.UTF-8", EXIT_USAGE
    why = str(error) or "no more can be had"
    return f"the memory does not suffice ({why}); give more, or judge a smaller part", EXIT_INFRASTRUCTURE


def _failed(sentence: str, code: int) -> int:
    print(f"mlu-conformance: {printable(sentence)}", file=sys.stderr)
    return code


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = _Parser(
        prog="mlu-conformance",
        description="Conformance of Cambricon MLUs: networks, goldens, devices, diagnosis.",
    )
    top.add_argument("--version", action="version", version=f"mlu-conformance {__version__}")
    added = top.add_subparsers(title="commands", required=True, metavar="COMMAND", parser_class=_Parser)
    for command in COMMANDS:
        command.add(added)
    return top


if __name__ == "__main__":
    sys.exit(run())
