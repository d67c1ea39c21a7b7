"""Captures, without a network: what is written is bounded, in order, and can be read."""

from __future__ import annotations

import errno
import json
import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from odyssey_proto import LiveCapture, OdysseyConnectionError
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._live import live_capture
from odyssey_proto._live.beginning import Beginning
from odyssey_proto._model.cassette_secrets import MASK, Scrubber
from odyssey_proto._model.traffic import Exchange, Message
from odyssey_proto._net.tap import Tap
from tests.support.cassettes import records_in
from tests.support.forked import held_by_another_thread, in_child
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME = bytes(1000)


@attrs.frozen
class Rig:
    """The traffic of a session, and the file of its capture."""

    path: Path
    beginning: Beginning = attrs.field(factory=Beginning)
    tap: Tap = attrs.field(factory=Tap)
    calls: Tap = attrs.field(factory=Tap)

    def __attrs_post_init__(self) -> None:
        self.tap.add(self.beginning.saw)

    def capture(self, *secrets: str) -> LiveCapture:
        return LiveCapture(self.path, self.beginning, self.tap, self.calls, MonotonicClock(), secrets=secrets)

    def say(self, data: Any) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        self.tap.show(Message(place="signaling", from_client=False, text=text, user_agent=""))

    def call(self, **fields: Any) -> None:
        usual: dict[str, Any] = {
            "method": "GET",
            "route": "/ping",
            "path": "/ping",
            "query": (),
            "status": 200,
            "headers": {},
            "request_headers": {},
            "request_body": b"",
            "body": b"{}",
        }
        self.calls.show(Exchange(**usual | fields))

    def written(self, kind: str) -> list[Any]:
        return [json.loads(payload) for head, payload in records_in(self.path) if head["kind"] == kind]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "a.cast")


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Hold the writing thread up, at its first text, until the event is set."""
    may_go_on, text = threading.Event(), Scrubber.text

    def held_up(self: Scrubber, given: str | bytes) -> bytes:
        assert may_go_on.wait(30)
        return text(self, given)

    monkeypatch.setattr(Scrubber, "text", held_up)
    yield may_go_on
    may_go_on.set()


def test_how_the_session_began_comes_first(rig: Rig) -> None:
    rig.say({"type": "offer", "sdp": "v=0"})
    with rig.capture():
        rig.say({"type": "ice_candidate", "candidate": ""})
    assert [message["type"] for message in rig.written("message")] == ["offer", "ice_candidate"]


def test_messages_that_come_faster_than_they_can_be_written_end_the_capture(
    rig: Rig, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_capture, "CAPTURE_QUEUE_BYTES", 100_000)
    capture = rig.capture()
    for number in range(1000):
        rig.say({"type": "x", "number": number})
    assert not capture.is_capturing
    held.set()
    with pytest.raises(OSError, match="faster than they could be written") as caught:
        capture.close()
    assert caught.value.errno == errno.ENOBUFS
    numbers = [message["number"] for message in rig.written("message")]
    assert numbers == [*range(len(numbers))]
    assert 10 < len(numbers) < 500
    assert records_in(rig.path)[-1][0]["kind"] == "end"


def test_one_message_is_taken_however_long_it_is(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_capture, "CAPTURE_QUEUE_BYTES", 100)
    with rig.capture():
        rig.say({"type": "x", "text": "y" * 10_000})
    assert len(rig.written("message")) == 1


def test_frames_without_end_are_left_out_while_the_file_is_behind(
    rig: Rig, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_capture, "CAPTURE_QUEUE_BYTES", 100_000)
    with rig.capture() as capture:
        rig.say({"type": "x"})
        for number in range(200):
            rig.tap.show_frame("video/VP8", FRAME, number, is_keyframe=True)
        held.set()
    assert capture.frames + capture.dropped == 200
    assert capture.dropped > 100


def test_a_capture_ends_where_no_more_records_would_be_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("odyssey_proto._model.cassette.CASSETTE_RECORDS_MOST", 20)
    monkeypatch.setattr(live_capture, "CASSETTE_RECORDS_MOST", 20)
    capture = rig.capture()
    for _ in range(50):
        rig.say({"type": "x"})
    with pytest.raises(OSError, match="too large") as caught:
        capture.close()
    assert caught.value.errno == errno.EFBIG
    assert len(records_in(rig.path)) == 20


def test_what_would_be_too_long_for_a_record_is_left_out_or_cut(rig: Rig) -> None:
    with rig.capture():
        rig.call(path="/" + "x" * 100_000)
        rig.call(query=tuple((f"name{number}", "") for number in range(10_000)))
        rig.call(headers={"Content-Type": "x" * 100_000})
        rig.say({"type": "x"})
    assert [head["kind"] for head, _ in records_in(rig.path)] == ["cassette", "call", "call", "message", "end"]


def test_what_is_known_to_be_secret_is_masked_whoever_repeats_it(rig: Rig) -> None:
    with rig.capture("a key of any form"):
        rig.say({"detail": "No a key of any form"})
        rig.call(request_headers={"authorization": "Bearer opaque-token"}, body=b'{"detail": "for opaque-token"}')
    assert rig.written("message") == [{"detail": f"No {MASK}"}]
    (call,) = rig.written("call")
    assert call["answer"] == f'{{"detail": "for {MASK}"}}'


def test_a_failure_of_the_writing_is_raised_and_stops_the_watching(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(Scrubber, "text", fail)
    capture = rig.capture()
    rig.say({"type": "x"})
    with pytest.raises(OdysseyConnectionError) as caught:
        capture.close()
    assert caught.value.code == "internal"
    assert not capture.is_capturing
    assert not rig.calls.shows_text
    assert not rig.tap.shows_media


def test_a_failure_of_the_writing_does_not_hide_what_the_user_raised(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    def raise_within() -> None:
        with rig.capture():
            rig.say({"type": "x"})
            raise KeyError("the user's")

    monkeypatch.setattr(Scrubber, "text", fail)
    with pytest.raises(KeyError, match="the user's") as caught:
        raise_within()
    assert any("capture failed as well" in note for note in caught.value.__notes__)


@NEEDS_FORK
def test_a_child_of_a_fork_leaves_the_capture_to_its_parent(rig: Rig) -> None:
    with rig.capture() as capture:
        writing = capture._writing
        with held_by_another_thread(writing._lock):
            assert in_child(capture.close) == "None"
        rig.say({"type": "x"})
    assert len(rig.written("message")) == 1
