"""Charts as SVG that lies in a page: matplotlib draws them, the page's style sheet colours them.

A colour is the name of a variable of the style sheet, so that a chart follows a reader who prefers dark. To
matplotlib each name is a colour of its own, which is put back into the drawing's text.
"""

from __future__ import annotations

import functools
import io
import itertools
import math
import re
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

COLOURS = ("ink", "faint", "line", "own", "inherited", "bound", "bad", "known", "odd", "good", "accent")
"""Variables of the style sheet, ``--own`` and so on."""
SENTINELS = {name: f"#01{index:02x}fe" for index, name in enumerate(COLOURS)}
"""What matplotlib takes each of them for."""
POINTS_PER_INCH = 72
MOST_LABELS = 6
"""Labels of a logarithmic axis."""
FONT = 8.5
"""Points of every text; a page may scale the whole drawing."""

NUMBER = re.compile(r"-?\d+\.\d{2,}")
NAMED = re.compile(r'\s+id="([^"]+)"')
USED = re.compile(r'(?:url\(#|href="#)([\w.-]+)')
SIZE = re.compile(r' width="[^"]*pt" height="[^"]*pt"')
MARKERS = re.compile(
    r'<g(?P<group>[^>]*)>(?P<uses>\s*<use [^>]* style="(?P<style>[^"]*)"/>'
    r'(?:\s*<use [^>]* style="(?P=style)"/>)*)\s*</g>'
)
PREAMBLE = re.compile(
    r"^.*?(?=<svg )|<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<!--.*?-->|(?<=>)\s*\n\s*(?=<)",
    re.DOTALL,
)
TAG = re.compile(r"<[^>]*>")
UNWANTED = (
    (re.compile(r"\s*\n\s*"), " "),
    (re.compile(r"font-family: [^;\"]*;? ?"), ""),
    (re.compile(r"font: ([\d.]+px) [^;\"]*"), r"font-size: \1"),
    (re.compile(r' transform="rotate\(-?0 [^"]*"'), ""),
    (re.compile(r' (?:xmlns(?::xlink)?|version)="[^"]*"'), ""),
    (re.compile(r"xlink:href"), "href"),
)
"""What of a file's tags is not for a page, and what stands there instead."""


def colour(name: str) -> str:
    """Return what stands for a variable of the style sheet while matplotlib draws."""
    return SENTINELS[name]


@functools.cache
def _settings() -> Any:
    return {
        "svg.fonttype": "none",
        "path.simplify": False,
        "font.size": FONT,
        "text.color": colour("ink"),
        "axes.edgecolor": colour("line"),
        "axes.labelcolor": colour("faint"),
        "axes.linewidth": 0.7,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": False,
        "text.parse_math": False,
        "xtick.color": colour("faint"),
        "ytick.color": colour("faint"),
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "ytick.minor.size": 0,
        "grid.color": colour("line"),
        "grid.linewidth": 0.5,
    }


class Chart:
    """A drawing with one pair of axes.

    Args:
        size: width and height in inches, of which a page keeps the ratio.
        box: left, bottom, width, height of the axes, as parts of the drawing.

    Attributes:
        axes: matplotlib's.
    """

    def __init__(self, size: tuple[float, float], box: tuple[float, float, float, float]) -> None:
        import matplotlib as mpl
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure

        self._box, self._size = box, size
        with mpl.rc_context(_settings()):
            self._figure = Figure(figsize=size)
            FigureCanvasSVG(self._figure)
            self.axes: Any = self._figure.add_axes(box)
        self._figure.patch.set_visible(False)
        self.axes.patch.set_visible(False)

    @property
    def frame(self) -> list[float]:
        """Left, top, right, bottom of the axes in units of the drawing, for what points at it."""
        left, bottom, width, height = self._box
        wide, high = (edge * POINTS_PER_INCH for edge in self._size)
        edges = (left * wide, (1 - bottom - height) * high, (left + width) * wide, (1 - bottom) * high)
        return [round(edge, 1) for edge in edges]

    def svg(self, name: str, label: str) -> str:
        """Return the drawing as an element of a page.

        Args:
            name: unique on the page; ids in the drawing begin with it.
            label: what it shows, for those who cannot see it.
        """
        import matplotlib as mpl

        buffer = io.StringIO()
        with mpl.rc_context({**_settings(), "svg.hashsalt": name}), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing from")  # a browser has other fonts
            self._figure.savefig(buffer, format="svg", metadata={"Date": None})
        return _embedded(buffer.getvalue(), name, label)


def _embedded(text: str, name: str, label: str) -> str:
    """Return a file of matplotlib's as an element: small, without ids of others, in the page's colours.

    What stands between tags, such as the version of a driver, stays as it is.
    """
    text = MARKERS.sub(_hoisted, TAG.sub(_plain, PREAMBLE.sub("", text)))
    tags = "".join(TAG.findall(text))
    used = {found: f"{name}-{number}" for number, found in enumerate(dict.fromkeys(USED.findall(tags)))}
    text = TAG.sub(lambda tag: _named(tag[0], used), text)
    return SIZE.sub(f' class="chart" role="img" aria-label="{_attribute(label)}"', text, count=1)


def _plain(tag: re.Match[str]) -> str:
    """Return a tag with short numbers, the page's colours, and nothing that only a file needs."""
    text = tag[0]
    for pattern, instead in UNWANTED:
        text = pattern.sub(instead, text)
    text = NUMBER.sub(lambda found: f"{float(found[0]):.1f}".removesuffix(".0"), text)
    for variable, sentinel in SENTINELS.items():
        text = text.replace(sentinel, f"var(--{variable})")
    return text


def _named(tag: str, used: Mapping[str, str]) -> str:
    """Return a tag whose ids are those of the page; one that nothing refers to has none."""
    tag = NAMED.sub(lambda found: f' id="{used[found[1]]}"' if found[1] in used else "", tag)
    return USED.sub(lambda found: found[0].replace(found[1], used[found[1]]), tag)


def _hoisted(found: re.Match[str]) -> str:
    """Return a group of equal markers with their style in one place."""
    style = found["style"]
    return f'<g{found["group"]} style="{style}">' + found["uses"].replace(f' style="{style}"', "") + "</g>"


def _attribute(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


def thinned(values: Sequence[float], most: int) -> list[int]:
    """Return the indices of at most ``most`` values, the largest of each stretch: no peak is lost."""
    if len(values) <= most:
        return list(range(len(values)))
    edges = [round(part * len(values) / most) for part in range(most + 1)]
    return [
        max(range(start, end), key=values.__getitem__)
        for start, end in itertools.pairwise(edges)
        if end > start
    ]


def logarithmic(axes: Any, name: str, limits: tuple[float, float], text: Callable[[float], str]) -> None:
    """Make the axis ``x`` or ``y`` logarithmic, with few labels.

    Args:
        axes: matplotlib's.
        name: which of them.
        limits: its ends, above 0.
        text: of a label.
    """
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = (math.log10(limit) for limit in limits)
    stride = max(1, math.ceil((high - low) / MOST_LABELS))
    powers = [power for power in range(math.ceil(low), math.floor(high) + 1) if power % stride == 0]
    getattr(axes, f"set_{name}scale")("log")
    getattr(axes, f"set_{name}lim")(*limits)
    axis = getattr(axes, f"{name}axis")
    axis.set_minor_locator(NullLocator())
    axis.set_major_locator(FixedLocator([10.0**power for power in powers]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))
