"""Of which files the project knows that it made them, at whatever moment it is killed."""

import json

import pytest

from conformance.quantization import calibrated
from conformance.quantization.calibrated import FILE, origin_of, read_calibrated, write_calibrated
from conformance.quantization.files import scales_path
from conformance.quantization.parameter_file import QuantizationScales, read, write

OLD, NEW, OWN = (QuantizationScales(8, {"a/input": scale, "a/filter": 2.0}) for scale in (0.5, 0.75, 0.9))


class Killed(BaseException):
    """What ends a process in the middle."""


@pytest.fixture
def killed(tmp_path, monkeypatch):
    """Write new scales into the directory and be killed at the first, second, … file that is written."""

    def run(at):
        written = []

        def counted(function):
            def write_or_die(*arguments):
                if len(written) == at:
                    raise Killed
                written.append(function.__name__)
                return function(*arguments)

            return write_or_die

        for name in ("_write", "write_scales"):
            monkeypatch.setattr(calibrated, name, counted(getattr(calibrated, name)))
        with pytest.raises(Killed):
            write_calibrated(NEW, tmp_path, graph_sha256="new", input_sha256="inputs")
        monkeypatch.undo()

    return run


def origin(directory):
    path = scales_path(directory, 8)
    return origin_of(read(path), directory) if path.exists() else "no file"


@pytest.mark.parametrize("at", [0, 1, 2])
def test_what_the_project_was_making_is_never_taken_for_a_users(tmp_path, killed, at):
    killed(at)
    found = origin(tmp_path)
    assert found == "no file" if at < 2 else found.graph_sha256 == "new"


@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_older_file_of_the_project_stays_one(tmp_path, killed, at):
    write_calibrated(OLD, tmp_path, graph_sha256="old", input_sha256="inputs")
    killed(at)
    killed(at)  # and once more
    assert origin(tmp_path).graph_sha256 == ("old" if at < 2 else "new")
    write_calibrated(NEW, tmp_path, graph_sha256="new", input_sha256="inputs")
    assert origin(tmp_path).graph_sha256 == "new"
    assert "replaces" not in (tmp_path / FILE).read_text()


@pytest.mark.parametrize("at", [0, 1])
def test_a_users_file_stays_the_users(tmp_path, killed, at):
    write(scales_path(tmp_path, 8), OWN)
    killed(at)
    assert origin(tmp_path) is None


def test_what_does_not_change_is_not_written(tmp_path):
    assert write_calibrated(OLD, tmp_path, graph_sha256="old", input_sha256="inputs")
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert not write_calibrated(OLD, tmp_path, graph_sha256="old", input_sha256="inputs")
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert set(json.loads((tmp_path / FILE).read_text())["int8"]) == {
        *("scales_sha256", "graph_sha256", "input_sha256")
    }
    assert read_calibrated(tmp_path)["int8"].replaces is None
