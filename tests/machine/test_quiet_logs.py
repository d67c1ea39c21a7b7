"""What a program with ``logging.basicConfig(level=INFO)`` sees of a run in which nothing goes wrong: nothing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import pytest

from tests.support.processes import PATIENCE_S, emulator_process, script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVERYTHING: Final = """
import logging
logging.basicConfig(level=logging.{level})
with client:
    with client.connect(on_video_frame=lambda frame: None) as session:
        session.start_stream("A cat", portrait=False)
        frames = first_frames(session)
        with session.record({path!r}):
            session.interact("Night")
            next(frames)
        session.end_stream()
        session.start_stream("A dog", portrait=False)
        first_frames(session)
    client.list_stream_recordings()
    with client.connect() as session:
        session.start_stream("A cat", portrait=False, broadcast=True)
        info = session.wait_for_broadcast(timeout=30)
        with client.watch(info) as spectator:
            next(spectator.frames(timeout=30))
        session.end_stream()
say("done")
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with emulator_process(record=True) as (_, url):
        yield url


def test_a_session_a_recording_and_a_broadcast_log_nothing_at_info(url: str, tmp_path: Path) -> None:
    code = EVERYTHING.format(level="INFO", path=str(tmp_path / "video.mp4"))
    with script(code, url) as process:
        assert process.said(2 * PATIENCE_S) == ["done"]
        assert process.ended() == 0
        assert process.stderr == ""


def test_who_debugs_sees_what_aioice_does(url: str, tmp_path: Path) -> None:
    code = EVERYTHING.format(level="DEBUG", path=str(tmp_path / "video.mp4"))
    with script(code, url, key="ody_debug") as process:
        assert process.said(2 * PATIENCE_S) == ["done"]
        assert process.ended() == 0
        assert "INFO:aioice.ice:" in process.stderr
        assert "DEBUG:odyssey_proto." in process.stderr


def test_warnings_of_aioice_are_seen_by_who_logs_info() -> None:
    from odyssey_proto._net.webrtc import other_logs

    other_logs.keep_quiet()
    other_logs.keep_quiet()
    log = logging.getLogger("aioice.ice")
    passed = [level for level in (logging.INFO, logging.WARNING, logging.ERROR) if log.filter(_record(level))]
    assert passed == [logging.WARNING, logging.ERROR]
    assert len(log.filters) == 1


def _record(level: int) -> logging.LogRecord:
    return logging.LogRecord("aioice.ice", level, "", 0, "text", None, None)
