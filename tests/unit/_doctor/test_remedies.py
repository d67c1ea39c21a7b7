"""The advice for each error."""

from __future__ import annotations

import ssl

import pytest

from odyssey_proto import (
    ConcurrentLimitReachedError,
    OdysseyConfigError,
    OdysseyConnectionError,
    OdysseyError,
    OdysseyUsageError,
)
from odyssey_proto._doctor.remedies import remedy
from odyssey_proto.core.refusals import REFUSALS


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OdysseyConnectionError("x", code="unknown_host"), "is online"),
        (OdysseyConnectionError("x", code="refused"), "nothing listens there"),
        (OdysseyConnectionError("x", code="untrusted_certificate"), "its root certificate"),
        (OdysseyConnectionError("the proxy 10.0.0.1:3128 refuses", code="refused"), "HTTPS_PROXY"),
        (OdysseyConnectionError("x", code="http_502", status=502), "try again in a minute"),
        (ConcurrentLimitReachedError("x", code="CONCURRENT_LIMIT_REACHED"), "within 40 s"),
        (OdysseyUsageError("x", action="Upgrade your plan"), "Upgrade your plan"),
        (OdysseyConnectionError("x", code="http_404", status=404), "correct ODYSSEY_API_URL or --api-url"),
        (OdysseyConfigError("api_url must be …", code="invalid_argument"), "correct what the text names"),
        (OdysseyError("x"), "--debug"),
    ],
    ids=lambda value: "" if isinstance(value, str) else f"{type(value).__name__}-{value.code}",
)
def test_the_advice_is_that_for_the_error(error: OdysseyError, words: str) -> None:
    assert words in remedy(error)


@pytest.mark.parametrize(
    ("code", "words"), [(9, "set the clock"), (10, "set the clock"), (62, "check the address"), (18, "its root")]
)
def test_a_certificate_that_is_not_trusted_has_the_advice_for_its_fault(code: int, words: str) -> None:
    cause = ssl.SSLCertVerificationError()
    cause.verify_code = code
    error = OdysseyConnectionError("x", code="untrusted_certificate")
    error.__cause__ = cause
    assert words in remedy(error)


@pytest.mark.parametrize("operation", ["POST /auth/token", "GET /regions", "POST /sessions/request"])
def test_every_refusal_of_the_calls_that_are_made_has_its_own_advice(operation: str) -> None:
    codes = {code for _, code, _ in REFUSALS[operation].values()}
    assert [code for code in codes if "--debug" in remedy(OdysseyError("x", code=code))] == []
