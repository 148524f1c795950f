"""The page of operators has the table that the program makes."""

from support.tool_modules import tool_module


def test_the_page_is_the_tables():
    with tool_module("operators_page") as page:
        written = page.PAGE.read_text(encoding="utf-8")
        assert page.renewed(written) == written, "run python tools/operators_page.py"
