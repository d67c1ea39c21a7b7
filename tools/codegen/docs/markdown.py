"""Turns the Markdown of spec/ into HTML, with an anchor for each heading. This module reads no file."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from markdown_it.token import Token

__all__ = ["SOURCES", "Heading", "badge", "block", "headings", "inline", "slug"]

Heading = tuple[int, str, str]
"""Level, anchor and text of a heading."""

SOURCES: Final = ("Seen", "Page", "Assumed", "Ours")
"""The possible first words of a fact about behaviour (spec/README.md#where-each-fact-comes-from)."""

_HEADING: Final = re.compile(r'<h(\d) id="([^"]+)">.*?(?=</h\d>)')
_SOURCE: Final = re.compile(rf"<strong>({'|'.join(SOURCES)})\.</strong> ")


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub makes it.

    >>> slug("Timers and limits"), slug("What `x` is: a note")
    ('timers-and-limits', 'what-x-is-a-note')
    """
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def _markdown() -> MarkdownIt:
    # Without images: a page loads nothing.
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def inline(text: str) -> Markup:
    """Return one line of Markdown as HTML, without a paragraph around it."""
    return Markup(_markdown().renderInline(" ".join(text.split())))  # noqa: S704  # our own texts


def headings(text: str) -> list[Heading]:
    """Return the headings of a document, in their order."""
    tokens = _markdown().parse(text)
    return [
        (int(token.tag[1]), slug(tokens[index + 1].content), tokens[index + 1].content)
        for index, token in enumerate(tokens)
        if token.type == "heading_open"
    ]


def block(text: str, *, link: Callable[[str], str] = str, shift: int = 0) -> Markup:
    """Return a document as HTML.

    Args:
        text: the document.
        link: converts the targets of its links.
        shift: how many levels to lower its headings by.
    """
    tokens = _markdown().parse(text)
    for index, token in enumerate(tokens):
        if token.type in ("heading_open", "heading_close"):
            if token.type == "heading_open":
                token.attrSet("id", slug(tokens[index + 1].content))
            token.tag = f"h{int(token.tag[1]) + shift}"
        if token.type == "inline":
            _convert_links(token.children or (), link)
    html = _markdown().renderer.render(tokens, _markdown().options, {})
    html = _HEADING.sub(r'\g<0><a class="here" href="#\g<2>" aria-label="Link to this section">#</a>', html)
    html = html.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>')
    html = html.replace("</table>", "</table></div>")
    return Markup(_SOURCE.sub(lambda match: badge(match[1]) + " ", html))  # noqa: S704  # our own texts


def badge(source: str) -> str:
    """Return the badge of a source, as HTML."""
    return f'<span class="badge {source.lower()}">{source}</span>'


def _convert_links(tokens: Sequence[Token], link: Callable[[str], str]) -> None:
    for token in tokens:
        if token.type == "link_open":
            token.attrSet("href", link(str(token.attrGet("href"))))
