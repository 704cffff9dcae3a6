"""Text in Markdown: nothing in it means anything."""

from __future__ import annotations

import pytest

from nnc.toolchain.report.markdown import escape


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a|b <c> `d` *e*", r"a\|b \<c\> \`d\` \*e\*"),
        ("~~no~~ $x$ &amp;", r"\~\~no\~\~ \$x\$ \&amp;"),
        ("https://a.example/b", r"https\://a.example/b"),
        ("see www.a.example now", r"see www\.a.example now"),
        ("3:4, C:/x, at 12:30", "3:4, C:/x, at 12:30"),
    ],
)
def test_nothing_means_anything_to_markdown(text, escaped):
    assert escape(text) == escaped
