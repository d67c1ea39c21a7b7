"""Starting, steering and ending a stream, and the errors when that fails."""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    ConnectionStatus,
    MonthlyLimitReachedError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyStreamError,
    OdysseyStreamTimeoutError,
    StreamDurationExceededError,
    StreamStarted,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.cases import every
from tests.support.live import CALLS, number_of, take
from tests.support.pictures import coarse
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from odyssey_proto import Odyssey, Session, VideoFrame
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import Background, MakeClient, MakeEmulator

SOON_S: Final = 10.0
"""Far longer than an answer takes, and shorter than the default timeouts."""
LATE_S: Final = 3.0
"""How late an answer comes, in s: far later than even a busy machine notices a timeout of 0.1 s."""


def scene(frame: VideoFrame) -> NDArray[np.float32]:
    """Return the picture in a size at which noise and small movements are invisible."""
    return coarse(frame.to_ndarray("gray"))


# --- success


def test_a_stream_starts_is_steered_and_ends(session: Session) -> None:
    stream_id = session.start_stream("A cat", portrait=False)
    assert stream_id
    assert session.stream_id == stream_id
    assert session.last_applied_prompt is not None
    assert session.last_applied_prompt.startswith("A cat")
    applied = session.interact("Night")
    assert applied
    assert session.last_applied_prompt == applied
    session.end_stream()
    assert session.stream_id is None
    assert session.last_applied_prompt is None
    assert session.is_connected


@pytest.mark.full_size
def test_the_client_acts_on_its_session(client: Odyssey) -> None:
    session = client.connect()
    assert client.start_stream("A cat", portrait=False) == session.stream_id
    assert client.interact("Night") == client.last_applied_prompt == session.last_applied_prompt
    frame = next(client.frames(timeout=SOON_S))
    assert frame.width == 1280
    assert client.latest_frame is not None
    client.end_stream()
    assert client.latest_frame is None
    client.disconnect()
    assert session.has_ended


