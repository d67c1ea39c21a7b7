"""Draws the state diagrams that ARCHITECTURE.md has as Mermaid, in layers, with the initial state on top.

The text comes from the tables of the core (`python -m tools.diagrams`). Lines that go up are laid out like those
that go down; each label has a place of its own in a layer, so nothing overlaps.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

import attrs

from tools.codegen.docs.drawing import CHARACTER_PX, LINE_PX, Drawing, number

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Arrow", "States", "drawn", "read_states"]

_GAP_PX: Final = 14.0  # between two places of a layer
_LABEL_CHARACTER_PX: Final = 7.5
_BOX_PX: Final = 34.0  # height of a state
_PORT_PX: Final = 26.0  # between two lines at one state
_SWEEPS: Final = 24
_BEND_WEIGHT: Final = 8.0  # the weight of a bend, which keeps lines straight; that of a state or a label is 1
_PULL: Final = 2.0  # the weight of the middle of the drawing, which keeps it narrow
_BETWEEN_PX: Final = 34.0  # between two layers: where lines turn
_ARROW: Final = re.compile(r"^    (\w+) --> (\w+): (.+)$")
_FINAL: Final = re.compile(r"^    (\w+) --> \[\*\]$")


@attrs.frozen
class Arrow:
    """The transitions from one state to another."""

    source: str
    target: str
    labels: tuple[str, ...]


@attrs.frozen
class States:
    """One state diagram."""

    title: str
    states: tuple[str, ...]
    """The initial state first."""
    final: tuple[str, ...]
    arrows: tuple[Arrow, ...]
    rest: str
    """The sentence about further arrows, in Markdown; "" if there is none."""


def read_states(document: str) -> list[States]:
    """Read the diagrams of ARCHITECTURE.md."""
    section = document.split("<!-- state diagrams")[1].split("<!-- end of the state diagrams")[0]
    found = []
    for part in section.split("\n### ")[1:]:
        title, _, rest = part.partition("\n")
        body, _, after = rest.partition("```mermaid")[2].partition("```")
        arrows = [
            Arrow(match[1], match[2], tuple(match[3].split("<br>")))
            for line in body.splitlines()
            if (match := _ARROW.match(line))
        ]
        states = dict.fromkeys([arrow.source for arrow in arrows] + [arrow.target for arrow in arrows])
        final = [match[1] for line in body.splitlines() if (match := _FINAL.match(line))]
        found.append(States(title, tuple(states), tuple(final), tuple(arrows), after.strip()))
    return found


@attrs.define(eq=False)
class _Place:
    """An item in a layer: a state, a label, or a bend of a line."""

    width: float
    height: float
    layer: int
    state: str = ""
    labels: tuple[str, ...] = ()
    above: list[_Place] = attrs.field(factory=list)
    below: list[_Place] = attrs.field(factory=list)
    x: float = 0.0
    y: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    """`top` and `bottom` are where its layer begins and ends: in between, lines are vertical."""

    @property
    def weight(self) -> float:
        """How much its horizontal position matters."""
        return 1.0 if self.state or self.labels else _BEND_WEIGHT


def drawn(states: States, anchor: str) -> Markup:
    """Return the drawing of one diagram."""
    places, lines = _places(states)
    layers: list[list[_Place]] = [[] for _ in range(1 + max(place.layer for place in places))]
    for place in places:
        layers[place.layer].append(place)
    _order(layers)
    _set_x(layers)
    bottom = _set_y(layers)
    drawing = Drawing(f"States: {states.title}", anchor)
    left = min(place.x - place.width / 2 for place in places) - 8
    right = max(place.x + place.width / 2 for place in places) + 8
    for line, down in lines:
        _draw_line(drawing, line, down=down)
    first = next(place for place in places if place.state == states.states[0])
    drawing.circle(first.x, 8, 6, kind="head")
    drawing.line(first.x, 14, first.x, first.y - _BOX_PX / 2 - 8, kind="step")
    drawing.head(first.x, first.y - _BOX_PX / 2, 0, 1)
    for place in places:
        if place.state:
            _draw_state(drawing, place, final=place.state in states.final)
        for index, label in enumerate(place.labels):
            y = place.y + (index - (len(place.labels) - 1) / 2) * LINE_PX
            if not index:
                drawing.box(
                    place.x - place.width / 2 + 2,
                    place.y - place.height / 2,
                    place.width - 4,
                    place.height,
                    kind="label",
                )
            drawing.text(place.x, y, label, kind="small")
    return drawing.finished(right - left, bottom + 8, left=left)


def _draw_state(drawing: Drawing, place: _Place, *, final: bool) -> None:
    x, y = place.x - place.width / 2, place.y - _BOX_PX / 2
    drawing.box(x, y, place.width, _BOX_PX, kind="actor", radius=10)
    if final:
        drawing.box(x + 3, y + 3, place.width - 6, _BOX_PX - 6, kind="outline", radius=8)
    drawing.text(place.x, place.y, place.state, kind="strong")


def _places(states: States) -> tuple[list[_Place], list[tuple[list[_Place], bool]]]:
    """Return everything that takes up space, and each line: its places from the top, and whether it goes down."""
    rank = _ranks(states)
    count = {name: [0, 0] for name in states.states}
    for arrow in states.arrows:
        upper, lower = sorted((arrow.source, arrow.target), key=lambda name: rank[name])
        count[upper][1] += 1
        count[lower][0] += 1
    boxes = {
        name: _Place(
            max(len(name) * CHARACTER_PX + 28, (max(count[name]) + 1) * _PORT_PX),
            _BOX_PX,
            2 * rank[name],
            state=name,
        )
        for name in states.states
    }
    places, lines = [*boxes.values()], []
    for arrow in states.arrows:
        down = rank[arrow.source] < rank[arrow.target]
        upper, lower = (arrow.source, arrow.target) if down else (arrow.target, arrow.source)
        label_layer = 2 * rank[upper] + 1 if down else 2 * rank[lower] - 1
        chain = [boxes[upper]]
        for layer in range(2 * rank[upper] + 1, 2 * rank[lower]):
            if layer == label_layer:
                width = max(map(len, arrow.labels)) * _LABEL_CHARACTER_PX + 14
                place = _Place(width, len(arrow.labels) * LINE_PX + 6, layer, labels=arrow.labels)
            else:
                place = _Place(10.0, 4.0, layer)
            places.append(place)
            chain.append(place)
        chain.append(boxes[lower])
        for above, below in itertools.pairwise(chain):
            above.below.append(below)
            below.above.append(above)
        lines.append((chain, down))
    return places, lines


def _ranks(states: States) -> dict[str, int]:
    """Return the layer of each state: below all earlier states that an arrow connects it with."""
    order = {name: index for index, name in enumerate(states.states)}
    rank = dict.fromkeys(states.states, 0)
    for name in states.states:
        for arrow in states.arrows:
            ends = {arrow.source, arrow.target}
            if name in ends and order[other := (ends - {name}).pop()] < order[name]:
                rank[name] = max(rank[name], rank[other] + 1)
    return rank


def _order(layers: list[list[_Place]]) -> None:
    """Order each layer so that few lines cross: by the mean position of the neighbours, in sweeps down and up."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            at = {id(place): index for row in layers for index, place in enumerate(row)}
            means = {}
            for index, place in enumerate(layer):
                near = place.above if down else place.below
                means[id(place)] = sum(at[id(other)] for other in near) / len(near) if near else float(index)
            layer.sort(key=lambda place: means[id(place)])
        if (found := _crossings(layers)) < fewest:
            best, fewest = [list(layer) for layer in layers], found
    for layer, ordered in zip(layers, best, strict=True):
        layer[:] = ordered


