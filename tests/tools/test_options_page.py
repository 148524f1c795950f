"""``docs/options.md`` is what the tables say now, and names everything that can be given."""

import pytest
from support.tool_modules import tool_module

from conformance.cli import COMMANDS
from conformance.options import OPTIONS


def made():
    with tool_module("options_page") as tool:
        written = tool.PAGE.read_text(encoding="utf-8")
        return written, tool.renewed(written)


def test_the_page_is_up_to_date():
    written, now = made()
    assert written == now, "run python tools/options_page.py"


def shared_rows():
    table = made()[1].partition("<!-- end -->")[0]
    return {line.split("`")[1].split()[0]: line for line in table.splitlines() if line.startswith("| `--")}


def test_every_option_stands_there_with_its_twin_and_who_takes_it():
    rows = shared_rows()
    for option in OPTIONS:
        assert f"`{option.variable}`" in rows[option.flag] or not option.twin
        assert ("pytest" in rows[option.flag].rsplit("|", 2)[1]) is option.suite
    assert rows["--golden-dir"].endswith(
        "| pytest, prepare, golden, probe, dump, compare, diagnose, sensitivity, show, judge |"
    )
    assert rows["--nodes"].endswith("| pytest, nodes, dump, sensitivity |")


@pytest.mark.parametrize("flag", ["--network", "--network-path"])
def test_a_command_is_said_to_take_a_flag_only_where_it_does(flag, refusal):
    takers = shared_rows()[flag].rsplit("|", 2)[1].strip()
    flagged, _, commands = takers.partition("; as the argument `network`, without the flag: ")
    assert (flagged, bool(commands)) == ("pytest", True)
    for command in commands.split(", "):
        required = ["--output=new"] if command == "dump" else []
        said = refusal(command, f"{flag}=beautygan", *required)
        assert f"unrecognized arguments: {flag}=beautygan" in said


def test_every_command_stands_there_with_what_only_it_takes():
    page = made()[1]
    for command in COMMANDS:
        assert f"### `mlu-conformance {command.__name__.rpartition('.')[2]}`\n" in page
    for argument in ("`--bits 8\\|16`", "`-o, --output FILE.pb`", "`--json`", "`RUN`", "`--signature NAME`"):
        assert f"| {argument} |" in page


def test_no_place_of_one_machine_stands_there():
    from conformance import locations

    assert str(locations.PROJECT) not in made()[1]
