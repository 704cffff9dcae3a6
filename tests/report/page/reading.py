"""A page as a browser's parser sees it: elements with their attributes, and all text."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

__all__ = ["Page", "read_page"]

VOID = {"br", "hr", "img", "meta", "link", "col"}


@dataclass
class Element:
    """One element; ``text`` is all that stands in it."""

    name: str
    attributes: dict[str, str]
    parents: tuple[str, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Elements in their order; an AssertionError where one is not closed as it was opened."""

    elements: list[Element] = field(default_factory=list)
    _open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attrs):
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} has an attribute twice"
        parents = tuple(one.name for one in self._open)
        element = Element(tag, {name: value or "" for name, value in attrs}, parents)
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_endtag(self, tag):
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].name == tag, f"</{tag}> in <{self._open[-1].name}>"
        self._open.pop()

    def handle_data(self, data):
        for element in self._open:
            element.text += data

    def all(self, name):
        """Every element of that name."""
        return [one for one in self.elements if one.name == name]

    def having(self, name, value):
        """Every element with a class, or another attribute of that value."""
        return [one for one in self.elements if value in one.attributes.get(name, "").split()]


def read_page(text: str) -> Page:
    """``text``, parsed to the end."""
    page = Page()
    page.feed(text)
    page.close()
    assert not page._open, f"left open: {[one.name for one in page._open]}"
    return page
