"""Whatever is in a file, a command gives a result or one sentence: no traceback, no hang, no file elsewhere.

``python -m pytest tests/fuzz --hypothesis-profile=soak`` tries ten thousand other files of every format.
Without, the files are the same ones every time: what is found by chance belongs to whoever looks for it, and
not to whose change happens to be tested when it comes up.
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
from conformance.html import along

KEPT = 20
"""Charts that are kept."""
SOAK = 1000
"""Examples from which on they are drawn anew."""
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


@pytest.fixture(autouse=True)
def _drawn_once(monkeypatch):
    """Draw a chart of what no accident has changed once: it takes most of the time."""
    draw, drawn = along._drawings, {}

    def kept(*arguments):
        key = repr(arguments)
        if key not in drawn and len(drawn) < KEPT:
            drawn[key] = draw(*arguments)
        return drawn.get(key) or draw(*arguments)

    monkeypatch.setattr(along, "_drawings", kept)


@pytest.fixture(scope="module", params=FORMATS)
def place(request, tmp_path_factory):
    """A format, and a directory with good files of it."""
    kind = FORMATS[request.param]
    directory = tmp_path_factory.mktemp("fuzz") / request.param
    directory.mkdir()
    kind.make(directory)
    return kind, directory


def files_below(directory):
    """Return what tells whether a file was written, by path."""
    found = ((path, path.stat()) for path in directory.rglob("*") if path.is_file())
    return {path: (state.st_mtime_ns, state.st_size, state.st_ino) for path, state in found}


def test_a_good_file_is_read(place):
    kind, directory = place
    kind.read(directory)


def test_a_mutated_file_gives_a_result_or_one_sentence(place):
    kind, directory = place
    path, parent = directory / kind.file, directory.parent
    good, files = path.read_bytes(), {*files_below(parent)}
    others = {file: file.read_bytes() for file in files - {path}}

    @settings(
        suppress_health_check=[*HealthCheck],
        deadline=None,
        database=None,
        derandomize=settings.default.max_examples < SOAK,
    )
    @given(data=mutated(good) | st.binary(max_size=200))
    def reads(data):
        path.write_bytes(data)
        before = files_below(parent)
        try:
            with deadline():
                kind.read(directory)
        except ConformanceError as error:
            sentence = printable(str(error))
            assert sentence
            assert "\n" not in sentence
            assert "Traceback" not in sentence
        after = files_below(parent)
        assert {*after} == files
        for file, content in others.items():
            if after[file] != before[file]:
                file.write_bytes(content)

    try:
        reads()
    finally:
        path.write_bytes(good)
