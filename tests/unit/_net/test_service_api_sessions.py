"""The calls that lead to a session: requests, answers and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import __version__
from odyssey_proto._base.errors import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    RateLimitError,
)
from odyssey_proto._base.secrets import Secret
from tests.support.apis import KEY, until
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from odyssey_proto._net.service_api import ServiceApi

# --- the calls


def test_a_key_is_exchanged_for_a_token(server: HttpServer, api: ServiceApi) -> None:
    token = api.access_token(until())
    assert (token, type(token)) == ("at-secret-1", Secret)
    (request,) = server.requests
    assert request.json() == {"api_key": KEY}
    assert request.headers["user-agent"] == f"odyssey-proto/{__version__}"
    assert request.headers["content-type"] == "application/json"
    assert "authorization" not in request.headers


def test_a_session_is_requested_with_the_token_and_the_latencies(server: HttpServer, api: ServiceApi) -> None:
    session = api.request_session(until())
    assert (session.session_id, session.signalling_url, session.capabilities) == ("s-1", server.url, None)
    (request,) = server.received("POST /sessions/request")
    assert request.headers["authorization"] == "Bearer at-secret-1"
    assert list(request.json()["region_latencies"]) == ["here"]


def test_a_session_is_requested_without_latencies_when_there_are_no_regions(
    api: ServiceApi, server: HttpServer
) -> None:
    server.routes["GET /regions"] = answer(status="500 Oops")
    api.request_session(until())
    (request,) = server.received("POST /sessions/request")
    assert request.json() == {}


def test_a_session_token_is_requested(server: HttpServer, api: ServiceApi) -> None:
    token = api.session_token("s-1", until())
    assert (token.session_token, token.expires_in) == ("st-secret-1", 600)
    (request,) = server.received("POST /sessions/token")
    assert request.json() == {"session_id": "s-1"}
    assert request.headers["authorization"] == "Bearer at-secret-1"


def test_the_ice_servers_are_fetched_without_the_token(server: HttpServer, api: ServiceApi) -> None:
    api.access_token(until())
    (ice,) = api.signaling_config(server.url + "/config", until())
    assert ice.urls == "stun:stun.example:3478"
    (request,) = server.received("GET /config")
    assert "authorization" not in request.headers


def test_unknown_fields_are_ignored(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"session_token": "x", "expires_in": None, "new": [1]})
    assert api.session_token("s-1", until()).session_token == "x"


# --- refusals

SUSPENDED = {"error": "ACCOUNT_SUSPENDED", "message": "Your account is suspended.", "action": "Contact support"}
BUSY = {"error": "CONCURRENT_LIMIT_REACHED", "message": "One session at a time.", "action": "Close the other"}
LIMITED = {
    "code": "RATE_LIMITED",
    "message": "Slow down.",
    "action": "Wait",
    "details": {"retry_after_seconds": 3},
}


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (401, {"detail": "unknown key"}, OdysseyAuthError, "Invalid API key"),
        (403, {"detail": "account under review"}, OdysseyAuthError, "API key access denied: account under review"),
        (403, {"detail": SUSPENDED}, AccountSuspendedError, "Your account is suspended."),
        (403, SUSPENDED, AccountSuspendedError, "Your account is suspended."),
        (
            422,
            {"detail": [{"loc": ["body", "api_key"], "msg": "must begin with ody_", "type": "value_error"}]},
            OdysseyAuthError,
            "Invalid API key format: must begin with ody_",
        ),
        (429, LIMITED, RateLimitError, "Slow down."),
        (
            429,
            {"detail": "too many"},
            OdysseyConnectionError,
            "POST /auth/token: the service answered 429: too many",
        ),
        (
            404,
            {"detail": "Not Found"},
            OdysseyConnectionError,
            "POST /auth/token: the service answered 404: Not Found; check api_url or ODYSSEY_API_URL",
        ),
        (500, {"detail": "oops"}, OdysseyConnectionError, "POST /auth/token: the service answered 500: oops"),
    ],
)
def test_a_key_can_be_refused_in_many_ways(
    server: HttpServer, api: ServiceApi, status: int, body: Any, kind: type[OdysseyError], text: str
) -> None:
    server.routes["POST /auth/token"] = json_answer(body, f"{status} X", X_Request_Id="req-7")
    with pytest.raises(kind) as caught:
        api.access_token(until())
    error = caught.value
    assert type(error) is kind
    assert str(error).startswith(text)
    assert (error.status, error.operation, error.request_id) == (status, "POST /auth/token", "req-7")


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (
            401,
            {"detail": "expired"},
            OdysseyAuthError,
            "POST /sessions/request: the access token was refused: expired",
        ),
        (403, {"detail": "no plan"}, OdysseyAuthError, "POST /sessions/request: access denied: no plan"),
        (429, {"detail": BUSY}, ConcurrentLimitReachedError, "One session at a time."),
        (503, {"detail": "none"}, OdysseyConnectionError, "No streamers available"),
        (418, None, OdysseyConnectionError, "POST /sessions/request: the service answered 418: X"),
    ],
)
def test_a_session_can_be_refused_in_many_ways(
    server: HttpServer, api: ServiceApi, status: int, body: Any, kind: type[OdysseyError], text: str
) -> None:
    server.routes["POST /sessions/request"] = json_answer(body, f"{status} X")
    with pytest.raises(kind) as caught:
        api.request_session(until())
    assert type(caught.value) is kind
    assert str(caught.value).startswith(text)


def test_a_lack_of_streamers_is_reported_by_a_code_and_not_retried(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /sessions/request"] = answer(status="503 Busy", Retry_After="2")
    with pytest.raises(OdysseyConnectionError) as caught:
        api.request_session(until())
    error = caught.value
    assert (error.code, error.status, error.recoverable, error.retry_after) == ("no_streamers", 503, True, 2.0)
    assert len(server.received("POST /sessions/request")) == 1


def test_an_unknown_session_is_reported_with_its_id(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"detail": "not found"}, "404 Not Found")
    with pytest.raises(OdysseyConnectionError, match="The session is unknown") as caught:
        api.session_token("s-9", until())
    error = caught.value
    assert (error.code, error.status, error.session_id, error.recoverable) == (
        "unknown_session",
        404,
        "s-9",
        False,
    )
