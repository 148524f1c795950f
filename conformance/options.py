"""The options of pytest and of every command: one table, each option with its twin in the environment.

An option's value is what the command line says, else what its variable says, else its default. An empty
variable says nothing.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import os
import shlex
from typing import TYPE_CHECKING, Any

from conformance import locations
from conformance.errors import UsageError, near_names
from conformance.shard import read_shard

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

PREFIX = "MLU_CONFORMANCE_"
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


class Kind(enum.Enum):
    """What the value of an option is."""

    TEXT = enum.auto()
    PATH = enum.auto()
    SECONDS = enum.auto()
    SWITCH = enum.auto()
    PAIRS = enum.auto()
    """``KEY=VALUE``, any number of times; in the environment separated by spaces."""
    COUNT = enum.auto()
    PATHS = enum.auto()
    """A path, any number of times; in the environment separated as ``PATH`` is."""
    SHARD = enum.auto()
    """``I/N``, or ``auto`` for what the environment says."""


REPEATED = (Kind.PAIRS, Kind.PATHS)
"""Kinds of options that may be given again."""


@dataclasses.dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        flag: as it is written on the command line.
        help: what it means.
        default: its value where neither the command line nor the environment says one.
        kind: what its value is.
        value: what the help calls its value.
        choices: the texts that it takes; none for any.
        suite: whether pytest takes it.
        twin: whether a variable of the environment stands for it.
    """

    flag: str
    help: str
    default: str = ""
    kind: Kind = Kind.TEXT
    value: str = "NAME"
    choices: tuple[str, ...] = ()
    suite: bool = True
    twin: bool = True

    @property
    def name(self) -> str:
        """Name in code: ``--run-dir`` is ``run_dir``."""
        return self.flag.removeprefix("--").replace("-", "_")

    @property
    def variable(self) -> str:
        """The environment twin: ``--run-dir`` is ``MLU_CONFORMANCE_RUN_DIR``."""
        return PREFIX + self.name.upper() if self.twin else ""

    @property
    def destination(self) -> str:
        """Name in pytest's own namespace, which is shared with other plugins."""
        return f"mlu_{self.name}"

    @property
    def argument(self) -> dict[str, Any]:
        """What argparse must know; an option that the command line does not name is None."""
        default = f" (default: {self.default})" if self.default else ""
        variable = f" [environment: {self.variable}]" if self.twin else ""
        given: dict[str, Any] = {
            "help": f"{self.help}{default}{variable}".replace("%", "%%"),
            "default": None,
        }
        if self.kind is Kind.SWITCH:
            return given | {"action": "store_true"}
        return given | {"metavar": self.value} | ({"action": "append"} if self.kind in REPEATED else {})


