"""Draws the sequences of spec/sequences.yaml, and puts them into words. `source` checks them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import attrs
from markupsafe import Markup

from tools.codegen.docs.drawing import CHARACTER_PX, LINE_PX, Drawing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Labels", "drawn", "in_words"]

_STEP_PX: Final = 40.0
_NOTE_PX: Final = 38.0
_HEAD_PX: Final = 34.0  # height of a participant
_PAD_PX: Final = 12.0
_LEAST_GAP_PX: Final = 90.0


@attrs.frozen
class Labels:
    """The labels of steps, and the addresses of their descriptions."""

    call: Callable[[str], str]
    """Method and path of a call."""
    answer: Callable[[str, str], str]
    """An answer to a call, by its status."""
    link: Callable[[dict[str, Any]], str]
    """The address of the call or message that a step names; "" if it names none."""

    def of(self, step: dict[str, Any]) -> str:
        """Return the label of a step."""
        if "call" in step:
            return self.call(step["call"])
        if "of" in step:
            return self.answer(step["of"], str(step["answer"]))
        return str(step.get("message") or step["text"])


@attrs.define
class _Row:
    """One step or note of a drawing, and its vertical position in px."""

    step: dict[str, Any]
    y: float


@attrs.define
class _Frame:
    """The frame around a part."""

    label: str
    top: float
    bottom: float
    depth: int
    names: list[str]


def drawn(anchor: str, sequence: dict[str, Any], names: dict[str, str], labels: Labels) -> Markup:
    """Return the drawing of one sequence; ``names`` has the name to show for each participant."""
    order: list[str] = sequence["participants"]
    rows: list[_Row] = []
    frames: list[_Frame] = []
    bottom = _arrange(sequence["steps"], _HEAD_PX + 14, 0, rows, frames)
    columns = _columns(order, names, rows, labels)
    width = columns[order[-1]] + _width(names[order[-1]]) / 2 + 24
    for frame in frames:
        width = max(width, _frame_sides(frame, columns)[1] + 4)
    for row in rows:
        if "note" in row.step:
            ends = [columns[name] for name in row.step["over"]]
            width = max(width, max(ends) + _width(row.step["note"]) / 2 + 8)
    drawing = Drawing(f"Sequence: {sequence['title']}", anchor)
    for name in order:
        drawing.line(columns[name], _HEAD_PX, columns[name], bottom + 4, kind="life")
    for frame in frames:
        left, right = _frame_sides(frame, columns)
        drawing.box(left, frame.top, right - left, frame.bottom - frame.top, kind="part")
        drawing.box(left, frame.top, len(frame.label) * CHARACTER_PX + 14, 22, kind="tab")
        drawing.text(left + 7, frame.top + 11, frame.label, kind="small", anchor="start")
    for name in order:
        wide = _width(names[name])
        drawing.box(columns[name] - wide / 2, 1, wide, _HEAD_PX, kind="actor")
        drawing.text(columns[name], 1 + _HEAD_PX / 2, names[name], kind="strong")
    for row in rows:
        _draw_row(drawing, row, columns, labels)
    return drawing.finished(width, bottom + 10)


def _arrange(steps: list[dict[str, Any]], y: float, depth: int, rows: list[_Row], frames: list[_Frame]) -> float:
    """Give each step its vertical position, and return where the steps end, in px."""
    for step in steps:
        if "part" in step:
            first = len(rows)
            inner = _arrange(step["steps"], y + 30, depth + 1, rows, frames)
            met = [name for row in rows[first:] for name in _named(row.step)]
            frames.append(_Frame(step["part"], y + 2, inner + 4, depth, met))
            y = inner + 14
        else:
            rows.append(_Row(step, y))
            y += _NOTE_PX if "note" in step else _STEP_PX
    return y


def _named(step: dict[str, Any]) -> list[str]:
    return list(step["over"]) if "note" in step else [step["from"], step["to"]]


def _width(text: str) -> float:
    return len(text) * CHARACTER_PX + 2 * _PAD_PX


def _columns(order: list[str], names: dict[str, str], rows: list[_Row], labels: Labels) -> dict[str, float]:
    """Place the participants so that every label fits between the two that it connects."""
    columns: dict[str, float] = {}
    for index, name in enumerate(order):
        if not index:
            columns[name] = _width(names[name]) / 2 + 16
            continue
        before = order[index - 1]
        least = columns[before] + max(_LEAST_GAP_PX, (_width(names[before]) + _width(names[name])) / 2 + 16)
        for row in rows:
            ends = _named(row.step)
            if "note" not in row.step and name in ends:
                other = ends[0] if ends[1] == name else ends[1]
                if other in columns:
                    least = max(least, columns[other] + _width(labels.of(row.step)) + 6)
        columns[name] = least
    wide = max((_width(row.step["note"]) / 2 for row in rows if "note" in row.step), default=0.0)
    shift = max(0.0, wide + 4 - columns[order[0]])
    return {name: x + shift for name, x in columns.items()}


def _frame_sides(frame: _Frame, columns: dict[str, float]) -> tuple[float, float]:
    met = [columns[name] for name in frame.names]
    left = min(met) - 14 + 4 * frame.depth
    right = max(*met, left + len(frame.label) * CHARACTER_PX + 4) + 14 - 4 * frame.depth
    return left, right


def _draw_row(drawing: Drawing, row: _Row, columns: dict[str, float], labels: Labels) -> None:
    step = row.step
    if "note" in step:
        ends = [columns[name] for name in step["over"]]
        wide = max(_width(step["note"]), max(ends) - min(ends) + 40)
        middle = (max(ends) + min(ends)) / 2
        drawing.box(middle - wide / 2, row.y + 4, wide, 26, kind="note")
        drawing.text(middle, row.y + 17, step["note"])
        return
    start, end = columns[step["from"]], columns[step["to"]]
    y, way = row.y + LINE_PX + 9, 1 if end > start else -1
    kind = "answer" if "of" in step else "step"
    if step.get("lost"):
        end -= way * 24
        drawing.path(f"M {end - 5:.1f} {y - 5:.1f} l 10 10 m 0 -10 l -10 10", kind="step")
        drawing.line(start, y, end - way * 6, y, kind=kind)
    else:
        drawing.line(start, y, end - way * 7, y, kind=kind)
        drawing.head(end - way, y, way, 0)
    middle = (columns[step["from"]] + columns[step["to"]]) / 2
    drawing.text(middle, row.y + LINE_PX / 2 + 6, labels.of(step), kind="" if "text" not in step else "soft")


def in_words(sequence: dict[str, Any], names: dict[str, str], labels: Labels) -> Markup:
    """Return the sequence as an HTML list."""
    return Markup("<ol>{}</ol>").format(Markup("").join(_items(sequence["steps"], names, labels)))


def _items(steps: list[dict[str, Any]], names: dict[str, str], labels: Labels) -> Iterator[Markup]:
    for step in steps:
        if "part" in step:
            inner = Markup("").join(_items(step["steps"], names, labels))
            yield Markup("<li>{}:<ol>{}</ol></li>").format(step["part"], inner)
        elif "note" in step:
            over = " and ".join(names[name] for name in step["over"])
            yield Markup("<li>{}: {}</li>").format(over, step["note"])
        else:
            label: Markup | str = labels.of(step)
            if link := labels.link(step):
                label = Markup('<a href="{}">{}</a>').format(link, label)
            yield Markup("<li>{} → {}: {}</li>").format(names[step["from"]], names[step["to"]], label)
