"""Credentials for other clients: queueing for a streamer with a manual clock, and what is given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import odyssey_models as wire
import pytest

from odyssey_proto._base.clock import Deadline
from odyssey_proto._base.errors import (
    ConcurrentLimitReachedError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyError,
    usage_error,
)
from odyssey_proto._model.config import AdvancedConfig, ClientConfig
from odyssey_proto._rest.minting import mint

if TYPE_CHECKING:
    from odyssey_proto._model.credentials import ClientCredentials

TOKEN = "e30.eyJzZXNzaW9uX2lkIjogInMtMSJ9.x"  # a token of the session s-1
BUSY = OdysseyConnectionError("busy", code="no_streamers", status=503, recoverable=True)


class Service:
    """A service without a streamer for a number of requests, and a clock that only pauses advance."""

    def __init__(self, *refusals: OdysseyError) -> None:
        self.config = ClientConfig(api_key="ody_key")
        self.refusals = list(refusals)
        self.time = 0.0
        self.requested = 0

    def now(self) -> float:
        return self.time

    def wait_between_calls(self, seconds: float) -> None:
        self.time += seconds

    def access_token(self, deadline: Deadline) -> str:
        return "token"

    def request_session(self, deadline: Deadline) -> wire.SessionResponse:
        self.requested += 1
        if self.refusals:
            raise self.refusals.pop(0)
        return wire.SessionResponse(session_id="s-1", signalling_url="wss://x.example")

    def session_token(self, session_id: str, deadline: Deadline) -> wire.SessionTokenResponse:
        return wire.SessionTokenResponse(session_token=TOKEN, expires_in=61.9)

    def mint(self, queue_timeout_s: float, timeout: float | None = None) -> ClientCredentials:
        config = ClientConfig(api_key="ody_key", advanced=AdvancedConfig(queue_timeout_s=queue_timeout_s))
        api: Any = self
        return mint(api, config, Deadline(timeout, self), self)


def test_a_streamer_that_is_free_is_asked_for_once() -> None:
    service = Service()
    credentials = service.mint(queue_timeout_s=0)
    assert (credentials.session_id, credentials.expires_in, credentials.session_token) == ("s-1", 61, TOKEN)
    assert service.requested == 1


def test_a_streamer_is_asked_for_every_second_while_none_is_free() -> None:
    service = Service(BUSY, BUSY)
    assert service.mint(queue_timeout_s=5).session_id == "s-1"
    assert (service.requested, service.time) == (3, 2.0)


def test_whoever_does_not_queue_gets_the_refusal_itself() -> None:
    with pytest.raises(OdysseyConnectionError) as caught:
        Service(BUSY).mint(queue_timeout_s=0)
    assert caught.value is BUSY


@pytest.mark.parametrize(("queue_timeout_s", "timeout"), [(2, None), (60, 2.0)])
def test_queueing_ends_when_there_is_no_time_for_another_request(
    queue_timeout_s: float, timeout: float | None
) -> None:
    service = Service(*[BUSY] * 100)
    with pytest.raises(OdysseyConnectionTimeoutError, match="Timed out waiting for a streamer") as caught:
        service.mint(queue_timeout_s, timeout)
    error = caught.value
    assert (error.code, error.status, error.operation) == ("queue_timeout", 503, "create client credentials")
    assert error.__cause__ is BUSY
    assert (service.requested, service.time) == (3, 2.0)


def test_any_other_refusal_ends_the_queueing() -> None:
    refusal = OdysseyConnectionError("no", code="http_500", status=500, recoverable=True)
    service = Service(BUSY, refusal)
    with pytest.raises(OdysseyConnectionError) as caught:
        service.mint(queue_timeout_s=60)
    assert caught.value is refusal


def test_a_session_too_many_is_refused_at_once_with_the_way_out() -> None:
    refusal = usage_error("CONCURRENT_LIMIT_REACHED", "1 of 1 open", status=429)
    with pytest.raises(ConcurrentLimitReachedError) as caught:
        Service(refusal).mint(queue_timeout_s=60)
    assert str(caught.value).startswith("1 of 1 open; a killed process's session is freed about 40 s after")
    assert (caught.value.retry_after, caught.value.__cause__) == (40.0, refusal)


def test_the_queue_is_waited_out_to_its_end() -> None:
    service = Service(*[BUSY] * 100)
    with pytest.raises(OdysseyConnectionTimeoutError):
        service.mint(queue_timeout_s=2.5)
    assert (service.requested, service.time) == (4, 2.5)
