"""What a worker prints: a log with a limit, and last lines that fit in a sentence."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.devices.worker.process import DROPPED, LOG_LIMIT, LONGEST_LINE, TAIL_LINES, WorkerOutput
from conformance.errors import DeviceError


def followed(output, *chunks):
    """Let an output read chunks, one write each, to the end."""
    read, write = os.pipe()
    output.follow(os.fdopen(read, "rb"))
    for chunk in chunks:
        os.write(write, chunk)
    os.close(write)
    output.finish(30)
    return output


def test_the_log_holds_everything_and_is_appended_to(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    followed(WorkerOutput(log), b"one\n", b"two \xff\n", b"three")
    assert log.read_bytes() == b"before\none\ntwo \xff\nthree"


def test_the_tail_is_of_the_last_lines_that_are_not_empty():
    lines = [f"line {number}\n\n  \n".encode() for number in range(20)]
    tail = followed(WorkerOutput(None), *lines).tail
    assert tail == tuple(f"line {number}" for number in range(20 - TAIL_LINES, 20))


def test_a_line_that_is_written_in_pieces_is_one_line():
    assert followed(
        WorkerOutput(None), b"CNRT: ", b"d", "ü".encode()[:1], "ü".encode()[1:], b"!\n", b"end"
    ).tail == ("CNRT: dü!", "end")


def test_a_line_shows_nothing_that_a_terminal_would_obey():
    (line,) = followed(WorkerOutput(None), b"\x1b[31mred\x00\tand\x07  wide\r\n").tail
    assert line == "[31mred and wide"


@pytest.mark.parametrize("size", [10**3, 10**6])
def test_a_line_without_end_is_cut(size):
    output = WorkerOutput(None)
    (line,) = followed(output, *[b"x" * 1000] * (size // 1000)).tail
    assert line == "x" * LONGEST_LINE


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_whatever_the_bytes_and_the_pieces_the_tail_is_short_and_printable(chunks):
    tail = followed(WorkerOutput(None), *filter(None, chunks)).tail
    assert len(tail) <= TAIL_LINES
    assert all(line.isprintable() and line.strip() == line != "" for line in tail)
    whole = followed(WorkerOutput(None), b"".join(chunks) or b"\n").tail
    assert tail == whole


def test_a_flood_is_cut_in_the_log_and_read_to_its_end(tmp_path):
    chunks = [b"x" * (2**16 - 1) + b"\n"] * (LOG_LIMIT // 2**16 + 20)
    output = followed(WorkerOutput(tmp_path / "log"), *chunks, b"the end\n")
    assert output.tail[-1] == "the end"
    content = (tmp_path / "log").read_bytes()
    assert len(content) == LOG_LIMIT + len(DROPPED)
    assert content.endswith(DROPPED)
    assert content.count(b"dropped") == 1


def test_a_full_disk_does_not_stop_the_reading():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this machine has no /dev/full")
    assert followed(WorkerOutput(full), b"one\n", b"two\n").tail == ("one", "two")


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path):
    with pytest.raises(
        DeviceError, match=r"the log .*missing/log cannot be written: No such file or directory"
    ):
        WorkerOutput(tmp_path / "missing" / "log")


def test_another_log_can_be_kept_from_now_on(tmp_path):
    read, write = os.pipe()
    output = WorkerOutput(tmp_path / "first")
    output.follow(os.fdopen(read, "rb"))
    os.write(write, b"one\n")
    while output.tail != ("one",):
        pass
    output.keep(tmp_path / "second")
    os.write(write, b"two\n")
    os.close(write)
    output.finish(30)
    assert (tmp_path / "first").read_text() == "one\n"
    assert (tmp_path / "second").read_text() == "two\n"
    assert output.tail == ("one", "two")