@pytest.mark.full_size
@pytest.mark.parametrize("codec", ["h264", "vp8"])
@pytest.mark.parametrize(("portrait", "size"), [(True, (704, 1280)), (False, (1280, 704))])
def test_both_orientations_in_both_codecs(
    codec: str, portrait: bool, size: tuple[int, int], make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    with make_client(make_emulator(codec=codec)).connect() as session:
        frames = session.frames("error", 64, timeout=SOON_S)
        session.start_stream("A cat", portrait=portrait)
        taken = take(frames, 10)
    assert {(frame.width, frame.height) for frame in taken} == {size}
    assert taken[0].data.shape == (size[1], size[0], 3)
    assert [number_of(frame) for frame in taken] == list(range(10))
    assert [frame.index for frame in taken] == list(range(10))
    # They are 50 ms apart, but a busy machine skips some; the one after a late first one is timed by its arrival.
    assert np.median(np.diff([frame.timestamp_ms for frame in taken])) >= 49


@pytest.mark.full_size
def test_portrait_is_the_default(session: Session) -> None:
    session.start_stream("A cat")
    frame = next(session.frames(timeout=SOON_S))
    assert (frame.width, frame.height) == (704, 1280)


def test_the_picture_changes_with_an_interaction(session: Session) -> None:
    session.start_stream("A meadow at noon", portrait=False)
    frames = session.frames(timeout=SOON_S)
    before, still_before = take(frames, 2)
    moved = np.abs(scene(before) - scene(still_before)).mean()
    session.interact("A city at night in the rain")
    after = itertools.islice(frames, 200)  # the first pictures were on their way
    assert any(np.abs(scene(before) - scene(frame)).mean() > 10 * max(moved, 1.0) for frame in after)


def test_a_stream_after_a_stream_is_another(session: Session) -> None:
    ids = []
    for _ in range(3):
        ids.append(session.start_stream("A cat"))
        session.end_stream()
    assert len(set(ids)) == 3


def test_the_expansion_of_a_prompt_can_be_bypassed(session: Session) -> None:
    session.start_stream("A cat", bypass_prompt_expansion=True)
    assert session.last_applied_prompt == "A cat"


def test_interactions_from_eight_threads_are_all_answered(session: Session, in_background: Background) -> None:
    session.start_stream("A cat")
    prompts = [f"Number {number} of eight" for number in range(8)]
    begin = threading.Barrier(len(prompts))

    def interact(prompt: str) -> str:
        begin.wait(SOON_S)
        return session.interact(prompt, timeout=PATIENCE_S)

    answers = [in_background(interact, prompt) for prompt in prompts]
    for prompt, answer in zip(prompts, answers, strict=True):
        assert prompt in answer.result(PATIENCE_S), "each thread gets the answer to its own prompt"


@every("prompt", ["", "Katze 🐈 в саду 猫\u200d\u0000\n\t\"'\\{}", "e\u0301" * 50, "\u2028\ufeff\U0010ffff"])
def test_any_text_can_be_a_prompt(prompt: str, session: Session) -> None:
    session.start_stream(prompt, bypass_prompt_expansion=True)
    assert session.last_applied_prompt == prompt
    assert isinstance(session.interact(prompt), str)
    session.end_stream()


@every("size", ["15000", "20000", "100000", "1000000"])
def test_a_long_start_finds_its_way(size: str, session: Session) -> None:
    assert session.start_stream("x" * int(size), timeout=PATIENCE_S)
    session.end_stream(timeout=PATIENCE_S)


@pytest.mark.parametrize("wide", ["x", "猫"])
def test_an_interaction_that_is_too_long_is_refused_and_harms_nothing(wide: str, session: Session) -> None:
    session.start_stream("A cat")
    with pytest.raises(
        OdysseyStreamError, match=r"The message is too long: [0-9]+ bytes, and the limit is"
    ) as caught:
        session.interact(wide * 300_000)
    assert caught.value.code == "message_too_long"
    assert session.interact("Night")


def test_a_start_of_more_than_64_mib_is_refused_and_harms_nothing(session: Session) -> None:
    with pytest.raises(OdysseyStreamError, match=r"The message is too long") as caught:
        session.start_stream("x" * (64 * 2**20))
    assert caught.value.code == "message_too_long"
    assert session.start_stream("A cat")


def test_a_prompt_that_is_no_string_is_a_type_error(session: Session) -> None:
    prompts: list[Any] = [None, b"A cat", 7, ["A cat"]]
    for prompt in prompts:
        with pytest.raises(TypeError, match=r"^prompt must be a string, not "):
            session.start_stream(prompt)
        with pytest.raises(TypeError, match=r"^prompt must be a string, not "):
            session.interact(prompt)
    assert session.start_stream("A cat")


def test_a_prompt_with_half_a_character_is_refused_and_harms_nothing(session: Session) -> None:
    with pytest.raises(ValueError, match=r"prompt") as caught:
        session.start_stream("A \ud83d cat")
    assert isinstance(caught.value, OdysseyError)
    session.start_stream("A cat")
    with pytest.raises(ValueError, match=r"prompt") as caught:
        session.interact("A \udc08 cat")
    assert isinstance(caught.value, OdysseyError)
    assert session.interact("Night")


def test_a_portrait_that_is_no_bool_is_a_type_error(session: Session) -> None:
    with pytest.raises(TypeError, match=r"^portrait must be True or False, not str"):
        session.start_stream("A cat", "landscape")  # type: ignore[arg-type]  # as it might be called


# --- at the wrong moment


@every("what", CALLS)
def test_nothing_can_be_called_before_connecting(what: str, client: Odyssey) -> None:
    with pytest.raises(OdysseyStreamError) as caught:
        CALLS[what](client)
    assert str(caught.value).startswith(f"Cannot {what}: client is disconnected")
    assert caught.value.code == "not_connected"


@pytest.mark.parametrize("leave", ["disconnect", "close"])
def test_nothing_can_be_called_after_leaving(leave: str, client: Odyssey) -> None:
    session = client.connect()
    session.start_stream("A cat")
    getattr(client, leave)()
    for target, what in itertools.product((session, client), CALLS):
        with pytest.raises(OdysseyStreamError) as caught:
            CALLS[what](target)
        assert str(caught.value).startswith(f"Cannot {what}: client is disconnected")
        assert caught.value.code == "not_connected"


@pytest.mark.usefixtures("signaling_comes_first")
def test_nothing_can_be_called_after_a_failure(emulator: Emulator, session: Session) -> None:
    emulator.faults.add(Fault(step="stream start", action="error", reason="streamer_not_available"))
    with pytest.raises(OdysseyStreamError):
        session.start_stream("A cat")
    for what, call in CALLS.items():
        with pytest.raises(OdysseyStreamError) as caught:
            call(session)
        why = "client is failed (Streamer not available); call connect() again"
        assert str(caught.value) == f"Cannot {what}: {why}"


def test_without_a_stream_there_is_nothing_to_steer(session: Session) -> None:
    with pytest.raises(OdysseyStreamError) as caught:
        session.interact("Night")
    assert str(caught.value) == "Cannot interact: no stream is active; call start_stream() first"
    assert caught.value.session_id == session.session_id
    session.start_stream("A cat")
    session.end_stream()
    with pytest.raises(OdysseyStreamError, match=r"no stream is active"):
        session.interact("Night")


def test_without_a_stream_an_end_returns_and_sends_nothing(session: Session) -> None:
    for _ in range(2):
        session.end_stream()
    session.start_stream("A cat")
    for _ in range(3):
        session.end_stream()
    assert session.start_stream("A dog")


def test_a_handler_of_an_error_may_end_the_stream_that_the_error_has_already_ended(
    emulator: Emulator, session: Session
) -> None:
    emulator.faults.add(Fault(step="stream start", action="stream_error", reason="internal_error"))
    with pytest.raises(OdysseyStreamError):
        session.start_stream("A cat")
    session.end_stream()
    assert session.start_stream("A dog")


def test_a_second_start_is_refused_and_harms_nothing(session: Session) -> None:
    stream_id = session.start_stream("A cat")
    with pytest.raises(OdysseyStreamError) as caught:
        session.start_stream("A dog")
    assert str(caught.value) == "Cannot start stream: a stream is active already; call end_stream() first"
    assert session.stream_id == stream_id
    assert session.interact("Night")


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("start stream", "Cannot start stream: the stream is still starting; wait for it, or call end_stream()"),
        ("interact", "Cannot interact: the stream is still starting; wait for it, or call end_stream()"),
    ],
)
def test_while_a_stream_starts_no_other_can_and_it_cannot_be_steered(
    what: str, text: str, emulator: Emulator, session: Session, in_background: Background
) -> None:
    emulator.faults.add(Fault(step="stream start", action="silence"))
    starting = in_background(session.start_stream, "A cat")
    eventually(lambda: not emulator.faults.pending)
    with pytest.raises(OdysseyStreamError) as caught:
        CALLS[what](session)
    assert str(caught.value) == text
    session.end_stream(timeout=SOON_S)
    assert isinstance(starting.exception(PATIENCE_S), OdysseyStreamError)


