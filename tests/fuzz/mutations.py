"""What becomes of a file in careless or hostile hands: bytes go and come, words and numbers turn odd.

Most of that is not even read as JSON or TOML any more. So half of the accidents are those of somebody who
edits a file and keeps its form: a key is gone or misspelt, a list too short, a value of another kind.
"""

from __future__ import annotations

import copy
import json
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


ODD = (
    *(-1, 0, 1, 2, 7, 255, 2**31, 2**63, 10**30, -0.0, 0.5, 1e-320, 1e308, -1e308),
    *(float("inf"), float("nan"), True, False, None),
    *(
        "",
        "x",
        "..",
        "a/b",
        "a\nb",
        "\x1b[31m",
        "\x00",
        "mean",
        "int8-fp16",
        "float32",
        "2026-02-30",
        "9" * 400,
    ),
    *([], {}, [[]], [None], [0, 0], {"": 0}, {"x": []}),
)
"""What may stand in the place of any value."""
STRUCTURED = 2
"""How much likelier an accident is that keeps the form of a file."""


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


def _restructured(draw, data):
    """Let an accident happen to the value of a JSON file, or of one of its lines; others stay as they are."""
    for lines in ([data], data.split(b"\n")):
        number = draw(st.integers(0, len(lines) - 1))
        try:
            value = [json.loads(lines[number])]
        except (ValueError, RecursionError):
            continue
        container, key = _descended(draw, value)
        draw(st.sampled_from(CHANGES))(draw, container, key, value)
        lines[number] = json.dumps(value[0] if value else None).encode(errors="surrogatepass")
        return b"\n".join(lines)
    return data


def _descended(draw, value):
    """Draw a place in a tree, those near its root as likely as those of its many leaves."""
    container, key = value, 0
    while isinstance(inner := container[key], (dict, list)) and inner and draw(st.integers(0, 3)):
        container = inner
        key = draw(st.sampled_from([*inner]) if isinstance(inner, dict) else st.integers(0, len(inner) - 1))
    return container, key


def _dropped(_, container, key, __):
    del container[key]


def _odd(draw, container, key, _):
    container[key] = copy.deepcopy(draw(st.sampled_from(ODD)))


def _misspelt(draw, container, key, _):
    if isinstance(container, dict):
        container[draw(st.sampled_from(["", f"{key}_", key[:-1], key.upper(), "name"]))] = container.pop(key)


def _misplaced(draw, container, key, whole):
    """Put a value of elsewhere, so one that is known, in the place of this one."""
    other, its = _descended(draw, whole)
    container[key] = copy.deepcopy(other[its])


def _another_size(draw, container, key, _):
    """Let a list lose entries, or have one again; a number grow, shrink or change its sign; a word, too."""
    value = container[key]
    if isinstance(value, list) and value:
        container[key] = draw(st.sampled_from([value[:-1], value[1:], [*value, value[-1]], value[:1], []]))
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        container[key] = draw(st.sampled_from([-value, value + 1, value - 1, value * 1000, value / 3, -1]))
    elif isinstance(value, str):
        container[key] = draw(st.sampled_from([value[:-1], value + "x", value * 2, value.upper(), ""]))


CHANGES = _dropped, _odd, _odd, _misspelt, _misplaced, _another_size
LINE = re.compile(rb"^[^\n]*\n", re.MULTILINE)
RIGHT = re.compile(rb"(?<=[=:,\[])[ \t]*[^=:,\[\]\n]+(?=[,\]\n])")
"""What stands behind a sign of equality, a colon, or in a list, as in TOML and in parameter files."""


def _line_gone_or_elsewhere(draw, data):
    found = [match.span() for match in LINE.finditer(data)]
    if not found:
        return data
    start, end = draw(st.sampled_from(found))
    place = draw(st.sampled_from([None, *(span[0] for span in found)]))
    if place is None:
        return data[:start] + data[end:]
    return data[:place] + data[start:end] + data[place:]


def _another_value(draw, data):
    """Put another value of the file, or an odd one, in the place of one."""
    found = [match.group() for match in RIGHT.finditer(data)]
    others = tuple(dict.fromkeys([*found, *NUMBERS, *WORDS]))
    return _replaced(RIGHT, others)(draw, data)


FORMLESS = (
    *(_cut, _lost, _repeated, _moved, _inserted, _changed),
    *(_replaced(NUMBER, NUMBERS), _replaced(WORD, WORDS)),
)
ACCIDENTS = (*FORMLESS, *STRUCTURED * (_restructured, _restructured, _line_gone_or_elsewhere, _another_value))
