"""What becomes of a file in careless or hostile hands: bytes go and come, words and numbers turn odd."""

from __future__ import annotations

import re

from hypothesis import strategies as st

NUMBER = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
WORD = re.compile(rb'"[^"\n]{0,200}"')
NUMBERS = (
    *(b"-1", b"0", b"1e999", b"-1e308", b"NaN", b"99999999999999999999", b"1.5", b"true", b"null"),
    *(b'"0"', b"[]", b"{}", b"-0", b"4294967296"),
)
WORDS = (
    *(
        b'""',
        b'".."',
        b'"../../x"',
        b'"/etc/hostname"',
        b'"a\\nb"',
        b'"\\u001b[31m"',
        b'"\\u0000"',
        b'"\\ud800"',
    ),
    *(b'"<script>"', b'"' + b"x" * 5000 + b'"', b"null", b"7", b'"*"', b'"["', b'"mean"', b'"int8-fp16"'),
)
BYTES = (
    b"\x00",
    b"\xff",
    b"\n",
    b"\r\n",
    b'"',
    b"{",
    b"]",
    b"#",
    b"=",
    b"\x80\x80\x80\x80\x10",
    b"\xef\xbb\xbf",
)


class Damaged(bytes):
    """The bytes of a file, shown in short."""

    def __repr__(self) -> str:
        return f"{len(self)} bytes, {bytes(self[:40])!r}"


@st.composite
def mutated(draw, good: bytes):
    """Draw a file that one to four accidents have made of a good one."""
    data = good
    for accident in draw(st.lists(st.sampled_from(ACCIDENTS), min_size=1, max_size=4)):
        data = accident(draw, data)
    return Damaged(data)


def _place(draw, data: bytes) -> int:
    return draw(st.integers(0, len(data)))


def _span(draw, data: bytes) -> tuple[int, int]:
    start = _place(draw, data)
    return start, min(len(data), start + draw(st.integers(1, 64) | st.integers(1, max(1, len(data)))))


def _cut(draw, data):
    return data[: _place(draw, data)]


def _lost(draw, data):
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _repeated(draw, data):
    start, end = _span(draw, data)
    return data[:end] + data[start:end] + data[end:]


def _moved(draw, data):
    start, end = _span(draw, data)
    rest = data[:start] + data[end:]
    place = _place(draw, rest)
    return rest[:place] + data[start:end] + rest[place:]


def _inserted(draw, data):
    place = _place(draw, data)
    return data[:place] + draw(st.sampled_from(BYTES) | st.binary(max_size=8)) + data[place:]


def _changed(draw, data):
    place = _place(draw, data)
    return data[:place] + bytes([draw(st.integers(0, 255))]) + data[place + 1 :]


def _replaced(pattern: re.Pattern[bytes], others: tuple[bytes, ...]):
    def replaced(draw, data):
        found = [match.span() for match in pattern.finditer(data)]
        if not found:
            return data
        start, end = draw(st.sampled_from(found))
        return data[:start] + draw(st.sampled_from(others)) + data[end:]

    return replaced


ACCIDENTS = (
    *(_cut, _lost, _repeated, _moved, _inserted, _changed),
    *(_replaced(NUMBER, NUMBERS), _replaced(WORD, WORDS)),
)
