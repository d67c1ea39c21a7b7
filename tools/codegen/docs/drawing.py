"""The parts of drawings: measured text, boxes, lines and arrowheads, as SVG that follows the colours of the page.

All text is monospaced and its sizes are fixed, so that its width can be calculated here for any browser.
"""

from __future__ import annotations

from typing import Final

from markupsafe import Markup, escape

__all__ = ["CHARACTER_PX", "LINE_PX", "Drawing", "number"]

CHARACTER_PX: Final = 7.9
"""Width of a character; a little more than that of any common monospaced font at 13 px, the size of the text."""
LINE_PX: Final = 17.0
_HEAD_PX: Final = (8.0, 4.0)  # length and half the width of an arrowhead


def number(value: float) -> str:
    """Return a coordinate as text, with the same digits on every machine."""
    return f"{value:.1f}".removesuffix(".0")


class Drawing:
    """A picture to which parts are added; later ones lie on top.

    Args:
        title: its subject.
        anchor: a prefix for its ids.
    """

    def __init__(self, title: str, anchor: str) -> None:
        self._title = title
        self._anchor = anchor
        self._parts: list[str] = []

    def text(self, x: float, y: float, text: str, *, kind: str = "", anchor: str = "middle") -> None:
        """Add a line of text; ``y`` is its middle."""
        self._parts.append(
            f'<text x="{number(x)}" y="{number(y + 4.5)}" text-anchor="{anchor}"'
            f"{_class(kind)}>{escape(text)}</text>"
        )

    def box(self, x: float, y: float, width: float, height: float, *, kind: str = "", radius: float = 5) -> None:
        """Add a box by its upper left corner."""
        self._parts.append(
            f'<rect x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
            f' rx="{number(radius)}"{_class(kind)}/>'
        )

    def circle(self, x: float, y: float, radius: float, *, kind: str = "") -> None:
        """Add a circle."""
        self._parts.append(f'<circle cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"{_class(kind)}/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, *, kind: str = "") -> None:
        """Add a straight line."""
        self._parts.append(
            f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}"{_class(kind)}/>'
        )

    def path(self, data: str, *, kind: str = "") -> None:
        """Add a path."""
        self._parts.append(f'<path d="{data}"{_class(kind)}/>')

    def head(self, x: float, y: float, dx: int, dy: int) -> None:
        """Add an arrowhead whose tip is at x, y. It points to ``dx``, ``dy``: one is 1 or -1, the other 0."""
        length, half = _HEAD_PX
        points = [
            (x, y),
            (x - dx * length + dy * half, y - dy * length + dx * half),
            (x - dx * length - dy * half, y - dy * length - dx * half),
        ]
        listed = " ".join(f"{number(px)},{number(py)}" for px, py in points)
        self._parts.append(f'<polygon points="{listed}" class="head"/>')

    def finished(self, width: float, height: float, *, left: float = 0.0) -> Markup:
        """Return the picture as SVG, with its size in px; ``left`` is the smallest x."""
        label = f"{escape(self._anchor)}-title"
        title = f'<title id="{label}">{escape(self._title)}</title>'
        head = (
            f'<svg class="drawing" role="img" aria-labelledby="{label}" width="{number(width)}"'
            f' height="{number(height)}" viewBox="{number(left)} 0 {number(width)} {number(height)}">'
        )
        return Markup(head + title + "".join(self._parts) + "</svg>")  # noqa: S704  # texts are escaped above


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
