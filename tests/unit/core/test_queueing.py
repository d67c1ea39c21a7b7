"""Waiting for a streamer: when to ask again, and the error at the end."""

from __future__ import annotations

from odyssey_proto._base import errors
from odyssey_proto.core.queueing import QUEUE_INTERVAL_S, Queueing

REFUSAL = errors.OdysseyConnectionError(
    "No streamers available", code="no_streamers", status=503, request_id="r-1", retry_after=7.0
)


def test_it_asks_again_every_second_until_the_time_is_over() -> None:
    queueing = Queueing(timeout_s=3.0, began_at=100.0)
    assert queueing.next_request(100.0) == 100.0 + QUEUE_INTERVAL_S
    assert queueing.next_request(102.0) == 103.0
    assert queueing.next_request(102.1) is None


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