def _crossings(layers: list[list[_Place]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(layers):
        at = {id(place): index for index, place in enumerate(lower)}
        ends = [(index, at[id(other)]) for index, place in enumerate(upper) for other in place.below]
        total += sum(a < c and b > d for a, b in ends for c, d in ends)
    return total


def _set_x(layers: list[list[_Place]]) -> None:
    """Place everything as near to its neighbours as the order and the widths allow."""
    for layer in layers:
        x = 0.0
        for place in layer:
            place.x, x = x + place.width / 2, x + place.width + _GAP_PX
    for sweep in range(4 * _SWEEPS):
        places = [place for layer in layers for place in layer]
        middle = (min(place.x for place in places) + max(place.x for place in places)) / 2
        for layer in layers if sweep % 2 else reversed(layers):
            wanted = []
            for place in layer:
                near = [(other.x, other.weight) for other in (*place.above, *place.below)]
                near.append((middle, _PULL if place.state or place.labels else _PULL / 20))
                wanted.append(sum(x * weight for x, weight in near) / sum(weight for _, weight in near))
            _apart(layer, wanted)


def _apart(layer: list[_Place], wanted: list[float]) -> None:
    """Set the positions that are nearest to those wanted, with the gaps between them: least squares, in blocks."""
    offset, offsets = 0.0, []
    for index, place in enumerate(layer):
        if index:
            offset += (layer[index - 1].width + place.width) / 2 + _GAP_PX
        offsets.append(offset)
    blocks: list[tuple[float, float, int]] = []  # the mean of what the members want, their weight, their number
    for place, want, offset in zip(layer, wanted, offsets, strict=True):
        blocks.append((want - offset, place.weight, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, v, m), (b, w, n) = blocks.pop(-2), blocks.pop()
            blocks.append(((a * v + b * w) / (v + w), v + w, m + n))
    flat = [mean for mean, _, size in blocks for _ in range(size)]
    for place, mean, offset in zip(layer, flat, offsets, strict=True):
        place.x = mean + offset


def _set_y(layers: list[list[_Place]]) -> float:
    y = 34.0
    for layer in layers:
        height = max((place.height for place in layer), default=0.0)
        for place in layer:
            place.y, place.top, place.bottom = y + height / 2, y, y + height
        y += height + _BETWEEN_PX
    return y - _BETWEEN_PX


def _port(place: _Place, other: _Place, *, top: bool) -> float:
    """Return the x at which a line meets a place; a state's lines are ordered by their other ends."""
    if not place.state:
        return place.x
    near = sorted(place.above if top else place.below, key=lambda each: each.x)
    return place.x + (near.index(other) - (len(near) - 1) / 2) * _PORT_PX


def _draw_line(drawing: Drawing, line: list[_Place], *, down: bool) -> None:
    points: list[tuple[float, float]] = []
    for above, below in itertools.pairwise(line):
        points += [(_port(above, below, top=False), above.bottom), (_port(below, above, top=True), below.top)]
    if down:
        drawing.head(*points[-1], 0, 1)
        points[-1] = (points[-1][0], points[-1][1] - 7)
    else:
        drawing.head(*points[0], 0, -1)
        points[0] = (points[0][0], points[0][1] + 7)
    data = [f"M {number(points[0][0])} {number(points[0][1])}"]
    for (x1, y1), (x2, y2) in zip(points[::2], points[1::2], strict=True):
        middle = (y1 + y2) / 2
        data.append(
            f"L {number(x1)} {number(y1)} C {number(x1)} {number(middle)} {number(x2)} {number(middle)}"
            f" {number(x2)} {number(y2)}"
        )
    drawing.path(" ".join(data), kind="step")
