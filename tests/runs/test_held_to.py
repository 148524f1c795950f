"""Fingerprints of what decides verdicts: they follow contents, not places, and no change escapes them."""

import dataclasses
import shutil

import pytest
from support.damage import edited
from support.kept_network import kept_network
from support.toy_network import KeptNetwork

from conformance import locations
from conformance.expected.expectations import Expectations
from conformance.judging.bounds import read_margins
from conformance.options import OPTIONS
from conformance.runs.held_to import held_to
from conformance.settings import read_settings


@pytest.fixture
def copy(tmp_path):
    return kept_network().copied(tmp_path / "copy")


@pytest.fixture
def settings(tmp_path):
    return read_settings({option.name: None for option in OPTIONS}, {}, tmp_path)


def digests(network: KeptNetwork, settings):
    expected = Expectations(network.store, read_margins(locations.MARGINS))
    return held_to(settings, {"small": expected})


def test_places_do_not_count(copy, settings, tmp_path):
    moved = dataclasses.replace(
        settings, golden_dir=copy.goldens, network_path=copy.directory, run_dir=tmp_path
    )
    assert digests(copy, moved) == digests(kept_network(), settings)


def differing(copy, settings, changed=None):
    before, now = digests(kept_network(), settings), digests(copy, changed or settings)
    return {name for name in {*before, *now} if before.get(name) != now.get(name)}


def test_everything_has_a_name(copy, settings):
    of_network = {
        "graph",
        "inputs",
        "goldens",
        "int8 scales",
        "int16 scales",
        "bounds",
        "description",
        "truths",
    }
    of_run = {"waivers", "margins", "profile"}
    assert set(digests(copy, settings)) == {f"{name} of small" for name in of_network} | of_run


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ('"graph_sha256":"', '"graph_sha256":"0', {"graph of small"}),
        ('"input_sha256":"', '"input_sha256":"0', {"inputs of small"}),
        ('"norm":', '"norm":1', {"goldens of small"}),
    ],
)
def test_a_manifest_of_something_else(copy, settings, old, new, changed):
    manifest = copy.goldens / "small/manifest.json"
    manifest.write_text(manifest.read_text().replace(old, new, 1))
    other = ("graph_sha256", "input_sha256")
    attainable = copy.goldens / "small/attainable.json"
    if any(name in old for name in other):
        attainable.write_text(attainable.read_text().replace(old, new, 1))
    assert differing(copy, settings) == changed


def test_other_scales_and_bounds(copy, settings):
    attainable = copy.goldens / "small/attainable.json"
    text = attainable.read_text()
    edited(attainable, '"int8":"', '"int8":"0')
    assert differing(copy, settings) == {"int8 scales of small"}
    attainable.write_text(text.replace('"max_abs":', '"max_abs":1', 1))
    assert differing(copy, settings) == {"bounds of small"}


def test_another_acceptance_counts_and_a_comment_does_not(copy, settings):
    description = copy.directory / "network.toml"
    description.write_text("# mine\n" + description.read_text())
    assert differing(copy, settings) == set()
    edited(description, "psnr = 20", "psnr = 19")
    assert differing(copy, settings) == {"description of small"}


def test_waivers_count_by_what_is_in_them(copy, settings, tmp_path):
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text("# none\n")
    named = [dataclasses.replace(settings, waivers=tmp_path / name) for name in ("a.toml", "b.toml")]
    assert digests(copy, named[0]) == digests(copy, named[1])
    assert differing(copy, settings, named[0]) == {"waivers"}
    assert differing(copy, settings, dataclasses.replace(settings, no_waivers=True)) == {"waivers"}


def test_a_profile_of_the_users_own_counts_by_what_is_in_it(copy, settings, tmp_path):
    own = shutil.copy(locations.DEVICES / "mlu270.toml", tmp_path / "own.toml")
    named = dataclasses.replace(settings, profile=f"{own},tanh=table-256")
    assert differing(copy, settings, named) == set()
    (tmp_path / "own.toml").write_text("other")
    assert differing(copy, settings, named) == {"profile"}


def test_truths_count(copy, settings, monkeypatch):
    expected = Expectations(copy.store, read_margins(locations.MARGINS))
    answers = dataclasses.make_dataclass("Answers", ["truth"])(["x-0.npy"])
    output = dataclasses.make_dataclass("Output", ["answers"])(answers)
    monkeypatch.setattr(expected.network, "outputs", [output])
    before = held_to(settings, {"small": expected})
    with (copy.directory / "x-0.npy").open("ab") as file:
        file.write(b"0")
    after = held_to(settings, {"small": expected})
    assert {name for name in before if before[name] != after[name]} == {"truths of small"}
