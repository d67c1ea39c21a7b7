"""The errors that exceptions of libraries are translated into, without any network."""

from __future__ import annotations

import http.client
import socket
import ssl

import pytest
import requests
import urllib3.exceptions
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._base.errors import MalformedMessageError, OdysseyConnectionError, OdysseyConnectionTimeoutError
from odyssey_proto._net.call import Call
from odyssey_proto._net.failures import ProxyTroubleError, SettingError, connection_error

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
def test_an_exception_is_reported_by_its_root_cause(
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


def test_a_timeout_names_its_span_where_it_has_one() -> None:
    assert str(translated(TimeoutError())).endswith("(5 s)")
    assert "None" not in str(connection_error(TimeoutError(), call(timeout=None), "GET /x", URL))


def at_proxy(cause: Exception) -> Exception:
    """Return the exception that requests raises if a proxy fails because of ``cause``."""
    return requests.ConnectionError(MaxRetryError(POOL, "/", caused(ProxyTroubleError("10.0.0.1", 3128), cause)))


@pytest.mark.parametrize(
    ("cause", "code", "recoverable", "text"),
    [
        (ConnectionRefusedError(111, "refused"), "refused", True, "the proxy 10.0.0.1:3128 refuses connections"),
        (TimeoutError(), "timeout", True, "the proxy 10.0.0.1:3128 gave no complete answer in time"),
        (socket.gaierror(-2, "not known"), "unknown_host", False, "the proxy 10.0.0.1:3128 cannot be found"),
        (
            http.client.BadStatusLine("SSH"),
            "malformed",
            False,
            "the answer of the proxy 10.0.0.1:3128 is",
        ),
        (UNTRUSTED, "untrusted_certificate", False, "the certificate of the proxy 10.0.0.1:3128 is not trusted"),
    ],
)
def test_a_failure_at_the_proxy_names_the_proxy_and_not_the_service(
    cause: Exception, code: str, recoverable: bool, text: str
) -> None:
    error = translated(at_proxy(cause))
    assert (error.code, error.recoverable) == (code, recoverable)
    assert text in str(error)
    assert "api.example" not in str(error)


@pytest.mark.parametrize(
    ("said", "code", "recoverable"),
    [
        ("407 Proxy Authentication Required", "proxy", False),
        ("403 Forbidden", "proxy", False),
        ("407", "proxy", False),
        ("503 Service Unavailable", "unreachable", True),
    ],
)
def test_a_proxy_that_opens_no_tunnel_is_reported_as_recoverable_only_if_a_retry_may_help(
    said: str, code: str, recoverable: bool
) -> None:
    error = translated(at_proxy(OSError(f"Tunnel connection failed: {said}")))
    assert (error.code, error.recoverable, error.operation) == (code, recoverable, "POST /auth/token")
    assert str(error).startswith("POST /auth/token: the proxy 10.0.0.1:3128 ")
    assert f"({said})" in str(error)


def test_a_failure_behind_a_proxy_of_another_kind_mentions_the_proxy() -> None:
    refused = NewConnectionError(POOL, "refused")  # type: ignore[arg-type]  # a pool is enough for its message
    exc = caused(urllib3.exceptions.ProxyError("no proxy", refused), ConnectionRefusedError(111, "refused"))
    assert "through the proxy" in str(translated(requests.exceptions.ProxyError(exc)))


def test_a_proxy_with_an_ipv6_address_is_named_in_brackets() -> None:
    assert ProxyTroubleError("::1", 80).name == "[::1]:80"


def test_a_setting_that_cannot_be_used_is_final_and_keeps_its_text() -> None:
    error = translated(requests.ConnectionError(SettingError("HTTPS_PROXY is wrong", "proxy")))
    assert (str(error), error.code, error.recoverable) == (
        "POST /auth/token: HTTPS_PROXY is wrong",
        "proxy",
        False,
    )


@pytest.mark.parametrize(
    ("verify_code", "advice"),
    [
        (9, "check the date and the clock of this machine"),
        (10, "check the date and the clock of this machine"),
        (62, "check the address"),
        (64, "check the address"),
        (18, "set REQUESTS_CA_BUNDLE or SSL_CERT_FILE"),
    ],
)
def test_a_certificate_that_is_not_trusted_comes_with_advice(verify_code: int, advice: str) -> None:
    exc = ssl.SSLCertVerificationError(1, "certificate verify failed")
    exc.verify_code = verify_code
    assert advice in str(translated(exc))


def test_exceptions_that_lead_to_each_other_are_no_trap() -> None:
    one, other = requests.ConnectionError("one"), requests.ConnectionError("other")
    one.__cause__, other.__cause__ = other, one
    assert translated(one).code == "unreachable"


def test_an_aborted_call_is_closed_whatever_it_met() -> None:
    abort = Abort()
    abort.abort()
    error = connection_error(TimeoutError(), call(abort), "GET /x", URL)
    assert (type(error), error.code, error.recoverable) == (OdysseyConnectionError, "closed", False)


def test_an_error_of_ours_stays_as_it_is() -> None:
    error = MalformedMessageError("The answer to the handshake is too long")
    assert translated(error) is error
