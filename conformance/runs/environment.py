"""The environment of a run: versions, machine, source, options, device; TensorFlow is not imported."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from conformance import __version__, locations
from conformance.clock import Moment
from conformance.errors import UsageError
from conformance.machine import TENSORFLOW, cpu_model, installed_version, usable_cores
from conformance.runs.shards import ShardOfRun

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

PACKAGES = {
    "numpy": ("numpy",),
    "tensorflow": TENSORFLOW,
    "pytest": ("pytest",),
    "pytest-benchmark": ("pytest-benchmark",),
    "pytest-xdist": ("pytest-xdist",),
    "hypothesis": ("hypothesis",),
    "msgspec": ("msgspec",),
}
"""Each package with the distributions that bring it."""

MAIN = "main"
"""Name of a process that judges by itself; workers have the names that pytest-xdist gives them."""

SAME = ("kind", "model", "simulated", "driver", "firmware", "runtime", "framework", "profile")
"""What the devices of one run must have in common; cards differ in their serial numbers."""

GIT_TIMEOUT = 10
"""Seconds after which git on a slow disk is given up."""


class JudgedNetwork(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A network that a run judged.

    Attributes:
        name: as records have it.
        own: its name below ``fixtures/networks``, for one of the project's own; it is looked for there.
        directory: where another one was.
        weights: the checkpoint that took the place of its weights.
        graph_sha256: SHA-256 of the graph, weights included.
    """

    name: str
    graph_sha256: str
    own: str | None = None
    directory: str | None = None
    weights: str | None = None


class Commit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The git commit of a checkout, and whether a tracked file differs from it."""

    sha: str
    dirty: bool


class Machine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The computer that ran the suite.

    Attributes:
        platform: operating system, release and architecture.
        cpu: the processor's model, or its architecture where the system does not tell.
        cores: processor cores that this process may use.
    """

    platform: str
    cpu: str
    cores: int


class UsedDevice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A device of a run, and what was found out on it.

    Attributes:
        process: who opened it: ``main``, or a worker such as ``gw0``.
        device: its own information.
        judged: mode and precision of its records, such as ``own int8-fp16``.
        before, after: the card's clock and temperature before and after the run, as far as its driver tells.
    """

    process: str
    device: dict[str, Any]
    judged: list[str] = []
    before: dict[str, float] = {}
    after: dict[str, float] = {}


class MergedShard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A shard of which a merged run is made.

    Attributes:
        shard: which of how many, such as ``2/3``.
        started: when it started.
        python: version of its interpreter.
        machine: the computer that judged it.
        records: how many it made.
    """

    shard: str
    started: Moment
    python: str
    machine: Machine
    records: int


class EndOfRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a run ended: what tells later that it is whole, and as it was.

    Attributes:
        cut_short: why not all of what was selected was judged, such as ``interrupted``; '' where it was.
        records: how many there are.
        sha256: of the files of its directory by which it is judged later, by their names.
    """

    cut_short: str
    records: int
    sha256: dict[str, str]


class JudgedFrom(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The run whose kept figures were judged again: nothing of this one was measured anew.

    Attributes:
        run: its directory.
        records_sha256: of its records.
        version: of the project that judged again.
        judged: when that was.
        rules: files that it was held to instead: ``margins``, ``waivers``, ``acceptance of`` a network.
    """

    run: str
    records_sha256: str
    version: str
    judged: Moment
    rules: dict[str, str]


