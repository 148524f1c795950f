"""Whatever is in a file, a command gives a result or one sentence: no traceback, no hang, no file elsewhere.

``python -m pytest tests/fuzz --hypothesis-profile=soak`` tries ten thousand files of every format.
"""

from __future__ import annotations

import contextlib
import signal

import pytest
from fuzz.formats import FORMATS
from fuzz.mutations import mutated
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.errors import ConformanceError, printable

SECONDS = 60
"""After which reading a file of a few kilobytes hangs, on whatever machine."""


class Hangs(BaseException):
    """Reading did not come to its end."""


@contextlib.contextmanager
def deadline():
    def hangs(*_):
        raise Hangs

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module", params=FORMATS)
def place(request, tmp_path_factory):
    """A format, and a directory with good files of it."""
    kind = FORMATS[request.param]
    directory = tmp_path_factory.mktemp("fuzz") / request.param
    directory.mkdir()
    kind.make(directory)
    return kind, directory


def files_below(directory):
    return {path for path in directory.rglob("*") if path.is_file()}


def test_a_good_file_is_read(place):
    kind, directory = place
    kind.read(directory)


def test_a_mutated_file_gives_a_result_or_one_sentence(place):
    kind, directory = place
    path, parent = directory / kind.file, directory.parent
    good, files = path.read_bytes(), files_below(parent)
    others = {file: file.read_bytes() for file in files - {path}}

    @settings(suppress_health_check=[*HealthCheck], deadline=None, database=None)
    @given(data=mutated(good) | st.binary(max_size=200))
    def reads(data):
        path.write_bytes(data)
        try:
            with deadline():
                kind.read(directory)
        except ConformanceError as error:
            sentence = printable(str(error))
            assert sentence
            assert "\n" not in sentence
            assert "Traceback" not in sentence
        finally:
            for file, content in others.items():
                file.write_bytes(content)
        assert files_below(parent) == files

    try:
        reads()
    finally:
        path.write_bytes(good)