OPTIONS: tuple[Option, ...] = (
    Option(
        "--device",
        "auto (a card when one is visible, else the emulator), emulator, cpu, cambricon, "
        "package.module:factory, or an entry point's name",
        "auto",
    ),
    Option(
        "--device-option",
        "KEY=VALUE for the device, such as python=PATH for cambricon; may be given again (in the "
        "environment: several, separated by spaces)",
        kind=Kind.PAIRS,
        value="KEY=VALUE",
    ),
    Option(
        "--device-timeout",
        "seconds that a device in a process of its own may take to compile a graph, and to run it",
        "300",
        Kind.SECONDS,
        "SECONDS",
    ),
    Option(
        "--deadline",
        "seconds that TensorFlow may take for one graph on the CPU before it counts as hung",
        "1800",
        Kind.SECONDS,
        "SECONDS",
        suite=False,
    ),
    Option("--isolate", "run the device in a process of its own, which may crash or hang", kind=Kind.SWITCH),
    Option(
        "--repeat",
        "run every session on each sample N times: a result with other bits than the first is unstable, and "
        "deviates",
        "1",
        Kind.COUNT,
        "N",
    ),
    Option(
        "--probe",
        "probe the device first and keep what was found in the run's directory; every record then says "
        "whether the emulator with the profile found gives the same bits",
        kind=Kind.SWITCH,
    ),
    Option("--layer-by-layer", "do not fuse operators, in any mode", kind=Kind.SWITCH),
    Option("--require-hardware", "exit 3 unless the device is a real card", kind=Kind.SWITCH),
    Option(
        "--profile",
        "the emulator's numeric profile: NAME or FILE.toml, then ,switch=value to turn switches",
        "mlu270",
    ),
    Option(
        "--precision",
        "what the device computes in: int8-fp16, int8-fp32, int16-fp16 or int16-fp32",
        suite=False,
    ),
    Option(
        "--network",
        "networks below fixtures/networks by name, separated by commas, or all",
        "beautygan",
        value="LIST",
    ),
    Option(
        "--network-path",
        "directory with the network.toml of a network kept elsewhere; may be given again (in the "
        f"environment: several, separated by {os.pathsep!r})",
        kind=Kind.PATHS,
        value="DIR",
    ),
    Option(
        "--weights",
        "checkpoint whose weights take the place of the network's own; scales, goldens and bounds are made",
        kind=Kind.PATH,
        value="DIR",
    ),
    Option(
        "--trust-graph",
        "run a graph whose operators reach files, the network, Python or the process itself",
        kind=Kind.SWITCH,
    ),
    Option(
        "--nodes",
        "nodes by name, glob or class, separated by commas; classes: key, all, outputs, reductions, "
        "fixed-point, joins, modules, rare, named, op:TYPE",
        "key",
        value="LIST",
    ),
    Option(
        "--shard",
        "judge shard I of N of the selected cases; auto: which one CI_NODE_INDEX and CI_NODE_TOTAL of GitLab "
        "say; auto/N: which one JOB_COMPLETION_INDEX of a Kubernetes Indexed Job with N completions says",
        kind=Kind.SHARD,
        value="I/N",
    ),
    Option(
        "--rounds",
        "how often the fused network is timed at each precision (default: 5 on an emulator, 20 on a card)",
        kind=Kind.COUNT,
        value="N",
    ),
    Option(
        "--examples",
        "batches of cases that hypothesis draws for operators at each precision",
        "8",
        Kind.COUNT,
        "N",
    ),
    Option("--sample", "one of the network's inputs by its number", value="N", suite=False),
    Option(
        "--waivers",
        "waiver file (default: fixtures/waivers/<profile or device>.toml)",
        kind=Kind.PATH,
        value="FILE",
    ),
    Option("--no-waivers", "judge as if no deviation were known", kind=Kind.SWITCH),
    Option(
        "--unmodelled",
        "what becomes of a result that rests on numerics which the emulator does not model: skip (its test "
        "neither passes nor fails) or fail",
        "skip",
        value="WHAT",
        choices=("skip", "fail"),
    ),
    Option(
        "--run-dir",
        "directory for this run's records; must be new or empty (default: runs/<time>-<network>-<device>)",
        kind=Kind.PATH,
        value="DIR",
    ),
    Option(
        "--baseline",
        "hold this run against the finished runs of DIR when it ends; the exit code is then that of the gate",
        kind=Kind.PATH,
        value="DIR",
    ),
    Option(
        "--html",
        "write what the run found as one page, which needs no network",
        kind=Kind.PATH,
        value="FILE.html",
    ),
    Option(
        "--golden-dir",
        "directory of the goldens (default: the project's goldens)",
        kind=Kind.PATH,
        value="DIR",
    ),
    Option(
        "--from-run",
        "read a finished run, by its --run-dir, instead of running a device",
        kind=Kind.PATH,
        value="RUN",
        suite=False,
        twin=False,
    ),
)
SUITE = tuple(option for option in OPTIONS if option.suite)
"""What pytest takes."""
BY_NAME = {option.name: option for option in OPTIONS}

EXCLUSIVE = (("waivers", "no_waivers"), ("network", "network_path"))
"""Options that answer one question: the command line's answer wins over the environment's."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the user of pytest asked for; paths are absolute or None where not given, a shard is ``I/N``."""

    device: str
    device_option: dict[str, str]
    device_timeout: float
    isolate: bool
    repeat: int
    probe: bool
    layer_by_layer: bool
    require_hardware: bool
    network: str
    network_path: list[Path]
    weights: Path | None
    trust_graph: bool
    nodes: str
    shard: str | None
    rounds: int | None
    examples: int
    profile: str
    waivers: Path | None
    no_waivers: bool
    unmodelled: str
    run_dir: Path | None
    baseline: Path | None
    html: Path | None
    golden_dir: Path


def read_settings(given: Mapping[str, object], environment: Mapping[str, str], directory: Path) -> Settings:
    """Return what the user of pytest asked for; see :func:`resolved`."""
    values = resolved(SUITE, given, environment, directory)
    values["golden_dir"] = values["golden_dir"] or locations.GOLDENS
    return Settings(**values)


