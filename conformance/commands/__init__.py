"""The commands of the command line, one module each.

A command is a module with ``add(commands)``, which adds its parser and names the function that does the
work: it takes the parsed options, prints, and raises a ``ConformanceError`` for what the user should know. It
returns None, or the exit code of a program that it ran. A new one is listed in ``conformance.cli.COMMANDS``,
and that is all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse
    from typing import TypeAlias

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - has no other name
