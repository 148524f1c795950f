"""A gate as JUnit XML: the verdict, every operator, every case that changed, every timing.

What cannot be told is an error, so that no engine takes it for a pass. Sentences stand in the body, as some
readers ignore the attribute ``message``. Names are unique in their suite, as GitLab demands.

Source: junit-10.xsd of Jenkins' xUnit plugin, which pytest follows as well.
"""

from __future__ import annotations

import collections
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from conformance.gating.lines import judged_in_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from conformance.gating.result import Decides, Drift, Gate, OperatorDrift, Speed, Transition

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
TAGS: dict[Decides, str] = {"accuracy": "failure", "speed": "failure", "cannot tell": "error"}


def junit(gate: Gate) -> bytes:
    """Return the gate as JUnit XML."""
    suites: dict[str, list[ET.Element]] = collections.defaultdict(list)
    suites["gate"].append(_verdict(gate))
    drift = {item.case: item for item in gate.drift}
    for item in gate.outcomes:
        suites[f"{item.network} {item.precision} {item.mode}"].append(_outcome(item, drift.get(item.case)))
    suites["operators"] += [_operator(row) for row in gate.operators]
    suites["speed"] += [_speed(item) for item in gate.speed]
    root = ET.Element("testsuites", name="mlu-conformance gate")
    root.extend(_suite(name, cases) for name, cases in suites.items() if cases)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True)) + b"\n"


def _suite(name: str, cases: Sequence[ET.Element]) -> ET.Element:
    suite = ET.Element("testsuite", name=_clean(name), tests=str(len(cases)), skipped="0")
    for what, tag in (("failures", "failure"), ("errors", "error")):
        suite.set(what, str(sum(case.find(tag) is not None for case in cases)))
    suite.extend(cases)
    return suite


def _case(
    suite: str, name: str, decides: Decides, said: str, figures: Mapping[str, object] | None = None
) -> ET.Element:
    """Return a test case.

    Args:
        suite: where it stands.
        name: unique there.
        decides: what it makes of the verdict.
        said: the body of its failure or error, else its output.
        figures: its properties; those that are None are left out.
    """
    case = ET.Element("testcase", classname=f"gate.{_clean(suite)}", name=_clean(name), time="0")
    known = {key: value for key, value in (figures or {}).items() if value is not None}
    if known:
        properties = ET.SubElement(case, "properties")
        for key, value in known.items():
            ET.SubElement(properties, "property", name=key, value=_clean(str(value)))
    tag = TAGS.get(decides)
    body = ET.SubElement(case, tag, message=_clean(said)) if tag else ET.SubElement(case, "system-out")
    body.text = _clean(said)
    return case


def _verdict(gate: Gate) -> ET.Element:
    decides: Decides = {"NO-GO": "accuracy", "CANNOT TELL": "cannot tell"}.get(gate.verdict, "nothing")  # type: ignore[assignment]
    said = "\n".join([f"{gate.verdict}: {judged_in_words(gate)}", *gate.reasons])
    return _case("gate", "verdict", decides, said, {"verdict": gate.verdict, "exit_code": gate.exit_code})


def _outcome(item: Transition, drift: Drift | None) -> ET.Element:
    figures = {} if drift is None else {"before": drift.before, "after": drift.after, "drift": drift.drift}
    suite = f"{item.network} {item.precision} {item.mode}"
    return _case(
        suite, item.case, item.decides, f"{item.change}: {item.said}", {"change": item.change, **figures}
    )


def _operator(row: OperatorDrift) -> ET.Element:
    said = f"{row.identical} of {row.cases} bit-identical, {row.changed} changed"
    figures = {"cases": row.cases, "identical": row.identical, "changed": row.changed, "drift": row.drift}
    return _case("operators", f"{row.op} {row.precision}", "nothing", said, figures)


def _speed(item: Speed) -> ET.Element:
    figures = {name: getattr(item, name) for name in ("change", "low", "high", "holm", "noise", "more_runs")}
    return _case("speed", f"{item.network} {item.precision}", item.decides, item.said, figures)


def _clean(text: str) -> str:
    """Return text without what XML cannot hold."""
    return NOT_XML.sub("?", text)
