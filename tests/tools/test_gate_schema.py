"""``docs/gate.schema.json`` is what the code says, and what the gate writes follows it."""

from support.tool_modules import tool_module


def test_the_schema_is_up_to_date():
    with tool_module("gate_schema") as tool:
        assert tool.FILE.read_text(encoding="utf-8") == tool.schema_text(), "run python tools/gate_schema.py"
