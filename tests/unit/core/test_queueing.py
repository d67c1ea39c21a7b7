"""Waiting for a streamer: when to ask again, and the error at the end."""

from __future__ import annotations

import pytest

from odyssey_proto._base import errors
from odyssey_proto.core.deadlines import SESSION_KEPT_S
from odyssey_proto.core.inputs import SlotUnavailable, StepFailed, StreamerUnavailable
from odyssey_proto.core.queueing import (
    SLOT_INTERVAL_S,
    Queueing,
    next_slot_request,
    refused_request,
    slot_refusal,
)

REFUSAL = errors.OdysseyConnectionError(
    "No streamers available", code="no_streamers", status=503, request_id="r-1", retry_after=7.0
)


@pytest.mark.parametrize(
    ("refused_at", "again_at"),
    [
        (100.0, 101.0),
        (101.5, 102.5),
        (102.0, 103.0),
        (102.1, 103.0),
        (102.99, 103.0),
        (103.0, None),
        (109.0, None),
    ],
)
def test_it_asks_every_second_and_a_last_time_when_the_time_is_over(
    refused_at: float, again_at: float | None
) -> None:
    assert Queueing(timeout_s=3.0, began_at=100.0).next_request(refused_at) == again_at


@pytest.mark.parametrize("took_s", [0.0, 0.005, 0.4, 1.3])
def test_it_waits_for_the_whole_time_however_long_each_answer_takes(took_s: float) -> None:
    queueing, at = Queueing(timeout_s=3.0, began_at=100.0), 100.0
    while (following := queueing.next_request(at + took_s)) is not None:
        at = following
    assert at <= 103.0 <= at + took_s


def test_in_the_end_it_is_a_timeout_that_knows_the_last_refusal() -> None:
    error = Queueing(timeout_s=1.5, began_at=0.0).failure(REFUSAL, "connect")
    assert isinstance(error, errors.OdysseyConnectionTimeoutError)
    assert str(error).startswith("Timed out waiting for a streamer after 1.5 s")
    assert (error.code, error.status, error.request_id, error.retry_after) == ("queue_timeout", 503, "r-1", 7.0)
    assert (error.operation, error.recoverable) == ("connect", True)


def test_who_does_not_want_to_wait_gets_the_refusal_itself() -> None:
    queueing = Queueing(timeout_s=0.0, began_at=100.0)
    assert queueing.next_request(100.0) is None
    assert queueing.failure(REFUSAL, "connect") is REFUSAL


# --- the limit of open sessions


def limit(retry_after: float | None = None) -> errors.OdysseyUsageError:
    return errors.usage_error("CONCURRENT_LIMIT_REACHED", "1 of 1 open", status=429, retry_after=retry_after)


@pytest.mark.parametrize(("retry_after", "pause_s"), [(None, SLOT_INTERVAL_S), (1.0, SLOT_INTERVAL_S), (7.0, 7.0)])
def test_a_session_is_asked_for_every_few_seconds_but_not_before_the_service_allows_it(
    retry_after: float | None, pause_s: float
) -> None:
    assert next_slot_request(limit(retry_after), 100.0) == 100.0 + pause_s


@pytest.mark.parametrize(
    ("reminder", "text"),
    [
        (None, "1 of 1 open; a killed process's session is freed about 40 s after its last keepalive"),
        ("this process still holds session s-1", "1 of 1 open; this process still holds session s-1"),
    ],
)
def test_a_session_too_many_is_refused_with_the_way_out(reminder: str | None, text: str) -> None:
    refused = limit()
    error = slot_refusal(refused, reminder)
    assert isinstance(error, errors.ConcurrentLimitReachedError)
    assert (str(error), error.retry_after, error.recoverable, error.status) == (text, SESSION_KEPT_S, True, 429)
    assert (str(refused), refused.retry_after) == ("1 of 1 open", None)


def test_the_time_that_the_service_names_is_kept() -> None:
    assert slot_refusal(limit(7.0), None).retry_after == 7.0


def test_a_failed_request_is_what_the_protocol_has_to_hear() -> None:
    limit = errors.usage_error("CONCURRENT_LIMIT_REACHED", "One session", action="Close it")
    denied = errors.OdysseyAuthError("no", code="forbidden")
    assert refused_request(REFUSAL) == StreamerUnavailable(REFUSAL)
    assert refused_request(limit, "s-1 is open") == SlotUnavailable(limit, "s-1 is open")
    assert refused_request(denied, "s-1 is open") == StepFailed(denied)
