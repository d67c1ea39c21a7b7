"""The classes, codes and texts of a stream's errors."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base import errors
from odyssey_proto._model.events import StreamFailed
from odyssey_proto.core.stream_errors import (
    ends_stream,
    failure,
    given_up,
    refusal,
    unanswered,
    unwatchable,
    wrong_state,
)


def told(reason: str, message: str) -> wire.InteractiveStreamError:
    return wire.InteractiveStreamError(reason=wire.StreamErrorReason(reason), message=message)


@pytest.mark.parametrize(
    ("reason", "message", "kind", "code", "text"),
    [
        ("quota_exceeded", "All used", errors.MonthlyLimitReachedError, "MONTHLY_LIMIT_REACHED", "All used"),
        (
            "concurrent_limit_exceeded",
            "",
            errors.ConcurrentLimitReachedError,
            "CONCURRENT_LIMIT_EXCEEDED",
            "The account has its maximum number of open sessions",
        ),
        ("session_timeout", "Late", errors.StreamDurationExceededError, "STREAM_DURATION_EXCEEDED", "Late"),
        (
            "lease_denied",
            "None left",
            errors.OdysseyStreamError,
            "lease_denied",
            "The service has no streamer for this stream now: None left",
        ),
        (
            "lease_denied",
            "",
            errors.OdysseyStreamError,
            "lease_denied",
            "The service has no streamer for this stream now: lease_denied",
        ),
        (
            "lease_denied",
            "Stream error occurred",
            errors.OdysseyStreamError,
            "lease_denied",
            "The service has no streamer for this stream now: lease_denied",
        ),
        ("moderation", "Not this", errors.OdysseyStreamError, "moderation", "moderation: Not this"),
        ("moderation", "", errors.OdysseyStreamError, "moderation", "moderation"),
        ("new\nreason", "a\nb", errors.OdysseyStreamError, "new reason", "new reason: a b"),
        (
            "unknown",
            "Stream error occurred",
            errors.OdysseyStreamError,
            "unknown",
            "unknown: Stream error occurred",
        ),
        ("", "", errors.OdysseyStreamError, "unknown", "unknown"),
    ],
)
def test_an_error_is_of_its_class_and_says_its_reason(
    reason: str, message: str, kind: type[errors.OdysseyError], code: str, text: str
) -> None:
    error = refusal(told(reason, message), "s-1")
    assert (type(error), error.code, str(error)) == (kind, code, text)
    assert (error.session_id, error.operation) == ("s-1", "stream")


@pytest.mark.parametrize(
    ("reason", "over"), [("lease_denied", True), ("session_timeout", True), ("moderation", False), ("", False)]
)
def test_some_reasons_end_the_stream(reason: str, over: bool) -> None:
    assert ends_stream(told(reason, "")) is over


def test_the_event_has_reason_and_message_apart() -> None:
    assert failure(told("moderation", "Not\nthis"), ends_stream=False, answers_call=True, at=1.0) == StreamFailed(
        reason="moderation", message="Not this", ends_stream=False, answers_call=True, at=1.0
    )


def test_a_stream_that_was_given_up_says_so() -> None:
    error = given_up("s-1")
    assert (error.code, error.session_id, error.recoverable) == ("start_given_up", "s-1", True)


def test_a_call_without_an_answer_says_why() -> None:
    error = unanswered("the stream has ended", "s-1")
    assert (str(error), error.code) == ("The call was not answered: the stream has ended", "stream_ended")


def test_a_broadcast_without_a_place_is_a_failure_that_ends_nothing() -> None:
    assert unwatchable(3.0) == StreamFailed(
        reason="broadcast_error",
        message="The broadcast is ready, but the service did not say where spectators can watch it",
        ends_stream=False,
        at=3.0,
    )


def test_a_command_at_the_wrong_moment_names_itself_and_the_state() -> None:
    error = wrong_state("interact", "no stream is active", "s-1")
    assert str(error) == "Cannot interact: no stream is active"
    assert (error.code, error.operation, error.session_id) == ("wrong_stream_state", "interact", "s-1")
