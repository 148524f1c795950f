"""Run the commands that a document shows, and put what they print below them.

    python tools/transcripts.py docs/hardware.md

A transcript is a fenced ``console`` block after a line ``<!-- transcript -->``. Its lines that begin with
``$`` are commands, run by bash in the project's directory with the interpreter's own directory first on PATH;
all else in it is replaced by their output, standard error included, and the exit code of any part of a pipe
where it is not 0. A line ``# …`` is kept. Paths of the project, the interpreter and the home directory are
written as ``.``, ``.venv/bin`` and ``~``. A marker
``<!-- transcript: last 20 -->`` keeps the last 20 lines of each output.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from conformance.files import write_text_atomically

PROJECT = Path(__file__).resolve().parents[1]
SHOWN = {str(PROJECT): ".", str(Path(sys.executable).parent): ".venv/bin", str(Path.home()): "~"}
"""What stands for the places of one machine."""
BLOCK = re.compile(
    r"(?P<head><!-- transcript(?:: last (?P<last>\d+))? -->\n```console\n)(?P<body>.*?)(?P<tail>\n```)",
    re.DOTALL,
)


def main(arguments: list[str] | None = None) -> int:
    """Renew the transcripts of the documents that are given."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("documents", type=Path, nargs="+")
    for document in parser.parse_args(arguments).documents:
        text = document.read_text(encoding="utf-8")
        write_text_atomically(document, BLOCK.sub(_renewed, text))
        print(f"{document}: {len(BLOCK.findall(text))} transcripts")
    return 0


def _renewed(block: re.Match[str]) -> str:
    last = int(block["last"]) if block["last"] else None
    lines = []
    for line in block["body"].splitlines():
        if line.startswith(("$ ", "# ")):
            lines.append(line)
        if line.startswith("$ "):
            lines += _output(line.removeprefix("$ "), last)
    return block["head"] + "\n".join(lines) + block["tail"]


def _output(command: str, last: int | None) -> list[str]:
    """Return what a command prints, as a reader anywhere else would see it."""
    print(f"$ {command}", file=sys.stderr)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["/bin/bash", "-o", "pipefail", "-c", command],
        cwd=PROJECT,
        env=os.environ | {"PATH": path, "COLUMNS": "110", "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    text = done.stdout
    for place, shown in SHOWN.items():
        text = text.replace(place, shown)
    lines = [line.rstrip() for line in text.splitlines()]
    lines = lines if last is None or len(lines) <= last else ["...", *lines[-last:]]
    return lines + ([f"(exit code {done.returncode})"] if done.returncode else [])


if __name__ == "__main__":
    sys.exit(main())
