"""The options of pytest and of every command: one table, each option with its twin in the environment."""

from __future__ import annotations

import dataclasses
import enum
import os
from typing import Any

PREFIX = "MLU_CONFORMANCE_"


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