def test_ending_twice_at_once_ends_both(emulator: Emulator, session: Session, in_background: Background) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream end", action="delay", seconds=0.5))
    endings = [in_background(session.end_stream) for _ in range(2)]
    assert [ending.result(SOON_S) for ending in endings] == [None, None]


# --- too late


def test_a_start_that_is_not_answered_times_out_and_can_be_ended(emulator: Emulator, session: Session) -> None:
    emulator.faults.add(Fault(step="stream start", action="silence"))
    with pytest.raises(OdysseyStreamTimeoutError) as caught:
        session.start_stream("A cat", timeout=0.2)
    assert str(caught.value) == "start_stream was not answered within 0.2 s"
    assert isinstance(caught.value, TimeoutError)
    session.end_stream(timeout=SOON_S)
    assert session.start_stream("A cat", timeout=SOON_S)


def test_a_start_that_is_answered_late_is_ended_and_the_next_one_is_a_stream(
    emulator: Emulator, session: Session
) -> None:
    emulator.faults.add(Fault(step="stream start", action="delay", seconds=LATE_S))
    happening = session.events(timeout=SOON_S)
    with pytest.raises(OdysseyStreamTimeoutError):
        session.start_stream("A cat", timeout=0.1)
    stream_id = session.start_stream("A dog", timeout=SOON_S)
    assert session.stream_id == stream_id
    assert take(session.frames(timeout=SOON_S), 3)
    started = next(happening)
    assert isinstance(started, StreamStarted), "nothing is reported about the late stream"
    assert started.stream_id == stream_id


