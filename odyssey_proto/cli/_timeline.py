"""The timeline of scripts, as a table and as JSON-ready data, and the fields in them that are not known.

The scripts have been checked already.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any, Final

from . import _output
from ._script_lines import line_of, place
from ._times import clock

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._script_file import ScriptFile

__all__ = ["print_timeline", "timeline", "unknown_fields"]

_FIELDS: Final[dict[str, tuple[str, ...]]] = {"start": ("prompt", "image"), "interact": ("prompt",), "end": ()}
"""The known fields of each action."""


def timeline(file: ScriptFile, scripts: Sequence[Sequence[dict[str, Any]]]) -> list[list[dict[str, Any]]]:
    """Return the steps of each script, entry by entry.

    Args:
        file: the source of the scripts.
        scripts: what `ScriptFile.checked` returned.
    """
    return [
        [_step(file, index, at, entry) for at, entry in enumerate(script)] for index, script in enumerate(scripts)
    ]


def _step(file: ScriptFile, index: int, at: int, entry: dict[str, Any]) -> dict[str, Any]:
    action = next(key for key in (*_FIELDS, *entry) if key in entry and key != "timestamp_ms")
    body = entry[action]
    prompt = body.get("prompt") if isinstance(body, dict) else None
    image = None
    if action == "start" and "image" in body:
        given = (file.scripts[index] if file.are_many else file.scripts)[at]["start"]["image"]
        image = "data URL" if given.lstrip()[:5].lower() == "data:" else given
    return {
        "line": line_of((index, at), file.lines),
        "timestamp_ms": entry["timestamp_ms"],
        "action": action,
        "prompt": prompt,
        "image": image,
    }


def unknown_fields(file: ScriptFile, scripts: Sequence[Sequence[dict[str, Any]]]) -> Iterator[str]:
    """Yield a text for each unknown field: it may be meant for a newer service, or be a slip.

    The arguments are those of `timeline`.
    """
    for index, script in enumerate(scripts):
        for at, entry in enumerate(script):
            parts: dict[tuple[str, ...], tuple[str, ...]] = {(): ("timestamp_ms", *_FIELDS)}
            parts |= {(action,): fields for action, fields in _FIELDS.items() if action in entry}
            for path, known in parts.items():
                fields = entry[path[0]] if path else entry
                for name in [name for name in fields if name not in known]:
                    close = difflib.get_close_matches(name, known, 1)
                    where = place(file.name, line_of((index, at, *path, name), file.lines))
                    hint = f"; did you mean {close[0]}?" if close else ""
                    yield f"{where}: {name!r} is not known here, and is sent as it is{hint}"


def print_timeline(steps: Sequence[Sequence[dict[str, Any]]]) -> None:
    """Print a table with a row for each entry, and the total to stderr."""
    _output.print_table(("script", "time", "action", "prompt", "image"), _rows(steps))
    total_ms = 0.0
    for number, script in enumerate(steps, 1):
        started_ms: float | None = None
        for step in script:
            if step["action"] == "start":
                started_ms = step["timestamp_ms"]
            elif step["action"] == "end" and started_ms is not None:
                total_ms += step["timestamp_ms"] - started_ms
                started_ms = None
        if started_ms is not None:
            _output.note(f"script {number}: its stream has no end")
            total_ms += script[-1]["timestamp_ms"] - started_ms
    count = "1 script" if len(steps) == 1 else f"{len(steps)} scripts"
    _output.note(f"{count}, {clock(total_ms / 1000)} of video; nothing was sent")


def _rows(steps: Sequence[Sequence[dict[str, Any]]]) -> Iterator[tuple[object, ...]]:
    for number, script in enumerate(steps, 1):
        for step in script:
            prompt = step["prompt"] if step["prompt"] is not None else ""
            yield number, clock(step["timestamp_ms"] / 1000), step["action"], prompt, step["image"] or ""
