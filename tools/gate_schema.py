"""Write ``docs/gate.schema.json``: the JSON Schema of what ``mlu-conformance gate --json`` writes.

Run ``python tools/gate_schema.py`` after :mod:`conformance.gating.result` changed; a test compares the file.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from conformance.files import json_text, write_text_atomically
from conformance.gating.result import Gate

FILE = Path(__file__).resolve().parents[1] / "docs/gate.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_text() -> str:
    """Return the schema as it is now."""
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "gate.json of mlu-conformance",
    }
    return json_text(head | msgspec.json.schema(Gate)) + "\n"


if __name__ == "__main__":
    write_text_atomically(FILE, schema_text())
