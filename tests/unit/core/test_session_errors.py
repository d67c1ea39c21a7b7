"""The texts of a session's errors."""

from __future__ import annotations

import odyssey_models as wire
import pytest

from odyssey_proto._base.errors import OdysseyConnectionError
from odyssey_proto.core import session_errors


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (session_errors.left("s-1"), "disconnected", "The client disconnected"),
        (session_errors.ended("s-1"), "session_ended", "The service ended the session"),
        (session_errors.no_video(5.0, "waiting", "s-1"), "no_video", "No video within 5 s: waiting took too long"),
        (session_errors.closed_early("x", "s-1"), "closed_early", "The service closed the connection while x"),
        (
            session_errors.not_back("x", "s-1"),
            "connection_lost",
            "Connection lost; not back within 40 s of the last keepalive (x)",
        ),
        (
            session_errors.expired("s-1"),
            "credentials_expired",
            "The connection was lost, and its credentials have expired meanwhile: get new ones",
        ),
    ],
)
def test_an_error_says_what_happened(error: OdysseyConnectionError, code: str, text: str) -> None:
    assert (error.code, str(error), error.session_id) == (code, text, "s-1")


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        ("unknown", "unknown", "The service reported an unknown error"),
        ("", "unknown", "The service reported an unknown error"),
        ("new\none", "new one", "The service ended the session: new one"),
    ],
)
def test_an_error_of_the_service_has_its_reason(reason: str, code: str, text: str) -> None:
    error = session_errors.told(wire.SignalingError(reason=wire.SignalingErrorReason(reason)), "s-1")
    assert (error.code, str(error), error.session_id) == (code, text, "s-1")


def test_an_address_that_cannot_be_used_is_reported_with_the_session() -> None:
    error = session_errors.unreachable(wire.SessionResponse(session_id="s-1", signalling_url="x y"))
    assert error is not None
    assert (error.session_id, error.operation) == ("s-1", "POST /sessions/request")
    usable = wire.SessionResponse(session_id="s-1", signalling_url="host:80")
    assert session_errors.unreachable(usable) is None


@pytest.mark.parametrize(("code", "passes"), [("http_404", True), ("proxy", False), ("invalid_url", False)])
def test_some_failures_of_a_new_session_pass(code: str, passes: bool) -> None:
    assert session_errors.may_pass(OdysseyConnectionError("no", code=code)) is passes
