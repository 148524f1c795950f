"""Text from files, as it is printed: it cannot command a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance import cli
from conformance.commands import printing
from conformance.errors import GoldenError, UsageError, printable

CONTROLS = "\x1b[31mred\x07\x9b\u202e\ud800\r"


@given(st.text())
def test_what_is_printed_is_one_line_that_commands_nothing(text):
    shown = printable(text)
    assert shown.isprintable()
    assert shown.encode().decode() == shown
    assert (shown == text) == text.isprintable()


@given(st.text(st.characters(categories=["L", "N", "P", "S"])))
def test_letters_of_every_language_stay(text):
    assert printable(text) == text
    assert all(unicodedata.category(letter)[0] != "C" for letter in printable(text))


@pytest.mark.parametrize("kind", [UsageError, GoldenError])
def test_a_sentence_of_ours_is_printable(kind):
    assert str(kind(f"node {CONTROLS} is odd")).isprintable()


@pytest.mark.parametrize("tell", [printing.say, printing.note])
def test_results_and_notes_keep_their_lines_and_nothing_else(tell, capsys):
    tell(f"first\n{CONTROLS}")
    said = "".join(capsys.readouterr())
    assert said == f"first\n{printable(CONTROLS)}\n"


def test_a_name_on_the_command_line_is_shown_as_it_is(capsys):
    assert cli.main(["nodes", CONTROLS]) == 4
    assert capsys.readouterr().err.removesuffix("\n").isprintable()
