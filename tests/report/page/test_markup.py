"""Elements: text is text, whatever it looks like."""

from __future__ import annotations

from nnc.toolchain.report.page.markup import Markup, clean, join, kept_together, tag

from .reading import read_page


def test_text_is_escaped_and_markup_is_not():
    assert tag("p", "a<b>&", tag("b", "'c'")) == "<p>a&lt;b&gt;&amp;<b>&#x27;c&#x27;</b></p>"
    assert join("<", Markup("<br>"), None, [1, ["&"]]) == "&lt;<br>1&amp;"


def test_attributes_cannot_be_left():
    text = tag("td", "x", data_label='"><script>', _class="a", hidden=True, title=None)
    assert text == '<td data-label="&quot;&gt;&lt;script&gt;" class="a" hidden>x</td>'
    (cell,) = read_page(text).elements
    assert cell.attributes["data-label"] == '"><script>'


def test_void_elements_are_not_closed():
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_what_no_page_can_hold_goes():
    assert clean("a\x00b\x1b[31m\u202ec\ud800\nd\te\ufeff") == "ab[31mc d e"
    assert join("\ud800x").encode("utf-8") == b"x"


def test_a_number_keeps_its_unit():
    text = "by \u22120.5 points < 85 % or \u2264 2 MB in 3 launches, 12 sets"
    assert kept_together(text) == (
        'by <span class="nb">\u22120.5 points</span> &lt; <span class="nb">85 %</span> or '
        '<span class="nb">\u2264 2 MB</span> in 3 launches, 12 sets'
    )
