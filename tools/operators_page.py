"""Put the table of operators into ``docs/operators.md``.

Run ``python tools/operators_page.py`` after an operator, its model or a limit was added; a test compares the
page. What stands outside of ``<!-- table: operators -->`` and ``<!-- end -->`` is written by hand, and kept.
"""

from __future__ import annotations

import re
from pathlib import Path

from conformance.commands.operators import COLUMNS, cells, used_operators
from conformance.files import write_text_atomically
from conformance.operators.covered import covered

PAGE = Path(__file__).resolve().parents[1] / "docs/operators.md"
TABLE = re.compile(r"(?P<head><!-- table: operators -->)\n.*?(?P<tail><!-- end -->)", re.DOTALL)


def renewed(text: str) -> str:
    """Return the page with its table as it is now."""
    rows = [f"| {' | '.join(row)} |" for row in cells(covered(), used_operators())]
    table = [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS), *rows]
    return TABLE.sub(lambda found: "\n".join([found["head"], "", *table, "", found["tail"]]), text)


if __name__ == "__main__":
    write_text_atomically(PAGE, renewed(PAGE.read_text(encoding="utf-8")))
