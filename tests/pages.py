"""What the pages of all commands promise: whole, alone, and without anything that runs."""

from __future__ import annotations

import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Collects elements and words, and fails on tags that do not close each other in order."""

    void = frozenset({"meta", "link", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def check_it_stands_alone(text: str) -> None:
    """Nothing is fetched and nothing runs."""
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", text)
    assert "url(" not in text and "@import" not in text
    for tag, attributes in Page(text).elements:
        assert tag not in ("script", "iframe", "img", "object")
        assert "src" not in attributes and not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "data:,") == "data:,"