def test_an_interaction_that_is_answered_late_gives_the_next_one_its_own_answer(
    emulator: Emulator, session: Session
) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="delay", seconds=LATE_S))
    with pytest.raises(OdysseyStreamTimeoutError) as caught:
        session.interact("Too late", timeout=0.1)
    assert str(caught.value) == "interact was not answered within 0.1 s"
    assert "In time" in session.interact("In time", timeout=SOON_S)


def test_an_interaction_that_is_never_answered_keeps_its_place_until_an_error_or_the_end(
    emulator: Emulator, session: Session
) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="silence"))
    with pytest.raises(OdysseyStreamTimeoutError):
        session.interact("Lost", timeout=0.1)
    with pytest.raises(OdysseyStreamTimeoutError):
        session.interact("Behind it", timeout=0.1)
    session.end_stream(timeout=SOON_S)
    session.start_stream("A cat", timeout=SOON_S)
    assert "Again" in session.interact("Again", timeout=SOON_S)


def test_an_end_that_is_answered_late_is_an_end(emulator: Emulator, session: Session) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream end", action="delay", seconds=LATE_S))
    with pytest.raises(OdysseyStreamTimeoutError) as caught:
        session.end_stream(timeout=0.1)
    assert str(caught.value) == "end_stream was not answered within 0.1 s"
    eventually(lambda: session.stream_id is None)
    assert session.start_stream("A dog", timeout=SOON_S)


@pytest.mark.parametrize("timeout", [None, float("inf"), 1e300])
def test_every_call_may_take_for_ever(timeout: float | None, session: Session) -> None:
    frames = session.frames(timeout=timeout)
    assert session.start_stream("A cat", timeout=timeout)
    assert session.interact("Night", timeout=timeout)
    assert next(frames)
    session.end_stream(timeout=timeout)
    session.disconnect()
    session.wait(timeout=timeout)


# --- what the service refuses


def test_moderation_refuses_a_start_and_another_one_can_be_made(session: Session) -> None:
    with pytest.raises(OdysseyStreamError) as caught:
        session.start_stream("Something forbidden")
    assert str(caught.value) == "moderation: The prompt was refused by moderation"
    assert caught.value.code == "moderation"
    assert session.stream_id is None
    assert session.start_stream("A cat")


def test_moderation_refuses_an_interaction_and_the_stream_goes_on(session: Session) -> None:
    stream_id = session.start_stream("A cat")
    frames = session.frames(timeout=SOON_S)
    with pytest.raises(OdysseyStreamError) as caught:
        session.interact("Something forbidden")
    assert caught.value.code == "moderation"
    assert session.stream_id == stream_id
    assert next(frames)
    assert session.interact("Night")


def test_a_privilege_that_is_missing_is_reported(make_emulator: MakeEmulator, make_client: MakeClient) -> None:
    with (
        make_client(make_emulator(bypass_privilege=False)).connect() as session,
        pytest.raises(OdysseyStreamError, match=r"may not bypass") as caught,
    ):
        session.start_stream("A cat", bypass_prompt_expansion=True)
    assert caught.value.code == "bypass_not_allowed"


