"""Event logs of recordings, line by line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import OdysseyConfigError, iter_events, read_event_log

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = b'{"type": "start"}\n{"type": "end"}\n'


def test_the_older_name_still_works() -> None:
    assert iter_events is read_event_log


def test_events_come_from_a_path_and_from_lines(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(EVENTS + b"\n")
    assert (
        list(read_event_log(path)) == list(read_event_log(os.fspath(path))) == [{"type": "start"}, {"type": "end"}]
    )
    with path.open() as lines:
        assert len(list(read_event_log(lines))) == 2


@pytest.mark.parametrize("line", ["[]", "{", "\ud83d", "7"])
def test_a_line_that_is_no_event_is_named(line: str) -> None:
    events = read_event_log(["{}", line])
    assert next(events) == {}
    with pytest.raises(OdysseyConfigError, match="Line 2"):
        next(events)


@pytest.mark.parametrize("source", [7, b"{}", None])
def test_a_source_of_another_type(source: Any) -> None:
    with pytest.raises(TypeError):
        read_event_log(source)