def resolved(
    options: Iterable[Option], given: Mapping[str, object], environment: Mapping[str, str], directory: Path
) -> dict[str, Any]:
    """Return the value of each option: the command line first, then the environment, then the default.

    Args:
        options: what can be given.
        given: value per option name; absent or None where the command line is silent.
        environment: the process environment.
        directory: what relative paths are relative to.

    Returns:
        By option name: a text, path or None, a number, True or False, a list of paths, or a mapping of pairs.

    Raises:
        UsageError: an option is empty or malformed, a switch's variable is neither true nor false, options
            contradict each other, or a variable with our prefix is the twin of no option.
    """
    _check_variables(environment)
    chosen = {option: _chosen(option, given, environment) for option in options}
    sources = {
        option.name: option.variable if given.get(option.name) is None else option.flag
        for option, value in chosen.items()
        if value
    }
    for first, second in EXCLUSIVE:
        if first in sources and second in sources:
            raise UsageError(f"{sources[first]} and {sources[second]} contradict each other; drop one")
    return {
        option.name: _read(option, value, sources.get(option.name, ""), directory, environment)
        for option, value in chosen.items()
    }


def _check_variables(environment: Mapping[str, str]) -> None:
    """Refuse a misspelt twin, which would otherwise be ignored; one of another command's option is none."""
    known = [option.variable for option in OPTIONS if option.twin]
    for name in environment:
        if name.startswith(PREFIX) and name not in known:
            raise UsageError(f"environment variable {name} means nothing{near_names(name, known)}")


def _chosen(option: Option, given: Mapping[str, object], environment: Mapping[str, str]) -> Any:
    """Return what the command line says, else the environment; None, False or empty where both are silent."""
    text_given = given.get(option.name)
    if text_given == "" or (isinstance(text_given, list) and "" in text_given):
        raise UsageError(f"{option.flag} is empty; give a {option.value} or drop it")
    rivals = {name for pair in EXCLUSIVE if option.name in pair for name in pair}
    if text_given is not None or any(given.get(name) for name in rivals):
        return text_given
    text = environment.get(option.variable, "") if option.twin else ""
    if option.kind is Kind.PAIRS:
        return _words(option, text)
    if option.kind is Kind.PATHS:
        return [path for path in text.split(os.pathsep) if path]
    return _truth(option, text) if option.kind is Kind.SWITCH else text


def _words(option: Option, text: str) -> list[str]:
    """Return a variable's values; quotes keep spaces together, as in a shell."""
    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{option.variable}={text!r} has an open quote; close it") from error


def _truth(option: Option, text: str) -> bool:
    if text.lower() not in TRUE | FALSE:
        raise UsageError(f"{option.variable}={text!r} is neither true nor false; set 1 or 0")
    return text.lower() in TRUE


def _read(option: Option, value: Any, source: str, directory: Path, environment: Mapping[str, str]) -> Any:
    """Return what a chosen value means; ``source`` is where it comes from, for sentences."""
    for part in value if isinstance(value, list) else [value]:
        _check_letters(part, source)
    if option.kind is Kind.SWITCH:
        return bool(value)
    if option.kind in REPEATED:
        return _pairs(value or [], source) if option.kind is Kind.PAIRS else _paths(value or [], directory)
    text = value or option.default or None
    if text is None or option.kind is Kind.TEXT:
        return _one_of(option.choices, text, source) if text and option.choices else text
    if option.kind is Kind.SHARD:
        return read_shard(text, source, environment)
    if option.kind is Kind.PATH:
        return directory / text
    return (_count if option.kind is Kind.COUNT else _seconds)(text, source)


def _check_letters(text: object, source: str) -> None:
    """Refuse a text that no file of a run can name, as Python has it from bytes that it cannot decode."""
    if isinstance(text, str) and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise UsageError(
            f"{source} {text} is not UTF-8, or the locale is of ASCII alone; rename it, or set LC_ALL=C.UTF-8"
        )


def _one_of(words: Sequence[str], text: str, source: str) -> str:
    if text not in words:
        raise UsageError(f"{source} {text!r} is neither {' nor '.join(words)}; give one of these")
    return text


def given_twice(flag: str, first: object, second: object) -> str:
    """Return the sentence for an option that has two values on one command line."""
    return f"{flag} is given twice, as '{first}' and '{second}'; drop one"


def _pairs(texts: Sequence[str], source: str) -> dict[str, str]:
    """Return ``KEY=VALUE`` texts as a mapping; a key has one value."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise UsageError(f"{source} {text!r} is not KEY=VALUE; write it like allow-stock=1")
        if found.setdefault(key, value) != value:
            raise UsageError(f"{source} {key} is given as {found[key]!r} and {value!r}; drop one")
    return found


def _paths(texts: Sequence[str], directory: Path) -> list[Path]:
    return [directory / text for text in texts]


def _count(text: str, source: str) -> int:
    """Return a whole number above 0."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UsageError(f"{source} {text!r} is no whole number above 0; give one like 20")
    return int(text)


def _seconds(text: str, source: str) -> float:
    """Return a number of seconds above 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise UsageError(f"{source} {text!r} is no number of seconds above 0; give one like 300")
    return value
