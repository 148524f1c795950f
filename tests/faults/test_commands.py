"""``prepare``, ``quantize`` and ``golden`` are ended at any time: files are whole, the next one succeeds."""

import shutil
import urllib.parse
from pathlib import Path

import pytest
from faults.cells import COMMANDS, OF_COMMANDS, chosen
from faults.engine import Places, finished, halves, stopped, strike
from support.kept_network import kept_network, write_network
from support.toy_network import KeptNetwork

from conformance import cli


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The network before anything was made of it."""
    directory = tmp_path_factory.mktemp("bare") / "network"
    write_network(directory)
    return KeptNetwork(directory, directory.parent / "goldens")


def copy_of(network, to, mode):
    """Return a copy; goldens are made with scales that are there."""
    network.goldens.mkdir(exist_ok=True)
    copy = network.copied(to)
    if mode == "golden":
        shutil.copytree(kept_network().directory, copy.directory, dirs_exist_ok=True)
    return copy


@pytest.mark.parametrize("cell", chosen(OF_COMMANDS), ids=str)
def test_a_command_that_is_ended_leaves_nothing_half_and_the_next_one_succeeds(cell, bare, tmp_path):
    network, places = copy_of(bare, tmp_path, cell.mode), Places(tmp_path)
    places_of_files = network.directory, network.goldens
    arguments = [cell.mode, str(network.directory)]
    arguments += [] if cell.mode == "quantize" else [f"--golden-dir={network.goldens}"]
    found = stopped(places, COMMANDS[cell.phase], ["conformance.cli", *arguments])
    struck = strike(found, cell.fault, tmp_path / "none", places_of_files)
    assert struck.code != 0
    assert "Traceback" not in struck.text
    assert cli.main(arguments) == 0
    after = finished(*places_of_files)
    assert (halves(tmp_path), places.left) == ([], [])
    assert what_was_made(after, network) == expected(cell.mode)


def what_was_made(files, network):
    """Return scales, tensors and manifest of a command by their paths."""
    roots = network.directory, network.goldens
    return {
        str(path.relative_to(root)): digest
        for path, digest in files.items()
        for root in roots
        if path.is_relative_to(root)
    }


def expected(command):
    """Return what the network has that was never interrupted; of goldens and scales what a command makes."""
    kept = kept_network()
    made = what_was_made(finished(kept.directory, kept.goldens), kept)
    if command == "quantize":
        return {name: digest for name, digest in made.items() if "tensors/" not in name}
    asked = {node.name for node in kept.store.manifest.key}  # other tests may have asked for others, too
    return {name: digest for name, digest in made.items() if "tensors/" not in name or node_of(name) in asked}


def node_of(tensor):
    """Return the node of a golden's file."""
    return urllib.parse.unquote(Path(tensor).name.rsplit(".", 2)[0])
