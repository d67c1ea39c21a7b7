"""Reading the event logs of recordings (JSONL) line by line. Nothing is downloaded here."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from .._base.errors import OdysseyConfigError
from .._base.limits import EVENT_LOG_LINE_MOST_BYTES
from .._base.public_path import publish
from .._base.tracebacks import is_from

__all__ = ["iter_events", "read_event_log"]


def read_event_log(source: str | os.PathLike[str] | Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    """Iterate over an event log (JSONL), given as a path or lines. The fields of events are not documented.

    Raises:
        TypeError: ``source`` is neither a path nor lines.
        OdysseyConfigError: a line is not a JSON object, or longer than 64 MiB; the text gives its number.
        OSError: the file cannot be read.

    >>> list(read_event_log(['{"type": "start"}', "", '{"type": "end"}']))
    [{'type': 'start'}, {'type': 'end'}]
    """
    if isinstance(source, str | os.PathLike):
        return _events_of_file(Path(source))
    if isinstance(source, bytes) or not isinstance(source, Iterable):
        raise TypeError(f"source must be a path or lines, not {type(source).__name__}")
    return _events(source)


iter_events = read_event_log  # the older name


def _events_of_file(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        yield from _events(iter(lambda: lines.readline(EVENT_LOG_LINE_MOST_BYTES + 1), b""))


def _events(lines: Iterable[str | bytes]) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(lines, 1):
        if len(line) > EVENT_LOG_LINE_MOST_BYTES:
            raise OdysseyConfigError(
                f"Line {number} of the event log has more than {EVENT_LOG_LINE_MOST_BYTES} bytes", code="too_large"
            )
        if not line.strip():
            continue
        try:
            event = json.loads(_text(line))
        except (ValueError, RecursionError) as exc:
            if not is_from(exc, "json"):  # raised by a signal handler
                raise
            event = None
        if not isinstance(event, dict):
            raise OdysseyConfigError(f"Line {number} of the event log is not a JSON object", code="malformed")
        yield event


def _text(line: str | bytes) -> str:
    """Return the text of a line; "" if it is not UTF-8. `json` would guess other encodings."""
    if isinstance(line, str):
        return line
    encoded = line.removeprefix(codecs.BOM_UTF8)
    try:
        return encoded.decode()
    except UnicodeDecodeError as exc:
        if exc.object != encoded:  # raised by a signal handler
            raise
        return ""


publish("odyssey_proto", read_event_log)
