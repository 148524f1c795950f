"""An emulator profile: every numeric choice of a card as a named switch, each with its evidence.

What is documented of the card is said to be so; what is not is a switch that a user can turn.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec

from conformance.devices.limits import Limit
from conformance.errors import UsageError, near_names
from conformance.files import read_toml

if TYPE_CHECKING:
    from pathlib import Path

ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "fixed_point_rounding": ("half-away", "half-up"),
    "fixed_point_range": ("full", "symmetric"),
    "fixed_point_scale": ("file", "position-scale", "position"),
    "convolution_sums": ("exact", "fp32", "fp16"),
    "depthwise_convolution": ("float", "fixed-point"),
    "half_rounding": ("ties-away", "ties-even", "toward-zero"),
    "half_overflow": ("saturate", "inf"),
    "half_tiny": ("smallest", "nearest"),
    "half_products": ("as-conversions", "toward-zero"),
    "reduction_sum": ("float-type", "fp32", "exact"),
    "reduction_order": ("first-axis-first", "last-axis-first", "one-pass"),
    "average_pool_sum": ("as-reductions", "by-window"),
    "batch_norm_steps": ("exact", "rounded", "folded"),
    "resize_steps": ("exact", "rounded"),
    "resize_nearest": ("floor", "half-pixel"),
    "softmax_steps": ("rounded", "fp32", "exact"),
    "softmax_maximum": ("subtracted", "not-subtracted"),
    "real_div": ("quotient", "reciprocal"),
    "round": ("through-half", "plain"),
    "top_k_unsorted": ("smallest", "largest"),
    "crop_and_resize": ("plain-bilinear", "as-asked"),
    "tanh": ("exact", "table-256", "table-64"),
    "fused_intermediates": ("rounded", "fp32"),
    "arithmetic": ("float32", "float64"),
}
"""Every switch and the values that the emulator knows."""


Evidence = Literal["documented", "measured", "inferred", "assumed"]
"""How well a choice is known.

``documented``: a primary source says so. ``measured``: seen in results of a real card; the source says of
what, on which stack, and how far it reaches. ``inferred``: from several sources, or from another part of the
stack.
``assumed``: no public source; a guess that can be switched.
"""


class Switch(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One numeric choice: its value, what else it could be, and how well it is known."""

    value: str
    alternatives: list[str]
    evidence: Evidence
    source: Annotated[str, msgspec.Meta(min_length=1)]


class Hardware(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What one core of the card can do at most; operations count multiply and add as two."""

    int8_operations_per_second: float
    int16_operations_per_second: float
    fp16_operations_per_second: float
    fp32_operations_per_second: float
    dram_bytes_per_second: float
    source: str


class ProfileFile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The whole of a profile's TOML file."""

    name: str
    model: str
    description: str
    switch: dict[str, Switch]
    hardware: Hardware | None = None
    limit: dict[str, Limit] = {}


@dataclasses.dataclass(frozen=True)
class Profile:
    """The values of all switches, ready to use; ``title`` names the changed ones."""

    name: str
    model: str
    title: str
    fixed_point_rounding: str
    fixed_point_range: str
    fixed_point_scale: str
    convolution_sums: str
    depthwise_convolution: str
    half_rounding: str
    half_overflow: str
    half_tiny: str
    half_products: str
    reduction_sum: str
    reduction_order: str
    average_pool_sum: str
    batch_norm_steps: str
    resize_steps: str
    resize_nearest: str
    softmax_steps: str
    softmax_maximum: str
    real_div: str
    round: str
    top_k_unsorted: str
    crop_and_resize: str
    tanh: str
    fused_intermediates: str
    arithmetic: str
    hardware: Hardware | None = None

    @property
    def of_products(self) -> Profile:
        """The profile by which products of halves are rounded to half."""
        if self.half_products == "as-conversions":
            return self
        return dataclasses.replace(self, half_rounding=self.half_products)


def read_profile(request: str, root: Path) -> Profile:
    """Return the profile that ``--profile`` asks for: ``NAME``, or ``NAME,switch=value,…``.

    Args:
        request: a name below ``root``, or the path of a ``.toml`` file, and switches to turn.
        root: the directory of the profiles that come with the suite.

    Raises:
        UsageError: profile, switch or value is unknown, or the file is malformed.
    """
    name, *changes = request.split(",")
    path = _profile_path(name, root)
    content = read_toml(path, ProfileFile, "device profile")
    _check(content, path)
    values = {key: switch.value for key, switch in content.switch.items()}
    changed = dict(_change(text, path) for text in changes)
    title = ",".join([content.name, *(f"{key}={value}" for key, value in sorted(changed.items()))])
    return Profile(
        name=content.name, model=content.model, title=title, hardware=content.hardware, **(values | changed)
    )


def _profile_path(name: str, root: Path) -> Path:
    if name.endswith(".toml"):
        return root / name  # an absolute or relative path given by the user wins over root
    known = sorted(path.stem for path in root.glob("*.toml"))
    if name not in known:
        raise UsageError(f"profile {name!r} is not in {root}{near_names(name, known)}")
    return root / f"{name}.toml"


def _check(content: ProfileFile, path: Path) -> None:
    missing = sorted(set(ALTERNATIVES) - set(content.switch))
    if missing:
        raise UsageError(f"device profile {path} lacks the switch {missing[0]!r}; say which value it has")
    for key, switch in content.switch.items():
        _check_value(key, switch.value, path)
        if set(switch.alternatives) != set(ALTERNATIVES[key]):
            raise UsageError(
                f"device profile {path} lists the alternatives {switch.alternatives} for switch {key!r}, but "
                f"the emulator knows {list(ALTERNATIVES[key])}"
            )


def _check_value(key: str, value: str, path: Path) -> None:
    if key not in ALTERNATIVES:
        raise UsageError(
            f"switch {key!r} of device profile {path} is unknown{near_names(key, list(ALTERNATIVES))}"
        )
    if value not in ALTERNATIVES[key]:
        raise UsageError(
            f"switch {key}={value!r} of device profile {path} must be one of {', '.join(ALTERNATIVES[key])}"
        )


def _change(text: str, path: Path) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--profile change {text!r} is not of the form switch=value")
    _check_value(key, value, path)
    return key, value
