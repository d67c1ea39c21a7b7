"""What foreign exceptions and refusing answers mean, without any network."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from typing import Any

import pytest
import requests
import urllib3.exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import (
    AccountSuspendedError,
    ConcurrentLimitReachedError,
    MalformedMessageError,
    MonthlyLimitReachedError,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyConnectionTimeoutError,
    OdysseyUsageError,
    RateLimitError,
    StreamDurationExceededError,
)
from odyssey_proto._net.failures import Answer, connection_error, refusal, unreadable
from odyssey_proto._net.sockets import Call

POOL = urllib3.HTTPConnectionPool("api.example")
URL = "https://user:password@api.example:8443/auth/token?token=secret"


def call(*aborts: Abort, timeout: float | None = 5.0) -> Call:
    return Call(Deadline(timeout, MonotonicClock()), *aborts)


def translated(exc: BaseException) -> OdysseyConnectionError:
    return connection_error(exc, call(), "POST /auth/token", URL)


def caused(outer: Exception, inner: BaseException) -> Exception:
    outer.__cause__ = inner
    return outer


UNTRUSTED = ssl.SSLCertVerificationError(1, "certificate verify failed")
UNTRUSTED.verify_message = "self-signed certificate"
CUT_SHORT = urllib3.exceptions.IncompleteRead(10, 90)


@pytest.mark.parametrize(
    ("exc", "code", "recoverable", "cause"),
    [
        (TimeoutError("timed out"), "timeout", True, TimeoutError),
        (
            requests.ReadTimeout(caused(ReadTimeoutError(POOL, "/", "x"), TimeoutError())),
            "timeout",
            True,
            TimeoutError,
        ),
        (
            requests.ConnectionError(MaxRetryError(POOL, "/x?token=s", TimeoutError())),
            "timeout",
            True,
            TimeoutError,
        ),
        (requests.ConnectionError(socket.gaierror(-2, "Name not known")), "unknown_host", False, socket.gaierror),
        (requests.exceptions.SSLError(UNTRUSTED), "untrusted_certificate", False, ssl.SSLCertVerificationError),
        (requests.exceptions.SSLError(ssl.SSLError(1, "wrong version")), "tls", False, ssl.SSLError),
        (ssl.SSLEOFError(8, "EOF occurred"), "connection_lost", True, ssl.SSLEOFError),
        (
            ProtocolError("aborted", ConnectionResetError(104, "reset")),
            "connection_lost",
            True,
            ConnectionResetError,
        ),
        (ProtocolError("broken", CUT_SHORT), "connection_lost", True, type(None)),
        (http.client.RemoteDisconnected("x"), "connection_lost", True, http.client.RemoteDisconnected),
        (BrokenPipeError(32, "broken pipe"), "connection_lost", True, BrokenPipeError),
        (ConnectionRefusedError(111, "refused"), "refused", True, ConnectionRefusedError),
        (OSError(101, "Network is unreachable"), "unreachable", True, OSError),
        (ProtocolError("aborted", http.client.BadStatusLine("SSH")), "malformed", False, type(None)),
        (urllib3.exceptions.InvalidHeader("Content-Length"), "malformed", False, type(None)),
        (ValueError("anything"), "malformed", False, type(None)),
        (requests.exceptions.InvalidURL("no host"), "invalid_url", False, type(None)),
        (caused(requests.exceptions.InvalidURL("label"), UnicodeError()), "invalid_url", False, type(None)),
        (requests.exceptions.InvalidSchema("Missing dependencies for SOCKS"), "invalid_url", False, type(None)),
    ],
)
def test_an_exception_is_told_by_what_is_at_its_bottom(
    exc: BaseException, code: str, recoverable: bool, cause: type
) -> None:
    error = translated(exc)
    assert (error.code, error.recoverable, error.operation) == (code, recoverable, "POST /auth/token")
    assert isinstance(error.__cause__, cause)
    assert isinstance(error, OdysseyConnectionTimeoutError) == (code == "timeout")
    assert isinstance(error, MalformedMessageError) == (code == "malformed")


@pytest.mark.parametrize(
    "exc", [TimeoutError(), ConnectionRefusedError(111, "refused"), OSError("x?token=secret")]
)
def test_a_text_names_the_host_and_no_secret(exc: BaseException) -> None:
    text = str(translated(exc))
    assert text.startswith("POST /auth/token: ")
    assert "api.example:8443" in text
    assert "secret" not in text
    assert "password" not in text


def test_a_text_says_why_in_the_systems_words() -> None:
    assert "(self-signed certificate)" in str(translated(requests.exceptions.SSLError(UNTRUSTED)))
    assert "(Network is unreachable)" in str(translated(OSError(101, "Network is unreachable")))
    assert "(Tunnel connection failed: 407)" in str(translated(OSError("Tunnel connection failed: 407")))


def test_a_timeout_names_its_span_where_it_has_one() -> None:
    assert str(translated(TimeoutError())).endswith("(5 s)")
    assert "None" not in str(connection_error(TimeoutError(), call(timeout=None), "GET /x", URL))


def test_a_failure_at_the_proxy_is_told_as_one() -> None:
    refused = NewConnectionError(POOL, "refused")  # type: ignore[arg-type]  # a pool does for its text
    exc = caused(urllib3.exceptions.ProxyError("no proxy", refused), ConnectionRefusedError(111, "refused"))
    assert "through the proxy" in str(translated(requests.exceptions.ProxyError(exc)))


def test_exceptions_that_lead_to_each_other_are_no_trap() -> None:
    one, other = requests.ConnectionError("one"), requests.ConnectionError("other")
    one.__cause__, other.__cause__ = other, one
    assert translated(one).code == "malformed"


def test_an_aborted_call_is_closed_whatever_it_met() -> None:
    abort = Abort()
    abort.abort()
    error = connection_error(TimeoutError(), call(abort), "GET /x", URL)
    assert (type(error), error.code, error.recoverable) == (OdysseyConnectionError, "closed", False)


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = MalformedMessageError("The answer to the handshake is too long")
    assert translated(error) is error


# --- answers


def answer(status: int, data: Any = None, *, body: bytes | None = None, **known: Any) -> Answer:
    return Answer(
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


def test_a_refusal_that_the_operation_knows_is_told_in_its_words() -> None:
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
        ({"retry-after": "Fri, 31 Dec 1999 23:59:59 GMT", "date": "Fri, 31 Dec 1999 23:59:29"}, None),
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


def test_the_request_id_of_the_service_is_told() -> None:
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
