"""A page: one HTML file that holds its style, its script and its pictures, and reads nothing else.

Everything that comes from outside, such as the name of a node, is text: the templates escape what they are
given, and the page's own policy lets no script run but the one whose SHA-256 it names.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.errors import UsageError
from conformance.files import write_text_atomically
from conformance.html import formats
from conformance.html.looks import OUTCOMES, counted, look

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).resolve().parent / "templates"
FORMATS = ("figure", "factor", "seconds", "count", "percent", "change")
"""Functions that a template may use as filters."""
ENDINGS = (".html", ".htm")


@dataclasses.dataclass(frozen=True)
class Banner:
    """What a reader sees first.

    Attributes:
        word: the verdict, in capitals.
        tone: class of the style sheet: ``good``, ``bad``, ``known`` or ``odd``.
        sentences: why; the first says most.
        badges: short remarks beside it, such as ``SIMULATED``.
    """

    word: str
    tone: str
    sentences: list[str]
    badges: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Tile:
    """A figure that stands large, and what it counts."""

    figure: str
    what: str
    tone: str = ""


def rendered(template: str, **content: Any) -> str:
    """Return a page.

    Args:
        template: its file below ``templates``.
        content: what the template names.
    """
    style, script = _source("report.css"), _source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _templates()
        .get_template(template)
        .render(
            **content,
            style=style,
            script=script,
            script_sha256=digest,
            version=__version__,
            outcomes=OUTCOMES,
        )
    )


def require_page(path: Path) -> None:
    """Refuse a file that no page can be written to.

    Raises:
        UsageError: it does not end as a page does, is a directory, or lies in what is none.
    """
    if path.suffix.lower() not in ENDINGS:
        raise UsageError(f"{path} cannot be written: a report is HTML; name a FILE.html")
    if path.is_dir():
        raise UsageError(f"{path} cannot be written: it is a directory; name a FILE.html")
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if not parent.is_dir():
        raise UsageError(f"{path} cannot be written: {parent} is no directory; name another place")


def write_page(path: Path, text: str) -> None:
    """Write a page, whole or not at all.

    Raises:
        UsageError: the file cannot be written.
    """
    require_page(path)
    try:
        write_text_atomically(path, text)
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}); name another place") from error


def breakable(name: str) -> Any:
    """Return the name of a node, escaped, with places where a line may break: behind each ``/``."""
    from markupsafe import Markup, escape

    return Markup("/<wbr>").join(escape(part) for part in name.split("/"))


@functools.cache
def _source(name: str) -> Any:
    """Return a file of the project's own, which needs no escaping."""
    from markupsafe import Markup

    return Markup((TEMPLATES / name).read_text(encoding="utf-8"))  # noqa: S704 - it comes with the project


@functools.cache
def _templates() -> jinja2.Environment:
    import jinja2

    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {name: getattr(formats, name) for name in FORMATS}
    made.policies["json.dumps_kwargs"] = {"separators": (",", ":")}
    made.filters |= {"look": look, "counted": counted, "breakable": breakable}
    return made
