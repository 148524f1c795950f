"""Take a picture of the top of a page, as ``docs/report.png`` shows it.

    mlu-conformance test --run-dir=runs/report --html=runs/report.html
    python tools/report_picture.py runs/report.html docs/report.png

Needs Chromium, as Debian's package ``chromium`` brings it. The picture has few colours, so that it is small.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from conformance.files import write_atomically

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1240, 1600
COLOURS = 160
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-quic",
)
ALONE = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
SECONDS = 120


def main(arguments: list[str] | None = None) -> int:
    """Take the picture."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("page", type=Path, help="what `mlu-conformance report` or --html wrote")
    parser.add_argument("picture", type=Path, help="a PNG; an older one is replaced")
    parser.add_argument("--height", type=int, default=HEIGHT, metavar="PIXELS", help="how much of the page")
    given = parser.parse_args(arguments)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(
            f"none of {', '.join(BROWSERS)} is on PATH; install Chromium, such as Debian's package chromium"
        )
    if not given.page.is_file():
        sys.exit(f"{given.page} is no file; name the page that mlu-conformance report wrote")
    write_atomically(
        given.picture, lambda file: file.write(few_colours(taken(browser, given.page, given.height)))
    )
    print(f"{given.picture}: {given.picture.stat().st_size / 1000:.0f} kB")
    return 0


def taken(browser: str, page: Path, height: int) -> bytes:
    """Return what a browser shows of the top of a page, as a PNG."""
    with tempfile.TemporaryDirectory(prefix="report-picture-") as directory:
        picture = Path(directory) / "picture.png"
        places = (f"--user-data-dir={directory}/browser", f"--screenshot={picture}")
        command = [
            browser,
            *QUIET,
            *ALONE,
            *places,
            f"--window-size={WIDTH},{height}",
            page.absolute().as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        if not picture.is_file():
            sys.exit(f"{browser} took no picture of {page}: {done.stderr.strip()[-300:]}")
        return picture.read_bytes()


def few_colours(content: bytes) -> bytes:
    """Return a PNG with so few colours that it is small, of which nothing on a page is missed."""
    with Image.open(io.BytesIO(content)) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    small.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    sys.exit(main())
