"""The errors for refusals: by status, by headers, by body, and by operation."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from odyssey_proto._base.errors import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    MalformedMessageError,
    MonthlyLimitReachedError,
    NotCancellableError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyNotFoundError,
    OdysseyRequestError,
    OdysseyUnauthorizedError,
    OdysseyUsageError,
    RateLimitError,
    SpectatorTokenError,
    StreamDurationExceededError,
)
from odyssey_proto.core.refusals import REFUSALS, HttpAnswer, refusal, unauthorized, unreadable


def answer(status: int, data: Any = None, *, body: bytes | None = None, **known: Any) -> HttpAnswer:
    return HttpAnswer(
        operation="POST /x", status=status, body=json.dumps(data).encode() if body is None else body, **known
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"detail": "the reason"}, "the reason"),
        ({"detail": {"message": "the reason", "more": 1}}, "the reason"),
        ({"detail": [{"loc": ["body", "api_key"], "msg": "too short", "type": "x"}]}, "too short (body.api_key)"),
        (
            {"detail": [{"loc": ["a", 0], "msg": "b", "type": "x"}, {"loc": ["c"], "msg": "d", "type": "x"}]},
            "b (a.0); d (c)",
        ),
        ({"detail": "two\nlines\tand \x1b[31mcolour"}, "two lines and [31mcolour"),
        ({"detail": {"more": 1}}, "Bad Gateway"),
        ({"detail": None}, "Bad Gateway"),
        ({"message": "the reason"}, "the reason"),
        ({"error": "the reason"}, "the reason"),
        ({"detail": ["one", 2, "two"]}, "one; two"),
        ({"other": 1}, "Bad Gateway"),
        ([], "Bad Gateway"),
    ],
)
def test_a_refusal_gives_the_services_own_words(data: Any, text: str) -> None:
    error = refusal(answer(502, data, reason="Bad Gateway"), {})
    assert str(error) == f"POST /x: the service answered 502: {text}"


def test_a_refusal_that_is_no_json_gives_the_status_in_words() -> None:
    error = refusal(answer(502, body=b"<html>Bad Gateway</html>", reason="Bad Gateway"), {})
    assert str(error) == "POST /x: the service answered 502: Bad Gateway"


def test_a_refusal_without_any_words_says_so() -> None:
    assert str(refusal(answer(599, body=b""), {})) == "POST /x: the service answered 599: it gave no reason"


def test_a_long_text_is_cut() -> None:
    assert len(str(refusal(answer(500, {"detail": "word " * 1000}), {}))) < 400


def test_a_refusal_that_the_operation_knows_is_reported_in_its_words() -> None:
    refusals = {401: (OdysseyAuthError, "invalid_api_key", "Invalid API key: {detail}")}
    error = refusal(answer(401, {"detail": "with {braces}"}), refusals)
    assert (type(error), error.code, str(error)) == (
        OdysseyAuthError,
        "invalid_api_key",
        "Invalid API key: with {braces}",
    )


def test_success_is_2xx() -> None:
    assert [status for status in (101, 200, 204, 299, 304, 404) if answer(status).ok] == [200, 204, 299]


def test_a_redirect_is_refused() -> None:
    assert "redirects (307)" in str(refusal(answer(307, body=b""), {}))


@pytest.mark.parametrize(
    ("status", "recoverable"),
    [(400, False), (404, False), (408, True), (425, True), (429, True), (500, True), (503, True)],
)
def test_what_may_pass_is_recoverable(status: int, recoverable: bool) -> None:
    error = refusal(answer(status), {})
    assert (error.status, error.code, error.recoverable) == (status, f"http_{status}", recoverable)


USAGE = {"message": "You met a limit.", "action": "Upgrade", "action_url": "https://odyssey.ml/plans"}


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"detail": body}], ids=["bare", "in detail"])
@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("MONTHLY_LIMIT_REACHED", MonthlyLimitReachedError),
        ("CONCURRENT_LIMIT_REACHED", ConcurrentLimitReachedError),
        ("CONCURRENT_LIMIT_EXCEEDED", ConcurrentLimitReachedError),
        ("STREAM_DURATION_EXCEEDED", StreamDurationExceededError),
        ("ACCOUNT_SUSPENDED", AccountSuspendedError),
        ("RATE_LIMITED", RateLimitError),
        ("SOMETHING_NEW", OdysseyUsageError),
    ],
)
def test_a_429_with_a_message_and_an_action_is_a_usage_error(code: str, kind: type, wrap: Any) -> None:
    details = {"used_hours": 10.0, "limit_hours": 10}
    error = refusal(answer(429, wrap({**USAGE, "error": code, "details": details})), {})
    assert type(error) is kind
    assert isinstance(error, OdysseyUsageError)
    assert (error.code, str(error), error.action, error.action_url, error.status) == (
        code,
        "You met a limit.",
        "Upgrade",
        "https://odyssey.ml/plans",
        429,
    )
    assert error.details == details


@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"detail": body}], ids=["bare", "in detail"])
def test_details_are_kept_as_they_came_also_new_ones_and_those_of_another_type(wrap: Any) -> None:
    details = {"used_hours": "ten", "limit_hours": 10, "plan": {"name": "free"}, "retry_after_seconds": None}
    error = refusal(answer(429, wrap({**USAGE, "error": "MONTHLY_LIMIT_REACHED", "details": details})), {})
    assert isinstance(error, MonthlyLimitReachedError)
    assert error.details == details


@pytest.mark.parametrize("details", [None, "none", [1], 7])
def test_details_that_are_none_make_a_usage_error_no_other(details: Any) -> None:
    error = refusal(answer(429, {**USAGE, "error": "MONTHLY_LIMIT_REACHED", "details": details}), {})
    assert isinstance(error, MonthlyLimitReachedError)
    assert error.details == {}


def test_error_wins_over_code() -> None:
    both = {**USAGE, "error": "RATE_LIMITED", "code": "ACCOUNT_SUSPENDED"}
    assert type(refusal(answer(429, both), {})) is RateLimitError
    assert type(refusal(answer(429, {**USAGE, "code": "ACCOUNT_SUSPENDED"}), {})) is AccountSuspendedError


def test_a_usage_error_without_a_code_is_a_plain_one() -> None:
    error = refusal(answer(429, USAGE), {})
    assert (type(error), error.code) == (OdysseyUsageError, "UNKNOWN")


@pytest.mark.parametrize("missing", ["message", "action"])
def test_a_429_without_message_or_action_is_a_connection_error(missing: str) -> None:
    body = {name: value for name, value in USAGE.items() if name != missing} | {"error": "RATE_LIMITED"}
    error = refusal(answer(429, body, headers={"retry-after": "7"}), {})
    assert (type(error), error.retry_after, error.recoverable) == (OdysseyConnectionError, 7.0, True)


def test_a_403_with_a_usage_error_is_that_one() -> None:
    refusals = {403: (OdysseyAuthError, "forbidden", "{detail}")}
    suspended = {**USAGE, "error": "ACCOUNT_SUSPENDED", "details": {"reason": "unpaid"}}
    assert type(refusal(answer(403, {"detail": suspended}), refusals)) is AccountSuspendedError
    assert type(refusal(answer(403, {"detail": "no"}), refusals)) is OdysseyAuthError


def test_a_usage_error_elsewhere_gives_its_message() -> None:
    error = refusal(answer(500, USAGE), {})
    assert type(error) is OdysseyConnectionError
    assert str(error).endswith("You met a limit.")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "99999999999999"}, 86400.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT"}, None),
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29"}, 30.0),
        ({"retry-after": "Friday, 31-Dec-99 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29 GMT"}, 30.0),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "2."}, 2.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e9"}, None),
        ({"retry-after": "²"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date_of_the_service(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert refusal(answer(503, headers=headers), {}).retry_after == seconds


def test_the_wait_of_a_rate_limit_is_its_header_or_else_its_details() -> None:
    body = {**USAGE, "error": "RATE_LIMITED", "details": {"retry_after_seconds": 9}}
    assert refusal(answer(429, body), {}).retry_after == 9
    assert refusal(answer(429, body, headers={"retry-after": "4"}), {}).retry_after == 4


@pytest.mark.parametrize(
    ("given", "seconds"),
    [(9, 9.0), ("9", 9.0), (" 9.5 ", 9.5), ("soon", None), ("nan", None), ("-1", None), ("", None)],
)
def test_the_wait_of_a_rate_limit_may_be_a_text(given: object, seconds: float | None) -> None:
    body = {**USAGE, "error": "RATE_LIMITED", "details": {"retry_after_seconds": given}}
    error = refusal(answer(429, body), {})
    assert isinstance(error, RateLimitError)
    assert error.retry_after == seconds
    assert error.details == {"retry_after_seconds": given}


def test_the_request_id_of_the_service_is_in_the_error() -> None:
    assert refusal(answer(500, headers={"x-request-id": "req-1\x00"}), {}).request_id == "req-1"
    assert refusal(answer(500), {}).request_id is None


def test_what_was_sent_never_comes_back_in_a_text() -> None:
    echo = answer(
        422,
        {**USAGE, "detail": [{"loc": ["the-key"], "msg": "the-key is wrong", "type": "x"}]},
        headers={"x-request-id": "the-key-1"},
        secrets=("the-key",),
    )
    error = refusal(echo, {})
    assert "the-key" not in f"{error!s} {error!r} {error.request_id} {echo!r}"


# --- unreadable answers


def test_an_unreadable_answer_names_its_operation_and_its_problems() -> None:
    error = unreadable(
        answer(200, headers={"content-type": "application/json"}, reason="OK"),
        MalformedMessageError("Malformed X: no field", problems=("no field",), code="malformed"),
    )
    assert str(error) == "POST /x: Malformed X: no field"
    assert (error.problems, error.status, error.operation, error.code) == (
        ("no field",),
        200,
        "POST /x",
        "malformed",
    )


def test_an_answer_of_another_kind_makes_one_ask_for_the_address() -> None:
    html = answer(200, headers={"content-type": "text/html"})
    assert str(unreadable(html, MalformedMessageError("No JSON"))).endswith("is this the address of the API?")


def test_an_answer_that_should_not_be_json_makes_nobody_ask_for_the_address() -> None:
    html = answer(200, headers={"content-type": "text/html"})
    assert str(unreadable(html, MalformedMessageError("No SDP"), of_api=False)) == "POST /x: No SDP"


def test_the_names_of_headers_are_in_any_case() -> None:
    error = refusal(answer(503, headers={"Retry-After": "3", "X-REQUEST-ID": "r-1"}), {})
    assert (error.retry_after, error.request_id) == (3.0, "r-1")


# --- by operation


@pytest.mark.parametrize(
    ("operation", "status", "kind", "code"),
    [
        ("POST /auth/token", 401, OdysseyAuthError, "invalid_api_key"),
        ("POST /sessions/request", 503, OdysseyConnectionError, "no_streamers"),
        ("POST /sessions/token", 404, OdysseyConnectionError, "unknown_session"),
        ("GET /recordings/{stream_id}", 404, OdysseyNotFoundError, "not_found"),
        ("GET /recordings/{stream_id}", 401, OdysseyUnauthorizedError, "unauthorized"),
        ("POST /simulation-jobs", 413, OdysseyRequestError, "invalid_request"),
        ("GET /simulation-jobs/{job_id}", 403, OdysseyRequestError, "forbidden"),
        ("GET /simulation-jobs", 403, OdysseyUnauthorizedError, "forbidden"),
        ("DELETE /simulation-jobs/{job_id}", 400, NotCancellableError, "not_cancellable"),
        ("WebSocket /client", 401, OdysseyAuthError, "session_token_refused"),
        ("POST /whep", 401, SpectatorTokenError, "invalid_spectator_token"),
        ("POST /whep", 500, OdysseyConnectionError, "http_500"),
        ("GET /something-new", 401, OdysseyConnectionError, "http_401"),
    ],
)
def test_what_a_status_means_depends_on_the_operation(
    operation: str, status: int, kind: type[OdysseyError], code: str
) -> None:
    error = refusal(HttpAnswer(operation=operation, status=status))
    assert (type(error), error.code, error.operation, error.status) == (kind, code, operation, status)


STATUSES = (400, 401, 403, 404, 406, 408, 409, 413, 422, 429, 500, 502, 503, 504)
VALUE_ERRORS = {
    "GET /recordings/{stream_id}": {401, 403, 404},
    "GET /stream-recordings": {401, 403},
    "POST /simulation-jobs": {401},
    "GET /simulation-jobs": {401, 403},
    "GET /simulation-jobs/{job_id}": {401, 404},
    "DELETE /simulation-jobs/{job_id}": {400, 401, 404},
    "POST /whep": {401, 403},
}
"""By operation, the statuses that are a `ValueError`, as in the official SDK. Those in neither table are a
`ConnectionError`."""
NEITHER = {
    "POST /auth/token": {401, 403, 422},
    "GET /regions": {401, 403},
    "POST /sessions/request": {401, 403},
    "POST /sessions/token": {401, 403},
    "WebSocket /client": {401, 403},
}
"""By operation, the statuses that are only an `OdysseyAuthError`, as for `connect` in the official SDK."""


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("operation", REFUSALS)
def test_a_refusal_is_the_builtin_exception_that_the_official_client_raises(operation: str, status: int) -> None:
    error = refusal(HttpAnswer(operation=operation, status=status))
    expected = (
        status in VALUE_ERRORS.get(operation, ()),
        status not in VALUE_ERRORS.get(operation, ()) and status not in NEITHER.get(operation, ()),
    )
    assert (isinstance(error, ValueError), isinstance(error, ConnectionError)) == expected
    assert isinstance(error, OdysseyAuthError) == (status in (401, 403, 422) and not expected[1])


@pytest.mark.parametrize("operation", REFUSALS)
def test_a_key_that_is_refused_is_a_value_error_where_an_access_token_is(operation: str) -> None:
    refused = refusal(HttpAnswer(operation="POST /auth/token", status=401, headers={"x-request-id": "r-1"}))
    assert isinstance(refused, OdysseyAuthError)
    error = unauthorized(refused, operation)
    assert isinstance(error, ValueError) == (401 in VALUE_ERRORS.get(operation, ()) and operation != "POST /whep")
    assert (vars(error), str(error)) == (vars(refused), str(refused))


@pytest.mark.parametrize("operation", REFUSALS)
def test_every_text_of_an_operation_can_be_filled(operation: str) -> None:
    for status in REFUSALS[operation]:
        text = str(refusal(HttpAnswer(operation=operation, status=status, reason="its {reason}")))
        assert "{detail}" not in text
        assert "{operation}" not in text
        assert "_id}" not in text


def test_it_needs_no_http_and_reads_no_json_before_there_is_a_refusal() -> None:
    heavy = {"asyncio", "cattrs", "requests", "socket", "ssl", "urllib3", "websocket"}
    code = f"import sys, odyssey_proto.core.refusals; print(*sorted(set(sys.modules) & {heavy!r}))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == []
