"""Make again, for one network, everything that is committed of it but its weights.

Run ``python tools/regenerate.py NETWORK``: graph and inputs by their tools, quantisation scales, goldens'
manifest, attainable errors, evidence and ceilings of its waivers, from a run without waivers. Two runs write
the same bytes; what differs from git afterwards was not what the tools make.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent))

from waiver_evidence import ceiling, evidence, unexplained, with_evidence

from conformance import locations
from conformance.errors import ConformanceError, InfrastructureError, UsageError
from conformance.files import write_text_atomically
from conformance.judging.waivers import applicable, read_waivers
from conformance.runs.directory import read_records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from conformance.runs.records import Record

TOOLS = Path(__file__).resolve().parent
PROFILE = "mlu270"
BUILDERS = {
    "beautygan": (("build_beautygan.py",), ("draw_faces.py",)),
    "lstm": (("build_lstm.py",),),
    "mobilenet": (("build_mobilenet.py",),),
}
"""What makes graph and inputs of each network, by its name."""
FINISHED = (0, 1)
"""Exit codes of a run of the suite that judged: nothing deviates, or something does."""


def regenerate(name: str) -> None:
    """Make everything of a network again.

    Raises:
        ConformanceError: a step fails, something deviates that no waiver covers, or a waiver covers nothing.
    """
    for script, *arguments in BUILDERS[name]:
        _python(TOOLS / script, *arguments)
    _python("-m", "conformance.cli", "quantize", name)
    _python("-m", "conformance.cli", "golden", name)
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        _python(
            "-m", "pytest", locations.PROJECT / "conformance/suite", "-q", "-m", "mlu and not benchmark",
            f"--network={name}", f"--run-dir={run}", "--device=emulator", f"--profile={PROFILE}",
            "--no-waivers", "-p", "no:cacheprovider", "--no-header", "-r", "N", accepted=FINISHED,
        )  # fmt: skip
        renew_waivers(name, read_records(run), locations.WAIVERS / f"{PROFILE}.toml")


def renew_waivers(name: str, records: Sequence[Record], path: Path) -> None:
    """Write what ``records`` measured into evidence and ceilings of a network's waivers.

    Raises:
        UsageError: something deviates that no waiver covers, or a waiver covers nothing that does.
    """
    waivers = applicable(read_waivers(path), network=name, profile=PROFILE)
    if missing := unexplained(waivers, records):
        raise UsageError(f"{len(missing)} cases fail that no waiver in {path} covers, {missing[0]} first")
    text = path.read_text(encoding="utf-8")
    for waiver in waivers:
        text = with_evidence(text, waiver.id, evidence(waiver, records), ceiling(waiver, records))
    write_text_atomically(path, text)


def _python(*arguments: str | Path, accepted: Sequence[int] = (0,)) -> None:
    words = [str(argument) for argument in arguments]
    print("$ python", *words, flush=True)
    done = subprocess.run(
        [sys.executable, *words],
        cwd=locations.PROJECT,
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2"},
        check=False,
    )
    if done.returncode not in accepted:
        raise InfrastructureError(
            f"`python {' '.join(words)}` ended with exit code {done.returncode}; see above"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a network, or several, again."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("network", nargs="+", choices=sorted(BUILDERS), help="whose files are made again")
    for name in parser.parse_args(arguments).network:
        regenerate(name)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        print(f"regenerate: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
