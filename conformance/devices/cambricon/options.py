"""What ``--device-option`` means to the Cambricon driver, and the environment that the framework sees."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from conformance.errors import UsageError, near_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from conformance.precision import Precision

WHAT = "the Cambricon worker"
"""What sentences call a process under the vendor's Python."""
QUANT_PARAM, FUSION = "MLU_QUANT_PARAM", "MLU_STATIC_NODE_FUSION"
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
NOT_OURS = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "TF_CPP_MIN_LOG_LEVEL")
"""Variables of our own interpreter, which would lead the vendor's astray, or, the last one, silence it."""
KNOWN = (
    "python",
    "allow-stock",
    "card",
    "lock-dir",
    "core-num",
    "core-version",
    "optype-black-list",
    "offline",
)
TRUE, FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")
CORES = (1, 4, 16)


@dataclasses.dataclass(frozen=True)
class CambriconOptions:
    """The driver's options.

    Attributes:
        python: interpreter of the vendor's TensorFlow; None looks for one.
        allow_stock: whether a TensorFlow without ``mlu_options`` may stand in for the vendor's.
        cards: numbers of the cards that may be used; None for every card that is visible.
        lock_dir: directory of the card locks; None for the machine's own.
        core_num, core_version, optype_black_list: of ``config.mlu_options``.
        offline: whether the fused network is saved as an offline model.
        variables: environment variables, which win over what the driver would set.

    Source: ``mlu_options`` and variables as public examples of Cambricon's TensorFlow set them.
    """

    python: str | None = None
    allow_stock: bool = False
    cards: tuple[int, ...] | None = None
    lock_dir: Path | None = None
    core_num: int = 1
    core_version: str = "MLU270"
    optype_black_list: str = ""
    offline: bool = False
    variables: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def environment(
        self, base: Mapping[str, str], card: int, precision: Precision, quant_param: Path, *, fuse: bool
    ) -> dict[str, str]:
        """Return the whole environment of a worker that runs graphs at a precision."""
        ours = {
            "MLU_VISIBLE_DEVICES": str(card),
            "MLU_RUNNING_MODE": "1",
            FUSION: "true" if fuse else "false",
            "MLU_OP_PRECISION": f"float{precision.float_bits}",
        }
        return self._on_top_of(base, ours, quant_param)

    def calibration_environment(self, base: Mapping[str, str], quant_param: Path) -> dict[str, str]:
        """Return the whole environment of a worker that calibrates, on the CPU."""
        return self._on_top_of(base, {"MLU_VISIBLE_DEVICES": "", "MLU_RUNNING_MODE": "0"}, quant_param)

    def _on_top_of(
        self, base: Mapping[str, str], ours: Mapping[str, str], quant_param: Path
    ) -> dict[str, str]:
        kept = {name: value for name, value in base.items() if name not in NOT_OURS}
        return kept | {**ours, **self.variables, QUANT_PARAM: str(quant_param)}

    def contradictions(self, environment: Mapping[str, str], precision: Precision) -> list[str]:
        """Return a note per variable that does not mean what the precision says."""
        wanted = f"float{precision.float_bits}"
        found = environment["MLU_OP_PRECISION"]
        if found == wanted:
            return []
        return [f"MLU_OP_PRECISION is {found} by --device-option, so {precision} ran as {found}"]


def parse_options(given: Mapping[str, str]) -> CambriconOptions:
    """Return the options that a user gave as ``KEY=VALUE``.

    Raises:
        UsageError: a key is unknown, or a value makes no sense.
    """
    variables = {key: value for key, value in given.items() if VARIABLE.fullmatch(key)}
    for key in given:
        if key not in KNOWN and key not in variables:
            raise UsageError(
                f"--device-option {key!r} is unknown to device 'cambricon'{near_names(key, list(KNOWN))}; "
                f"known are {', '.join(KNOWN)}, and environment variables in capitals"
            )
    return CambriconOptions(
        python=given.get("python"),
        allow_stock=_truth("allow-stock", given.get("allow-stock", "0")),
        cards=_cards(given["card"]) if "card" in given else None,
        lock_dir=Path(given["lock-dir"]) if "lock-dir" in given else None,
        core_num=_cores(given.get("core-num", "1")),
        core_version=given.get("core-version", "MLU270"),
        optype_black_list=given.get("optype-black-list", ""),
        offline=_truth("offline", given.get("offline", "0")),
        variables=variables,
    )


def _truth(key: str, text: str) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise UsageError(f"--device-option {key}={text} is neither true nor false; give 1 or 0")
    return text.lower() in TRUE


def _cards(text: str) -> tuple[int, ...]:
    if not re.fullmatch(r"\d+(,\d+)*", text):
        raise UsageError(
            f"--device-option card={text} is no card number; give one like 0, or several like 0,1"
        )
    return tuple(map(int, text.split(",")))


def _cores(text: str) -> int:
    if text not in map(str, CORES):
        raise UsageError(f"--device-option core-num={text} is none of {', '.join(map(str, CORES))}; give one")
    return int(text)
