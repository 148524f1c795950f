"""No space, at once or in the middle, wherever something is written: one sentence with the place, no pass.

What had been finished stays, and with room the same command succeeds without anything being cleaned.
"""

import re
import shutil
from typing import NamedTuple

import pytest
from faults.cells import NO_ROOM, chosen
from faults.engine import Places, finished, halves
from faults.full_disk import without_room
from support.kept_network import kept_network
from support.suite_run import ROOT

FULL = "No space left on device"
SENTENCE = re.compile(rf"^.*(?:{FULL}|free some disk space).*$", re.MULTILINE)


class Work(NamedTuple):
    """A command that writes into a place.

    Attributes:
        place: which is small.
        command: the first one; ``{run}`` stands for a new run directory.
        variables: of its environment.
    """

    place: str
    command: list
    variables: dict = {}  # noqa: RUF012 - never changed


def suite(network, *options, goldens=True):
    return [
        *("pytest", f"--config-file={ROOT / 'pytest.ini'}", "-pno:cacheprovider"),
        *(str(ROOT / "conformance/suite"), "-mmlu and own and fp32", "--nodes=norm/*", "--no-waivers"),
        *(f"--network-path={network.directory}", "--profile=ideal", *options),
        *([f"--golden-dir={network.goldens}"] if goldens else []),
    ]


def work_of(place, network, root):
    """Return what writes into a place of a cell."""
    tensors = network.goldens / "small/tensors"
    run = f"--run-dir={root}/{{run}}"
    if place in ("goldens of a run", "cache"):
        shutil.rmtree(tensors)
    command, directory = ["conformance.cli"], str(network.directory)
    if place == "goldens":
        shutil.rmtree(network.goldens / "small")
    works = {
        "run": Work("run", suite(network, f"--run-dir={root}/run/{{run}}")),
        "goldens": Work("goldens", [*command, "prepare", directory, f"--golden-dir={network.goldens}"]),
        "goldens of a run": Work("goldens", suite(network, run)),
        "scales": Work("network", [*command, "quantize", directory]),
        "TMPDIR": Work("tmp", suite(network, run, "--isolate"), {"FAULT_SHARED": str(root / "none")}),
        "shared memory": Work("shm", suite(network, run, "--isolate")),
        "cache": Work(
            "cache",
            suite(network, run, goldens=False),
            {"FAULT_INSTALLED": str(network.goldens), "XDG_CACHE_HOME": str(root / "cache")},
        ),
        "page": Work("page", suite(network, run, f"--html={root}/page/page.html")),
    }
    return works[place]


@pytest.mark.parametrize("cell", chosen(NO_ROOM), ids=str)
def test_no_room_is_one_sentence_and_with_room_the_command_succeeds(cell, tmp_path):
    network, places = kept_network().copied(tmp_path), Places(tmp_path)
    if cell.phase == "scales":
        for path in [*network.directory.glob("*.quant.txt"), network.directory / "calibrated.json"]:
            path.unlink()
    work = work_of(cell.phase, network, tmp_path)
    place = tmp_path / work.place
    place.mkdir(exist_ok=True)
    variables = places.environment | work.variables
    first = [part.format(run="first") for part in work.command]
    ended = without_room(place, cell.fault, first, variables, tmp_path)
    assert ended.code == (0 if cell.phase == "page" else 3), "a page is drawn again later, from the records"
    assert SENTENCE.search(ended.text), ended.text
    assert str(place) in SENTENCE.search(ended.text)[0], ended.text
    assert "Traceback" not in ended.text
    assert "INTERNALERROR" not in ended.text
    assert "broken" not in ended.text
    assert halves(place) == []
    before = finished(network.directory, network.goldens)
    second = [part.format(run="again") for part in work.command]
    again = without_room(place, "size=64m", second, variables, scratch(tmp_path / "second"))
    assert again.code == 0, again.text
    after = finished(network.directory, network.goldens)
    assert {name: after[name] for name in before if name.suffix == ".npy"}.items() <= before.items()
    assert places.left == []


def scratch(directory):
    directory.mkdir()
    return directory
