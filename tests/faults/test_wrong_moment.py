"""Every message of the service at every moment, also twice, incomplete and far too large: nothing breaks."""

from __future__ import annotations

import itertools
import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConnectionStatus,
    MalformedMessageError,
    Odyssey,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    StatusChanged,
    StreamStarted,
)
from odyssey_proto.core import inputs
from tests.support.cases import run_all
from tests.support.live import number_of, take
from tests.support.processes import PATIENCE_S, eventually
from tests.support.streamers import ScriptedStreamer, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from odyssey_proto import Session
    from tests.conftest import Background

HUGE: Final = "x" * 5_000_000
JWT: Final = "e30.eyJzZXNzaW9uX2lkIjoicy0xIn0.c2ln"  # a token of the session s-1
CANDIDATE: Final = "candidate:1 1 udp 2130706431 127.0.0.1 9 typ host"

SIGNALING: Final[dict[str, dict[str, Any]]] = {
    "ice_candidate": {"candidate": CANDIDATE, "sdpMid": "0", "sdpMLineIndex": 0},
    "offer": {"sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
    "error": {"reason": "streamer_disconnected"},
    "answer": {"sdp": "v=0"},
    "keepalive": {},
    "client_disconnecting": {},
    "stream_started": {"stream_id": "stray"},
}
"""Messages through the WebSocket, including those that only a client sends or that belong on the channel."""

CHANNEL: Final[dict[str, dict[str, Any]]] = {
    "stream_started": {"stream_id": "stray", "applied_prompt": "Stray"},
    "update_acknowledged": {"prompt": "Stray"},
    "stream_ended": {},
    "broadcast_ready": {"broadcast_url": None, "webrtc_url": "http://127.0.0.1:9/x", "spectator_token": "t"},
    "interactive_stream_error": {"reason": "moderation", "message": "Stray"},
    "update": {"prompt": "Stray"},
    "interactive_stream_end": {},
    "offer": {"sdp": "v=0"},
}
"""Messages on ``streamerToClient``, including those that only a client sends or that belong to signaling."""


def pieces(kind: str, fields: dict[str, Any]) -> list[str]:
    """Return variants of a message: with a field missing, empty or odd, without fields, with one more, and cut."""
    found = []
    for name in fields:
        found.append(message(kind, **{other: value for other, value in fields.items() if other != name}))
        found += [message(kind, **{**fields, name: odd}) for odd in (None, "", 5, -1.5, True, [], {}, [[]])]
    return [*found, message(kind), message(kind, **fields, more={"a": [1]}), message(kind, **fields)[:-1]]


def whole_and_twice(kind: str, fields: dict[str, Any]) -> list[str]:
    return [message(kind, **fields)] * 3


@pytest.fixture
def streamer(nothing_left: None) -> Iterator[ScriptedStreamer]:
    with ScriptedStreamer() as streamer:
        yield streamer


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """The log; checked at the end for internal failures."""
    caplog.set_level(logging.DEBUG, "odyssey_proto")
    yield caplog
    assert failures(caplog.get_records("call")) == []


def failures(records: list[logging.LogRecord]) -> list[str]:
    """Return the internal failures among ``records``."""
    failed = [record for record in records if record.levelno >= logging.ERROR]
    return [record.getMessage() for record in failed if "emulator" not in record.name]


@pytest.fixture
def client(streamer: ScriptedStreamer, log: pytest.LogCaptureFixture) -> Iterator[Odyssey]:
    fast = AdvancedConfig(max_retries=2, initial_retry_delay_ms=10, max_retry_delay_ms=50)
    with Odyssey("ody_test", api_url=streamer.url, advanced=fast) as client:
        yield client


def connect(client: Odyssey) -> Session:
    """Return the session of an earlier case, if it goes on, or a new one."""
    session = client._session
    return session if session is not None and session.is_connected else client.connect(timeout=PATIENCE_S)


def stream(client: Odyssey) -> Session:
    session = connect(client)
    session.start_stream("A cat", timeout=PATIENCE_S)
    take(session.frames(timeout=PATIENCE_S), 2)
    return session


class Rig:
    """A client brought to a certain moment, and the calls that still wait there."""

    def __init__(
        self,
        streamer: ScriptedStreamer,
        client: Odyssey,
        log: pytest.LogCaptureFixture,
        in_background: Background,
    ) -> None:
        self.streamer = streamer
        self.client = client
        self._log = log
        self._in_background = in_background
        self._waiting: list[tuple[str, Any]] = []
        self._marks = itertools.count()

    def hold(self, request: str, call: Callable[..., object], *args: object) -> None:
        """Start a call, and let it wait for an answer."""
        self.streamer.held.add(request)
        self._waiting.append((request, self._in_background(call, *args, timeout=PATIENCE_S)))
        self.streamer.wait_for(request)

    def send(self, way: Callable[..., None], *texts: str) -> None:
        """Send texts by `signal` or `tell` of the streamer, and wait until the client has read them."""
        last = f"last-{next(self._marks)}-"
        links = self.streamer.links
        way(*texts, message(last))
        session = self.session
        # The client stops reading if one of the texts made it leave.
        eventually(lambda: last in self._log.text or session.has_ended or self.streamer.links > links)
        self._settle(session)

    def _settle(self, session: Session) -> None:
        """Wait until the messages read have also been processed: the session takes its inbox in order."""
        mark = "VideoSeen of a link that was given up"
        before = self._log.text.count(mark)
        session._driver.post(inputs.VideoSeen(-1, None))
        eventually(lambda: self._log.text.count(mark) > before or session.has_ended)

    @property
    def session(self) -> Session:
        session = self.client._session
        assert session is not None
        return session

    def go_on(self) -> None:
        """Answer the waiting calls; each ends with a result or with a typed error."""
        self.streamer.held.clear()
        for request, call in self._waiting:
            self.streamer.answer(request)
            error = call.exception(PATIENCE_S)
            assert error is None or isinstance(error, OdysseyError)
            assert not isinstance(error, TimeoutError)
        if self._waiting and self.session.is_connected:
            self.send(self.streamer.tell)  # late answers come before this

    def each_works(self, check: Callable[[Any], None], cases: list[tuple[str, Any]]) -> None:
        """Run the cases of a test on one connection while it lasts; after a failure, they go on with a new one."""

        def run(case: Any) -> None:
            try:
                check(case)
                self.works()
                assert failures(self._log.records) == []
            except BaseException:  # a failed assertion, too, leaves a session that may be spoilt
                self.client.disconnect()
                raise
            finally:
                self.streamer.held.clear()
                self.streamer.forget()
                self._waiting.clear()
                self._log.clear()

        run_all(run, cases)

    def works(self) -> None:
        """Assert that the session is in a valid state, and that it, or the next one, can stream."""
        session = self.session
        if session.has_ended:
            assert self.client.current_status in (ConnectionStatus.FAILED, ConnectionStatus.DISCONNECTED)
            session = connect(self.client)
        eventually(lambda: session.status is ConnectionStatus.CONNECTED)
        if session.stream_id is not None:
            session.end_stream(timeout=PATIENCE_S)
        assert session.start_stream("A dog", timeout=PATIENCE_S) == "stream-1"
        frames = session.frames(timeout=PATIENCE_S)
        numbers = [number_of(frame) for frame in take(frames, 3)]
        assert numbers == sorted(set(numbers))
        assert session.interact("Night", timeout=PATIENCE_S)
        session.end_stream(timeout=PATIENCE_S)
        assert session.is_connected


def bring_to_connected(rig: Rig) -> None:
    connect(rig.client)


def bring_to_starting(rig: Rig) -> None:
    rig.hold("interactive_stream_start", connect(rig.client).start_stream, "A cat")


def bring_to_streaming(rig: Rig) -> None:
    stream(rig.client)


def bring_to_interact(rig: Rig) -> None:
    rig.hold("update", stream(rig.client).interact, "Night")


def bring_to_ending(rig: Rig) -> None:
    rig.hold("interactive_stream_end", stream(rig.client).end_stream)


def bring_past_a_refused_start(rig: Rig) -> None:
    answers = rig.streamer.answers
    start, answers["interactive_stream_start"] = (
        answers["interactive_stream_start"],
        lambda _: message("interactive_stream_error", reason="moderation", message="No"),
    )
    with pytest.raises(OdysseyStreamError):
        connect(rig.client).start_stream("A cat", timeout=PATIENCE_S)
    answers["interactive_stream_start"] = start


def bring_past_an_abandoned_start(rig: Rig) -> None:
    session = connect(rig.client)
    rig.streamer.held.add("interactive_stream_start")
    with pytest.raises(OdysseyStreamTimeoutError):
        session.start_stream("A cat", timeout=0.2)
    rig.streamer.wait_for("interactive_stream_start")  # if it came later, it would be answered
    rig.streamer.held.clear()


def bring_past_the_end(rig: Rig) -> None:
    stream(rig.client).end_stream(timeout=PATIENCE_S)


MOMENTS: Final[dict[str, Callable[[Rig], None]]] = {
    "connected": bring_to_connected,
    "starting": bring_to_starting,
    "streaming": bring_to_streaming,
    "in interact": bring_to_interact,
    "ending": bring_to_ending,
    "past the end": bring_past_the_end,
    "past a refused start": bring_past_a_refused_start,
    "past an abandoned start": bring_past_an_abandoned_start,
}


@pytest.fixture
def rig(
    streamer: ScriptedStreamer, client: Odyssey, log: pytest.LogCaptureFixture, in_background: Background
) -> Rig:
    return Rig(streamer, client, log, in_background)


FORMS: Final = {"pieces": pieces, "whole and twice": whole_and_twice}


def cases_of(messages: dict[str, dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Return the texts of each message in each form, with a name."""
    return [
        (f"{kind}, {form}", make(kind, fields))
        for kind, fields in messages.items()
        for form, make in FORMS.items()
    ]


def breaks_nothing(rig: Rig, moment: str, way: Callable[..., None], messages: dict[str, dict[str, Any]]) -> None:
    """Send each message in each form at a moment, by `signal` or `tell` of the streamer."""

    def check(texts: list[str]) -> None:
        MOMENTS[moment](rig)
        rig.send(way, *texts)
        rig.go_on()

    rig.each_works(check, cases_of(messages))


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_message_on_the_channel_breaks_nothing(moment: str, rig: Rig) -> None:
    breaks_nothing(rig, moment, rig.streamer.tell, CHANNEL)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_message_through_signaling_breaks_nothing(moment: str, rig: Rig) -> None:
    breaks_nothing(rig, moment, rig.streamer.signal, SIGNALING)


FATAL: Final = {"error": ["streamer_disconnected", "unknown"]}
"""Messages that end a session, and the codes that its error may have."""


@pytest.mark.parametrize("kind", SIGNALING)
@pytest.mark.parametrize("make", [pieces, whole_and_twice])
def test_a_message_before_the_offer_breaks_nothing(
    kind: str, make: Callable[[str, dict[str, Any]], list[str]], rig: Rig
) -> None:
    rig.streamer.before_offer += make(kind, SIGNALING[kind])
    if kind in FATAL:
        with pytest.raises(OdysseyConnectionError) as caught:
            connect(rig.client)
        assert caught.value.code in FATAL[kind]
        rig.streamer.before_offer.clear()
    connect(rig.client)
    rig.works()


# --- a stream whose start has failed, and an end that crosses a start


def test_an_end_that_crosses_a_start_does_not_fail_it(rig: Rig) -> None:
    bring_to_starting(rig)
    rig.send(rig.streamer.tell, message("stream_ended"))
    rig.go_on()
    assert rig.session.stream_id == "stream-1"
    rig.works()


def test_a_stream_that_starts_after_its_call_timed_out_is_ended_and_the_next_one_starts(rig: Rig) -> None:
    bring_past_an_abandoned_start(rig)
    session = rig.session
    happening = session.events(timeout=PATIENCE_S)
    rig.streamer.answer("interactive_stream_start")
    rig.streamer.wait_for("interactive_stream_end")
    assert session.stream_id is None
    assert session.start_stream("A dog", timeout=PATIENCE_S) == "stream-1"
    assert isinstance(next(happening), StreamStarted), "of the late stream nothing is reported"
    assert take(session.frames(timeout=PATIENCE_S), 3)


def test_a_start_after_one_that_timed_out_has_that_ended_and_starts(rig: Rig) -> None:
    bring_past_an_abandoned_start(rig)
    assert rig.session.start_stream("A dog", timeout=PATIENCE_S) == "stream-1"
    assert [kind for kind in rig.streamer.heard if kind.startswith("interactive")] == [
        "interactive_stream_start",
        "interactive_stream_end",
        "interactive_stream_start",
    ]


def test_a_stream_that_starts_although_it_was_refused_is_ended(rig: Rig) -> None:
    bring_past_a_refused_start(rig)
    rig.send(rig.streamer.tell, message("stream_started", stream_id="late"))
    rig.streamer.wait_for("interactive_stream_end")
    eventually(lambda: rig.session._driver._core.stream.value == "none")  # type: ignore[attr-defined]
    assert rig.session.stream_id is None
    rig.works()


# --- messages that lack something, or cannot be read


def named(*fields: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the fields of a message as cases, with names."""
    return [(json.dumps(each), each) for each in fields]


def test_a_stream_without_an_id_works(rig: Rig) -> None:
    def check(fields: dict[str, Any]) -> None:
        rig.streamer.answers["interactive_stream_start"] = lambda _: message("stream_started", **fields)
        session = connect(rig.client)
        assert session.start_stream("A cat", timeout=PATIENCE_S) == ""
        assert session.stream_id == ""
        assert take(session.frames(timeout=PATIENCE_S), 3)
        session.end_stream(timeout=PATIENCE_S)
        assert session.stream_id is None

    run_all(check, named({}, {"stream_id": None}, {"stream_id": ""}, {"stream_id": []}))


def test_an_interaction_without_a_prompt_is_answered(rig: Rig) -> None:
    def check(fields: dict[str, Any]) -> None:
        rig.streamer.answers["update"] = lambda _: message("update_acknowledged", **fields)
        session = stream(rig.client)
        assert session.last_applied_prompt == "Applied"
        assert session.interact("Night", timeout=PATIENCE_S) == ""
        assert session.last_applied_prompt is None
        session.end_stream(timeout=PATIENCE_S)

    run_all(check, named({}, {"prompt": None}, {"prompt": ""}, {"prompt": {}}))


def test_an_error_without_words_has_those_of_the_official_client(rig: Rig) -> None:
    def check(fields: dict[str, Any]) -> None:
        rig.streamer.answers["update"] = lambda _: message("interactive_stream_error", **fields)
        session = stream(rig.client)
        with pytest.raises(OdysseyStreamError) as caught:
            session.interact("Night", timeout=PATIENCE_S)
        assert (str(caught.value), caught.value.code) == ("unknown: Stream error occurred", "unknown")
        session.disconnect()  # the error has ended the stream, but not the streamer's pictures

    run_all(check, named({}, {"reason": None, "message": None}, {"reason": [], "message": {}}))


CUT_SHORT: Final = {
    "interactive_stream_start": '{"type": "stream_started", "stream_id": "str',
    "update": '{"type": "update_acknowledged", "prompt": "Ni',
}
"""Answers that cannot be read."""


@pytest.mark.parametrize("request_type", CUT_SHORT)
@pytest.mark.parametrize("answer", ["itself", "an error"])
def test_an_answer_that_cannot_be_read_fails_its_call_at_once_and_the_session_goes_on(
    request_type: str, answer: str, rig: Rig
) -> None:
    told: list[tuple[Exception, bool]] = []
    session = rig.client.connect(on_error=lambda error, fatal: told.append((error, fatal)), timeout=PATIENCE_S)
    if request_type == "update":
        session.start_stream("A cat", timeout=PATIENCE_S)
    usual = dict(rig.streamer.answers)
    odd = CUT_SHORT[request_type] if answer == "itself" else '{"type": "interactive_stream_error", "reason": "a'
    rig.streamer.answers[request_type] = lambda _: odd
    call = session.start_stream if request_type == "interactive_stream_start" else session.interact
    with pytest.raises(MalformedMessageError) as caught:
        call("A cat", timeout=PATIENCE_S)
    assert caught.value.session_id == session.session_id
    rig.streamer.answers.update(usual)
    eventually(lambda: told)
    assert [(type(error), fatal) for error, fatal in told] == [(MalformedMessageError, False)]
    rig.works()


def test_what_is_no_message_is_reported_and_the_next_one_is_read(rig: Rig) -> None:
    told: list[tuple[Exception, bool]] = []
    session = rig.client.connect(on_error=lambda error, fatal: told.append((error, fatal)), timeout=PATIENCE_S)
    session.start_stream("A cat", timeout=PATIENCE_S)

    def check(text: str) -> None:
        told.clear()
        rig.send(rig.streamer.tell, text)
        rig.send(rig.streamer.signal, text)
        eventually(lambda: len(told) == 2)
        assert [(type(error), fatal) for error, fatal in told] == [(MalformedMessageError, False)] * 2
        assert session.interact("Night", timeout=PATIENCE_S)

    run_all(check, ((repr(text), text) for text in ("{", "[]", "", "null", '{"type": 5}', "\x00")))


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"], ids=["no BOM", "a BOM"])
def test_bytes_are_read_like_text(before: bytes, rig: Rig) -> None:
    rig.streamer.as_bytes = lambda text: before + text.encode()
    session = stream(rig.client)
    assert session.interact("Grüße", timeout=PATIENCE_S) == "Applied: Grüße"
    session.end_stream(timeout=PATIENCE_S)


def test_bytes_that_are_no_message_are_reported_and_the_next_ones_are_read(rig: Rig) -> None:
    told: list[tuple[Exception, bool]] = []
    session = rig.client.connect(on_error=lambda error, fatal: told.append((error, fatal)), timeout=PATIENCE_S)
    rig.streamer.as_bytes = lambda _: b"\x00\xff\xfe"
    rig.streamer.tell("one")
    rig.streamer.signal("two")
    rig.streamer.as_bytes = None
    eventually(lambda: len(told) == 2)
    assert session.start_stream("A cat", timeout=PATIENCE_S)


# --- the first handshake


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 410, 418, 426, 429, 500, 502, 503])
def test_a_handshake_that_is_refused_at_first_is_tried_again_as_the_same_session(status: int, rig: Rig) -> None:
    rig.streamer.refusals += [(status, {})] * 2
    assert connect(rig.client).session_id == "s-1"
    kept = ["st-1", "st-1", "st-1"]
    assert rig.streamer.handshakes == (["st-1", "st-2", "st-3"] if status in (401, 403) else kept)


def test_a_handshake_that_is_refused_again_and_again_fails_after_max_retries(rig: Rig) -> None:
    rig.streamer.refusals += [(404, {})] * 3
    with pytest.raises(OdysseyConnectionError) as caught:
        connect(rig.client)
    assert (caught.value.code, caught.value.session_id) == ("unknown_session", "s-1")
    rig.streamer.wait_for("client_disconnecting")
    assert rig.streamer.handshakes[:3] == ["st-1"] * 3


def test_a_session_that_the_server_does_not_know_yet_is_given_back_after_a_pause(rig: Rig) -> None:
    rig.streamer.refusals += [(404, {})] * 5
    with pytest.raises(OdysseyConnectionError):
        connect(rig.client)
    rig.streamer.wait_for("client_disconnecting")
    assert len(rig.streamer.handshakes) == 6


@pytest.mark.parametrize("answer", [{}, {"session_token": None}, [], "x", {"session_token": [1]}])
def test_a_session_token_that_cannot_be_read_is_asked_for_again(answer: Any, rig: Rig) -> None:
    rig.streamer.token_answers.append(answer)
    assert connect(rig.client).is_connected
    assert rig.streamer.handshakes == ["st-1"]


def test_a_server_that_says_when_to_come_back_is_asked_then(rig: Rig) -> None:
    rig.streamer.refusals.append((503, {"Retry-After": "1"}))
    began = time.monotonic()
    connect(rig.client)
    assert time.monotonic() - began >= 1.0


def test_a_server_that_is_busy_for_longer_than_it_keeps_the_session_is_not_waited_for(rig: Rig) -> None:
    rig.streamer.refusals.append((503, {"Retry-After": "3600"}))
    with pytest.raises(OdysseyConnectionError) as caught:
        connect(rig.client)
    assert (caught.value.status, caught.value.retry_after) == (503, 3600.0)
    rig.streamer.wait_for("client_disconnecting")


def test_with_credentials_a_refused_handshake_is_tried_again_with_the_same_token(rig: Rig) -> None:
    rig.streamer.token_answers.append({"session_token": JWT})
    minted = rig.client.create_client_credentials()
    rig.streamer.handshakes.clear()
    rig.streamer.refusals += [(404, {}), (403, {})]
    assert rig.client.connect_with_credentials(minted, timeout=PATIENCE_S).is_connected
    assert rig.streamer.handshakes == [JWT] * 3


# --- some MB in a field


HUGE_SIGNALING: Final = [
    (f"{name} of {kind}", (kind, {**fields, name: HUGE}))
    for kind, fields in SIGNALING.items()
    for name, value in fields.items()
    if isinstance(value, str)
]


@pytest.mark.parametrize("moment", ["connected", "streaming"])
def test_5_mb_in_a_field_of_a_signaling_message_break_nothing(
    moment: str, rig: Rig, log: pytest.LogCaptureFixture
) -> None:
    def check(case: tuple[str, dict[str, Any]]) -> None:
        kind, fields = case
        MOMENTS[moment](rig)
        rig.send(rig.streamer.signal, message(kind, **fields))
        rig.go_on()
        assert max(len(record.getMessage()) for record in log.records) < 1000

    rig.each_works(check, [("the type", (HUGE, {})), *HUGE_SIGNALING])


@pytest.mark.parametrize("kind", ["update_acknowledged", "interactive_stream_error"])
def test_half_a_mb_in_a_field_of_a_message_on_the_channel_break_nothing(
    kind: str, rig: Rig, log: pytest.LogCaptureFixture
) -> None:
    bring_to_streaming(rig)
    name = next(iter(CHANNEL[kind]))
    huge = HUGE[:500_000]  # a data channel takes more than a second per MB
    rig.send(rig.streamer.tell, message(kind, **{**CHANNEL[kind], name: huge}))
    rig.works()
    assert max(len(record.getMessage()) for record in log.records) < 1000


# --- the connection itself


@pytest.mark.parametrize("label", ["clientToStreamer", "streamerToClient"])
def test_a_channel_that_closes_alone_is_rejoined(label: str, rig: Rig) -> None:
    session = stream(rig.client)
    happening = session.events(timeout=PATIENCE_S)
    rig.streamer.close_channel(label)
    eventually(lambda: rig.streamer.links == 2)
    changed = next(event for event in happening if isinstance(event, StatusChanged))
    assert changed.status is ConnectionStatus.RECONNECTING
    rig.works()


def test_an_offer_of_the_same_connection_is_answered_and_changes_nothing(rig: Rig) -> None:
    session = stream(rig.client)
    for _ in range(3):
        rig.streamer.offer_again()
    assert session.interact("Night", timeout=PATIENCE_S)
    assert session.is_connected
    assert rig.streamer.links == 1
    rig.works()


def test_an_offer_that_is_of_no_use_changes_nothing(rig: Rig) -> None:
    session = stream(rig.client)

    def check(sdp: object) -> None:
        assert stream(rig.client) is session
        rig.send(rig.streamer.signal, message("offer", sdp=sdp))
        assert session.interact("Night", timeout=PATIENCE_S)
        assert rig.streamer.links == 1

    session.end_stream(timeout=PATIENCE_S)
    rig.each_works(check, [(repr(sdp), sdp) for sdp in ("v=0", "", None, 5, SIGNALING["offer"]["sdp"])])
    assert rig.session is session


def test_an_offer_of_another_connection_is_refused_and_the_session_rejoins(rig: Rig) -> None:
    session = stream(rig.client)
    offer = json.loads(rig.streamer.offer)["sdp"]
    lines = ("a=ice-ufrag:zzzz" if line.startswith("a=ice-ufrag") else line for line in offer.splitlines())
    rig.streamer.signal(message("offer", sdp="\r\n".join([*lines, ""])))
    eventually(lambda: rig.streamer.links == 2)
    assert not session.has_ended
    rig.works()


def test_a_track_that_ends_is_rejoined(rig: Rig) -> None:
    session = stream(rig.client)
    frames = session.frames(timeout=PATIENCE_S)
    rig.streamer.end_track()
    eventually(lambda: rig.streamer.links == 2)
    assert take(frames, 3)
    eventually(lambda: session.is_connected)  # this may come after the first frames, even those of the new link


def test_a_streamer_that_sends_no_pictures_is_rejoined_until_it_does(rig: Rig) -> None:
    session = stream(rig.client)
    frames = session.frames("latest", timeout=PATIENCE_S)
    rig.streamer.films = False
    eventually(lambda: rig.streamer.links == 2)
    rig.streamer.films = True
    first = take(frames, 1)[0]
    assert take(frames, 3)[-1].index > first.index
    eventually(lambda: session.is_connected)


def test_a_streamer_that_never_says_goodbye_is_left_in_time(rig: Rig, in_background: Background) -> None:
    session = stream(rig.client)
    rig.streamer.held.add("client_disconnecting")
    in_background(session.disconnect).result(PATIENCE_S)
    assert session.status is ConnectionStatus.DISCONNECTED
    rig.streamer.wait_for("client_disconnecting")


def test_errors_while_many_calls_wait_answer_each_of_them_once(rig: Rig, in_background: Background) -> None:
    session = stream(rig.client)
    rig.streamer.held.add("update")
    calls = [in_background(session.interact, f"Prompt {number}", timeout=PATIENCE_S) for number in range(8)]
    rig.streamer.wait_for("update")
    rig.streamer.tell(message("interactive_stream_error", reason="lease_denied", message="No more"))
    for call in calls:
        error = call.exception(PATIENCE_S)
        assert isinstance(error, OdysseyStreamError)
        assert error.code in ("lease_denied", "wrong_stream_state")
    rig.streamer.held.clear()
    rig.works()
