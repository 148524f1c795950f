"""Profiles: the shipped ones are complete, switches can be turned, wrong files and requests are named."""

import pytest
from support.emulation import ROOT, profile
from support.refusals import refused

from conformance.devices.emulator.profile import ALTERNATIVES, Profile, read_profile
from conformance.errors import EXIT_USAGE

DEVICES = ROOT / "fixtures/devices"
MLU270 = (DEVICES / "mlu270.toml").read_text(encoding="utf-8")


def test_the_default_is_what_was_observed():
    chosen = profile()
    assert (chosen.name, chosen.model, chosen.title) == ("mlu270", "MLU270", "mlu270")
    assert (chosen.reduction_sum, chosen.reduction_order) == ("float-type", "first-axis-first")
    assert (chosen.half_rounding, chosen.half_overflow, chosen.half_tiny) == (
        "ties-away",
        "saturate",
        "smallest",
    )
    assert (chosen.convolution_sums, chosen.fixed_point_range) == ("exact", "full")


def test_ideal_is_exact_and_rounds_as_ieee_does():
    chosen = profile("ideal")
    assert (chosen.arithmetic, chosen.reduction_sum, chosen.convolution_sums) == ("float64", "exact", "exact")
    assert (chosen.half_rounding, chosen.half_overflow, chosen.half_tiny, chosen.tanh) == (
        "ties-even",
        "inf",
        "nearest",
        "exact",
    )
    assert chosen.hardware is None


def test_switches_are_turned_and_named_in_the_title():
    chosen = profile("mlu270,tanh=table-64,reduction_sum=fp32")
    assert (chosen.tanh, chosen.reduction_sum) == ("table-64", "fp32")
    assert chosen.title == "mlu270,reduction_sum=fp32,tanh=table-64"
    assert profile().tanh == "exact"


def test_every_alternative_of_every_switch_is_accepted():
    for switch, values in ALTERNATIVES.items():
        for value in values:
            assert getattr(profile(f"mlu270,{switch}={value}"), switch) == value


def test_a_profile_kept_elsewhere(tmp_path):
    (tmp_path / "mine.toml").write_text(MLU270.replace('"mlu270"', '"mine"'), encoding="utf-8")
    chosen = read_profile(f"{tmp_path / 'mine.toml'},tanh=table-256", DEVICES)
    assert isinstance(chosen, Profile)
    assert chosen.title == "mine,tanh=table-256"


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ("mlu27", "profile 'mlu27' is not in .*devices .near names: mlu270"),
        ("", "profile '' is not in"),
        ("mlu270,tanh", "change 'tanh' is not of the form switch=value"),
        ("mlu270,tan=exact", "switch 'tan' of device profile .*mlu270.toml is unknown .near names: tanh"),
        ("mlu270,tanh=table-65", "switch tanh='table-65' of .* must be one of exact, table-256, table-64"),
        ("nowhere.toml", "device profile .*nowhere.toml cannot be read: No such file"),
    ],
)
def test_wrong_requests(request_, said):
    with refused(said) as error:
        read_profile(request_, DEVICES)
    assert error.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('value = "half-away"', 'value = "half-down"', "rounding='half-down' of .* must be one of"),
        (
            'alternatives = ["full", "symmetric"]',
            'alternatives = ["full"]',
            r"lists the alternatives \['full'\]",
        ),
        ("[switch.tanh]", "[switch.tan]", "lacks the switch 'tanh'"),
        ("[switch.tanh]", "[switch.tanh.more]", r"malformed: .*\$.switch"),
        ('evidence = "documented"', 'evidence = "hearsay"', r"malformed: Invalid enum value 'hearsay'"),
        ('name = "mlu270"', "", "malformed: .*missing required field `name`"),
        ('model = "MLU270"', 'modell = "MLU270"', "malformed: .*(unknown|missing).* field `modell?`"),
        ("int8_operations_per_second = 8.192e12", "", "malformed: .*int8_operations_per_second"),
        ("[switch.tanh]", "[switch.tanh", "malformed"),
    ],
)
def test_wrong_files(tmp_path, old, new, said):
    assert old in MLU270
    (tmp_path / "bad.toml").write_text(MLU270.replace(old, new, 1), encoding="utf-8")
    with refused(f"bad.toml.*{said}|{said}"):
        read_profile(str(tmp_path / "bad.toml"), DEVICES)


def test_a_source_must_not_be_empty(tmp_path):
    start = MLU270.index("[switch.tanh]")
    line = next(text for text in MLU270[start:].splitlines() if text.startswith("source"))
    (tmp_path / "bad.toml").write_text(MLU270.replace(line, 'source = ""'), encoding="utf-8")
    with refused(r"malformed: .*length >= 1.*source"):
        read_profile(str(tmp_path / "bad.toml"), DEVICES)


def test_an_extra_switch_is_unknown(tmp_path):
    extra = (
        MLU270 + '\n[switch.sinh]\nvalue = "a"\nalternatives = ["a"]\nevidence = "assumed"\nsource = "s"\n'
    )
    (tmp_path / "bad.toml").write_text(extra, encoding="utf-8")
    with refused(r"switch 'sinh' of device profile .*bad.toml is unknown"):
        read_profile(str(tmp_path / "bad.toml"), DEVICES)
