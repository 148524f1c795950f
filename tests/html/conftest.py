"""Pages as they are written, taken apart."""

import html.parser

import pytest


class Page(html.parser.HTMLParser):
    """What a browser would see: elements with their attributes, texts, ids.

    Attributes:
        elements: name and attributes of each.
        texts: all that is neither style nor script, without surrounding spaces.
        verdict: the word that a reader sees first.
    """

    def __init__(self, text):
        super().__init__()
        self.text, self.elements, self.texts, self._inside = text, [], [], []
        self.verdict = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag in ("style", "script"):
            self._inside.append(tag)

    def handle_endtag(self, tag):
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data):
        if data.strip() and not self._inside:
            self.texts.append(" ".join(data.split()))
            if self.verdict is None and self.elements[-1][1].get("id") == "verdict":
                self.verdict = data

    def all(self, tag):
        """Return the attributes of every element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def ids(self):
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    @property
    def words(self):
        """All texts as one."""
        return " ".join(self.texts)


@pytest.fixture
def parsed():
    """Take a page apart, after what holds for every page was checked."""

    def parse(text):
        page = Page(text)
        assert len(page.ids) == len(set(page.ids)), "an id is used twice"
        for _, attributes in page.elements:
            for name in ("src", "href", "action", "data"):
                assert attributes.get(name, "#").startswith(("#", "data:image/png;base64,")), attributes
            assert not [name for name in attributes if name.startswith("on")], attributes
        targets = {attributes["href"][1:] for attributes in page.all("a")}
        assert targets <= set(page.ids), "a link leads nowhere"
        assert len([one for one in page.all("script") if "type" not in one]) == 1
        assert "http://" not in text
        assert "https://" not in text
        return page

    return parse
