"""Lists of prompts, as in a CSV file, and the scripts that they become. Files are read by `_script_file`."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from ._options import SECONDS
from ._script_lines import Lines, invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Row", "are_prompts", "csv_rows", "scripts_of"]

Row: TypeAlias = tuple[int | None, Mapping[Any, Any]]
"""The line of a row, None if it is not known, and its cells by column."""

_SEPARATORS: Final = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_COLUMNS: Final = ("prompt", "time", "script", "image")


def are_prompts(items: Any) -> bool:
    """Return whether this is a list of prompts: of texts, or of objects with a ``prompt`` of their own."""
    if not isinstance(items, list) or not items:
        return False
    first = items[0]
    return isinstance(first, str) or (
        isinstance(first, Mapping) and "prompt" in first and "timestamp_ms" not in first
    )


def csv_rows(text: str, name: str) -> list[Row]:
    """Return the rows of a CSV text, whose first row names the columns; the separator is a comma, semicolon or
    tab.

    Raises:
        OdysseyConfigError: it is not such a text.
    """
    head = text.lstrip().split("\n", 1)[0]
    delimiter = max(_SEPARATORS, key=head.count)
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may have the data URL of an image
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    rows: list[Row] = []
    before = 0
    while True:
        try:
            cells = next(reader, None)
        except csv.Error as exc:
            raise invalid(name, reader.line_num, f"not CSV: {exc}") from None
        if cells is None:
            break
        line, before = before + 1, reader.line_num  # a cell may have several lines
        if not any(cell.strip() for cell in cells):
            continue
        if not columns:
            columns = [cell.strip().lower() for cell in cells]
            if "prompt" not in columns:
                raise invalid(name, line, f"the first row must name the columns: {', '.join(_COLUMNS)}")
            _check_columns(columns, line, name)
            continue
        if len(cells) > len(columns):
            counts = f"more cells ({len(cells)}) than columns ({len(columns)})"
            raise invalid(name, line, f"{counts}; a text with {_SEPARATORS[delimiter]} needs quotes")
        rows.append((line, {column: cell for column, cell in zip(columns, cells, strict=False) if cell.strip()}))
    return rows


def scripts_of(rows: Sequence[Row], name: str, hold_s: float) -> tuple[list[list[dict[str, Any]]], Lines]:
    """Return the scripts that rows of prompts describe, and the lines of their entries.

    Rows with the same ``script`` form one; rows without it form one if any has a ``time``, else one each. The
    first prompt of a script starts its stream. Prompts without a time follow each other.

    Args:
        rows: the rows.
        name: of the file, for errors.
        hold_s: how long, in s, a prompt stays if it is the last of its script, or the next one has no time.

    Raises:
        OdysseyConfigError: a row is not valid.
    """
    together = any(row.get("time") is not None for _, row in rows if isinstance(row, Mapping))
    scripts: dict[object, list[tuple[int | None, dict[str, Any]]]] = {}
    for number, (line, given) in enumerate(rows):
        row = _checked(given, line, name)
        group = row.get("script")
        key = ("named", str(group)) if group is not None else ("other", 0 if together else number)
        entries = scripts.setdefault(key, [])
        if row.get("time") is not None:
            at_ms = round(_seconds(row["time"], line, name) * 1000)
        else:
            at_ms = entries[-1][1]["timestamp_ms"] + round(hold_s * 1000) if entries else 0
        action = {"prompt": row["prompt"]}
        if "image" in row:
            if entries:
                raise invalid(name, line, "image: only the first prompt of a script can have one")
            action["image"] = row["image"]
        entries.append((line, {"timestamp_ms": at_ms, "interact" if entries else "start": action}))
    lines: Lines = {}
    for index, entries in enumerate(scripts.values()):
        last_line, last = entries[-1]
        entries.append((last_line, {"timestamp_ms": last["timestamp_ms"] + round(hold_s * 1000), "end": {}}))
        lines |= {(index, at): line for at, (line, _) in enumerate(entries) if line is not None}
    return [[entry for _, entry in entries] for entries in scripts.values()], lines


def _checked(given: Any, line: int | None, name: str) -> Mapping[str, Any]:
    row = {"prompt": given} if isinstance(given, str) else given
    if not isinstance(row, Mapping):
        raise invalid(name, line, f"it must be a prompt, not {type(row).__name__}")
    _check_columns(row, line, name)
    if not isinstance(row.get("prompt", ""), str):
        raise invalid(name, line, f"prompt must be text, not {type(row['prompt']).__name__}")
    if not row.get("prompt", "").strip():
        raise invalid(name, line, "the prompt is missing")
    return row


def _check_columns(columns: Iterable[Any], line: int | None, name: str) -> None:
    for column in columns:
        if column not in _COLUMNS:
            close = difflib.get_close_matches(str(column), _COLUMNS, 1)
            hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(_COLUMNS)}"
            raise invalid(name, line, f"{column!r} is not a column; {hint}")


def _seconds(value: Any, line: int | None, name: str) -> float:
    try:
        return SECONDS.convert(value if not isinstance(value, bool) else str(value), None, None)
    except click.UsageError as exc:
        raise invalid(name, line, f"time {exc.message}") from None