REASONS: Final = [
    ("quota_exceeded", MonthlyLimitReachedError, "MONTHLY_LIMIT_REACHED"),
    ("concurrent_limit_exceeded", ConcurrentLimitReachedError, "CONCURRENT_LIMIT_EXCEEDED"),
    ("session_timeout", StreamDurationExceededError, "STREAM_DURATION_EXCEEDED"),
    ("lease_denied", OdysseyStreamError, "lease_denied"),
    ("moderation_failed", OdysseyStreamError, "moderation_failed"),
    ("never heard of it", OdysseyStreamError, "never heard of it"),
]


@pytest.mark.parametrize(("reason", "kind", "code"), REASONS)
def test_a_reason_against_a_start_is_the_documented_exception(
    reason: str, kind: type[OdysseyError], code: str, emulator: Emulator, session: Session
) -> None:
    emulator.faults.add(Fault(step="stream start", action="stream_error", reason=reason, message="So it is"))
    with pytest.raises(kind) as caught:
        session.start_stream("A cat")
    assert type(caught.value) is kind
    shown = f"{reason}: So it is" if kind is OdysseyStreamError else "So it is"
    if reason == "lease_denied":
        shown = "The service has no streamer for this stream now: So it is"
    assert str(caught.value) == shown
    assert caught.value.code == code
    assert caught.value.session_id == session.session_id
    assert session.start_stream("A cat")


@pytest.mark.parametrize(("reason", "kind", "code"), REASONS)
def test_a_reason_against_an_interaction_is_the_documented_exception(
    reason: str, kind: type[OdysseyError], code: str, emulator: Emulator, session: Session
) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="stream_error", reason=reason, message=""))
    with pytest.raises(kind) as caught:
        session.interact("Night")
    assert type(caught.value) is kind
    assert str(caught.value), "even without a text from the service"
    assert caught.value.code == code


def test_a_stream_that_has_run_its_time_ends_with_the_documented_exception(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    with make_client(make_emulator(max_stream_s=0.5)).connect() as session:
        frames = session.frames(timeout=SOON_S)
        session.start_stream("A cat")
        with pytest.raises(StreamDurationExceededError, match=r"its time is used up"):
            for _ in frames:
                pass
        assert session.stream_id is None
        assert session.is_connected
        assert session.start_stream("Another one", timeout=SOON_S)


@pytest.mark.usefixtures("signaling_comes_first")
def test_a_session_that_has_run_its_time_fails_with_the_reason(
    make_emulator: MakeEmulator, make_client: MakeClient
) -> None:
    for longest_s in (0.5, 2.0, 8.0):  # a busy machine may take half a second to connect
        client = make_client(make_emulator(max_session_s=longest_s))
        with contextlib.suppress(OdysseyConnectionError):
            session = client.connect()
            break
    with pytest.raises(OdysseyConnectionError) as caught:
        session.wait(timeout=SOON_S)
    assert str(caught.value) == "The session has reached its longest duration"
    assert caught.value.code == "duration_limit_reached"
    assert client.current_status is ConnectionStatus.FAILED


def test_the_service_may_end_the_stream_by_itself(emulator: Emulator, session: Session) -> None:
    frames = session.frames(timeout=SOON_S)
    session.start_stream("A cat")
    assert next(frames)
    emulator.faults.add(
        Fault(step="media", action="silence", times=None),
        Fault(step="stream update", action="send", text=json.dumps({"type": "stream_ended"})),
    )
    with pytest.raises(OdysseyStreamError) as caught:
        session.interact("Night")
    assert str(caught.value) == "The call was not answered: the stream has ended"
    assert session.stream_id is None
    assert len(list(frames)) <= 4
    assert session.is_connected


def test_an_end_fails_the_interactions_that_wait_in_line(
    emulator: Emulator, session: Session, in_background: Background
) -> None:
    session.start_stream("A cat")
    emulator.faults.add(Fault(step="stream update", action="silence"))
    waiting = [in_background(session.interact, "Night") for _ in range(3)]
    eventually(lambda: not emulator.faults.pending)
    session.end_stream(timeout=SOON_S)
    for each in waiting:
        error = each.exception(SOON_S)
        assert isinstance(error, OdysseyStreamError)
        assert error.code in ("stream_ended", "wrong_stream_state")
