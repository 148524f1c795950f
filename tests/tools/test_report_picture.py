"""The picture of a page: small, of a real browser; without one, a sentence."""

import shutil

import pytest
from PIL import Image
from support.tool_modules import tool_module


@pytest.fixture
def tool():
    with tool_module("report_picture") as module:
        yield module


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "page.html"
    page.write_text("<body style='background: #3366cc'><h1>DEVIATES</h1>")
    return page


def test_a_picture_is_taken(tool, page, tmp_path, capsys):
    if not any(map(shutil.which, tool.BROWSERS)):
        pytest.skip(f"no browser: none of {', '.join(tool.BROWSERS)} is on PATH")
    assert tool.main([str(page), str(tmp_path / "new/a.png"), "--height=300"]) == 0
    assert capsys.readouterr().out.endswith("a.png: 2 kB\n")
    with Image.open(tmp_path / "new/a.png") as picture:
        assert picture.size == (tool.WIDTH, 300)
        assert picture.convert("RGB").getpixel((600, 290)) == (0x33, 0x66, 0xCC)


def test_without_a_browser_it_is_one_sentence(tool, page, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"none of chromium, .* is on PATH; install Chromium"):
        tool.main([str(page), str(tmp_path / "a.png")])
    assert not (tmp_path / "a.png").exists()


def test_a_page_that_is_not_there_is_one_sentence(tool, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "BROWSERS", ("sh",))
    with pytest.raises(SystemExit, match="none is no file; name the page"):
        tool.main([str(tmp_path / "none"), str(tmp_path / "a.png")])


def test_a_browser_that_takes_none_is_one_sentence(tool, page, tmp_path, monkeypatch):
    monkeypatch.setattr(tool, "BROWSERS", ("false",))
    with pytest.raises(SystemExit, match="took no picture of"):
        tool.main([str(page), str(tmp_path / "a.png")])
    assert not (tmp_path / "a.png").exists()
