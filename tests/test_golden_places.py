"""Where goldens are read and made: in a checkout, a directory of the user's, an installation."""

import shutil
from pathlib import Path

import pytest
from support.refusals import refused
from support.small_goldens import CONV, make

from conformance import __version__, cli, golden_places, locations
from conformance.errors import GoldenError, InfrastructureError
from conformance.golden_places import MANIFEST, TENSORS, GoldenPlaces, user_cache
from conformance.goldens import GoldenStore
from conformance.networks import Network


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/mlu-conformance" / __version__ / "goldens"


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A project of which the small network is one of its own."""
    root = tmp_path / "project"
    shutil.copytree(made / "small", root / "networks/small")
    shutil.copytree(made / "goldens", root / "goldens")
    monkeypatch.setattr(locations, "GOLDENS", root / "goldens")
    monkeypatch.setattr(locations, "NETWORKS", root / "networks")
    return root


@pytest.fixture
def installed(project, monkeypatch):
    """An installation as it is before its first use: no tensors."""
    monkeypatch.setattr(locations, "INSTALLED", True)
    shutil.rmtree(project / "goldens/small" / TENSORS)
    return project


@pytest.fixture
def read_only(monkeypatch):
    """Take away the right to write the project's goldens, as the superuser's tests cannot otherwise."""
    may = golden_places.os.access
    monkeypatch.setattr(
        golden_places.os, "access", lambda path, mode: "project" not in Path(path).parts and may(path, mode)
    )


def store_of(project, root=None):
    return GoldenStore(Network(project / "networks/small"), root or project / "goldens")


def files(directory):
    return {path: path.stat().st_mtime_ns for path in directory.rglob("*") if path.is_file()}


def ensure(store):
    store.ensure([node.name for node in store.manifest.key])
    return store


def test_a_checkout_keeps_everything_in_its_goldens(project, cache):
    shutil.rmtree(project / "goldens/small" / TENSORS)
    assert ensure(store_of(project)).directory == project / "goldens/small"
    assert list((project / "goldens/small" / TENSORS).glob("*.npy"))
    assert not cache.exists()


def test_a_directory_of_the_users_holds_everything_even_for_an_installation(installed, cache, tmp_path):
    store = store_of(installed, tmp_path / "mine")
    with refused(r"no goldens in .*/mine/small; make them with .* --golden-dir .*/mine`", GoldenError):
        ensure(store)
    store.create()
    assert sorted(path.name for path in (tmp_path / "mine/small").iterdir() if path.suffix != ".lock") == [
        MANIFEST,
        TENSORS,
    ]
    assert not cache.exists()


def test_tensors_of_an_installation_go_to_the_cache(installed, cache):
    before = files(installed)
    store = ensure(store_of(installed))
    assert store.directory.parent == cache
    assert store.path(MANIFEST) == installed / "goldens/small" / MANIFEST
    assert store.path("none.json").parent == store.directory  # there is none: this is where to make it
    assert len(list((store.directory / TENSORS).glob("*.npy"))) == 2 * len(store.manifest.key)
    assert files(installed) == before
    made = files(cache)
    ensure(store_of(installed))
    assert files(cache) == made


@pytest.mark.usefixtures("cache")
def test_a_manifest_made_anew_counts_and_leaves_the_installation_alone(installed):
    before = files(installed)
    store = store_of(installed)
    store.create()
    assert store.path(MANIFEST).parent == store.directory == ensure(store_of(installed)).directory
    assert store.path(MANIFEST).read_bytes() == (installed / "goldens/small" / MANIFEST).read_bytes()
    assert files(installed) == before


def test_the_commands_make_a_users_network_outside_of_an_installation(installed, cache, tmp_path, capsys):
    network = shutil.copytree(installed / "networks/small", tmp_path / "other")
    before = files(installed)
    assert cli.main(["quantize", str(network)]) == 0
    assert cli.main(["golden", str(network)]) == 0
    made = {path.name for path in cache.glob("small-*/*.json")}
    assert made == {MANIFEST, "attainable.json"}
    assert f"{next(cache.iterdir())}: fingerprints" in capsys.readouterr().out
    assert files(installed) == before


def test_scales_of_an_installation_are_left_alone(installed, monkeypatch, capsys):
    monkeypatch.setattr(locations, "PACKAGE", installed)
    before = files(installed)
    for network in ("small", str(installed / "networks/small")):
        assert cli.main(["quantize", network]) == 4
        assert "network 'small' came with the installation" in capsys.readouterr().err
    assert files(installed) == before


def test_a_network_elsewhere_does_not_meet_one_of_the_same_name(installed, cache, tmp_path):
    other = GoldenStore(
        Network(shutil.copytree(installed / "networks/small", tmp_path / "other")), locations.GOLDENS
    )
    assert other.directory != store_of(installed).directory
    assert other.directory.parent == cache


@pytest.mark.usefixtures("cache")
def test_builds_with_other_goldens_do_not_meet(installed):
    first = store_of(installed).directory
    path = installed / "goldens/small" / MANIFEST
    path.write_bytes(path.read_bytes() + b"\n")
    assert store_of(installed).directory != first


@pytest.mark.usefixtures("read_only")
def test_goldens_of_a_checkout_that_is_read_only_are_used(project, cache):
    ensure(store_of(project))
    assert not cache.exists()


@pytest.mark.usefixtures("read_only")
def test_what_a_checkout_that_is_read_only_lacks_is_made_in_the_cache(project, cache):
    missing = store_of(project).path(f"{TENSORS}/{CONV.replace('/', '%2F')}.1.npy")
    missing.unlink()
    before = files(project)
    ensure(store_of(project))
    assert {path.name.partition(".")[0] for path in cache.rglob("*.npy")} == {missing.name.partition(".")[0]}
    assert files(project) == before


def test_a_manifest_of_its_own_leaves_nothing_of_the_shipped_one_in_use(tmp_path):
    places = GoldenPlaces(tmp_path / "made", tmp_path / "shipped")
    for place in ("made", "shipped"):
        (tmp_path / place).mkdir()
    (tmp_path / "shipped/a").touch()
    assert places.find("a") == tmp_path / "shipped/a"
    (tmp_path / "made" / MANIFEST).touch()
    assert places.find("a") == tmp_path / "made/a"


@pytest.mark.parametrize("given", ["", "relative/cache"])
def test_the_cache_is_in_the_home_directory_unless_the_user_says_where(monkeypatch, tmp_path, given):
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_cache() == tmp_path / ".cache/mlu-conformance" / __version__


def test_a_user_without_a_home_is_told_so(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", classmethod(lambda _: (_ for _ in ()).throw(RuntimeError("no home"))))
    with refused("neither XDG_CACHE_HOME nor HOME is set; set one, or give", InfrastructureError):
        user_cache()


def test_a_cache_that_cannot_be_written_is_one_sentence(installed, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with refused(r"cannot be written: Not a directory; choose another place with --golden", GoldenError):
        ensure(store_of(installed))
