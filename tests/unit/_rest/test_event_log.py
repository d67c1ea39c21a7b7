"""Event logs of recordings, line by line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import OdysseyConfigError, iter_events, read_event_log
from odyssey_proto._rest import event_log

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


@pytest.mark.parametrize("line", ["[]", "{", "\ud83d", "7", b"\xff\x00{}", b"\x00\x00{}", b'{"a": "\xe4"}'])
def test_a_line_that_is_no_event_is_named(line: str | bytes) -> None:
    events = read_event_log(["{}", line])  # type: ignore[list-item]  # a file may be open for bytes
    assert next(events) == {}
    with pytest.raises(OdysseyConfigError, match="Line 2"):
        next(events)


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_log, "EVENT_LOG_LINE_MOST_BYTES", 20)
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"type": "0123456"}\n{"type": "01234567"}\n')
    events = read_event_log(path)
    assert next(events) == {"type": "0123456"}
    with pytest.raises(OdysseyConfigError, match="Line 2 of the event log has more than 20 bytes"):
        next(events)
    with pytest.raises(OdysseyConfigError, match="Line 1"):
        next(read_event_log(["x" * 21]))


@pytest.mark.parametrize("source", [7, b"{}", None])
def test_a_source_of_another_type(source: Any) -> None:
    with pytest.raises(TypeError):
        read_event_log(source)