class Environment(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a reader needs to repeat a run, or to doubt it.

    Attributes:
        started: when the run started.
        version: of this project.
        python: version of the interpreter.
        packages: version of each package of ``PACKAGES``; None if it is not installed.
        machine: the computer.
        commit: of the checkout that ran; None for an installed package, and outside of git.
        options: every option of the run with its value.
        device: the device's own information; of several devices, the first one's. Empty if none was opened.
        waivers: ids of the waivers that applied.
        devices: every device, one per process that judged.
        networks: what was judged.
        seconds: wall time by what it was spent on, of all processes that judged; empty in older runs.
        held_to: SHA-256 of what decides a verdict beside the device, by what it is: graphs, goldens, scales,
            attainable errors, margins, waivers; empty in older runs.
        ended: how it ended; not there while it lasts, if its process died, and in older runs.
        judged_from: the run whose figures were judged again, if this is such a judgement.
        shard: which shard of what it judged, if it was one.
        shards: of what it was merged, if it was; ``python``, ``machine``, paths among the options and
            ``device`` are then those of the first one.
    """

    started: Moment
    version: str
    python: str
    packages: dict[str, str | None]
    machine: Machine
    commit: Commit | None
    options: dict[str, Any]
    device: dict[str, Any]
    waivers: list[str]
    devices: list[UsedDevice] = []
    networks: list[JudgedNetwork] = []
    seconds: dict[str, float] = {}
    held_to: dict[str, str] = {}
    ended: EndOfRun | msgspec.UnsetType = msgspec.UNSET
    judged_from: JudgedFrom | msgspec.UnsetType = msgspec.UNSET
    shard: ShardOfRun | msgspec.UnsetType = msgspec.UNSET
    shards: list[MergedShard] | msgspec.UnsetType = msgspec.UNSET


def gather_environment(
    *,
    options: Mapping[str, object],
    device: object,
    waivers: Sequence[str],
    now: dt.datetime,
    directory: Path | None = None,
    networks: Sequence[JudgedNetwork] = (),
    shard: ShardOfRun | None = None,
) -> Environment:
    """Gather the environment of a run.

    Args:
        options: every option with its value; what JSON does not know is written as text.
        device: the device's information, a mapping, dataclass or ``msgspec.Struct``.
        waivers: ids of the waivers that apply.
        now: when the run started.
        directory: where to look for a git checkout; the working directory if None.
        networks: what is judged.
        shard: which shard of it this run judges; None for a run of its own.

    Raises:
        TypeError: ``device`` is not made of named values.
    """
    return Environment(
        started=now,
        version=__version__,
        python=platform.python_version(),
        packages={name: installed_version(*distributions) for name, distributions in PACKAGES.items()},
        machine=Machine(platform=platform.platform(), cpu=cpu_model(), cores=usable_cores()),
        commit=None if locations.INSTALLED else git_commit(directory or Path.cwd()),
        options=named_values(dict(options), "options"),
        device=(information := named_values(device, "device")),
        waivers=list(waivers),
        devices=[UsedDevice(process=MAIN, device=information)] if information else [],
        networks=list(networks),
        shard=shard or msgspec.UNSET,
    )


def added(seconds: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the sums of several tables of wall time, by what it was spent on."""
    total: dict[str, float] = {}
    for table in seconds:
        total |= {what: round(total.get(what, 0.0) + spent, 3) for what, spent in table.items()}
    return total


def differences(devices: Sequence[UsedDevice]) -> list[str]:
    """Return a sentence per property in which devices of one run differ although they must not."""
    return [
        f"the devices of this run differ in {name}: {shown}; a run over several gates none of them, so judge "
        "them one by one"
        for name in SAME
        if (shown := _shown(name, devices))
    ]


def _shown(name: str, devices: Sequence[UsedDevice]) -> str:
    """Return each value of a property with the processes that saw it, or '' if there is just one."""
    seen: dict[str, list[str]] = {}
    for used in devices:
        seen.setdefault(repr(used.device.get(name)), []).append(used.process)
    if len(seen) <= 1:
        return ""
    return ", ".join(f"{value} ({' '.join(processes)})" for value, processes in seen.items())


def git_commit(directory: Path) -> Commit | None:
    """Return the commit of the checkout that holds ``directory``, or None where there is none (or no git)."""
    sha = _git(directory, "rev-parse", "--verify", "HEAD")
    changes = _git(directory, "status", "--porcelain", "--untracked-files=no")
    return None if sha is None or changes is None else Commit(sha=sha, dirty=bool(changes))


def _git(directory: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None if it fails in any way."""
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", "-C", str(directory), *arguments],  # noqa: S607 - whichever git the user has
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def named_values(value: object, what: str) -> dict[str, Any]:
    """Return ``value`` as a mapping of what JSON knows, everything else as text.

    Raises:
        TypeError: it is not made of named values.
    """
    try:
        plain = msgspec.json.decode(msgspec.json.encode(value, enc_hook=str))
    except UnicodeEncodeError as error:
        raise UsageError(
            f"{error.object} is not UTF-8, or the locale is of ASCII alone; rename it, or set LC_ALL=C.UTF-8"
        ) from error
    if not isinstance(plain, dict):
        raise TypeError(f"{what} is {plain!r}, but should have named values")
    return plain
