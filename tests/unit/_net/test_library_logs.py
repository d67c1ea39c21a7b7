"""The records of the libraries beneath: without secrets if they are about our requests, and untouched if not."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import requests

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net.http_exchange import HttpClient, HttpRequest
from odyssey_proto._net.library_logs import without_secrets
from tests.support.servers import HttpServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED = "/file?X-Amz-Signature=4711"
SDP = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:password4711\r\n"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What `logging.basicConfig(level=logging.DEBUG)` shows."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def test_the_address_of_a_request_of_ours_is_shown_without_its_query(
    everything: pytest.LogCaptureFixture,
) -> None:
    clock = MonotonicClock()
    with HttpServer({"GET /file": answer(b"x")}) as server:
        http = HttpClient(clock)
        request = HttpRequest(operation="download", method="GET", url=server.url + SIGNED)
        with http.call(Deadline(30, clock)) as call:
            http.exchange(request, call)
        http.close()
    assert "/file?…" in everything.text
    assert "4711" not in everything.text


def test_the_address_of_a_request_of_others_is_shown_as_it_is(everything: pytest.LogCaptureFixture) -> None:
    with HttpServer({"GET /file": answer(b"x")}) as server:
        requests.get(server.url + SIGNED, timeout=30)
    assert SIGNED in everything.text


@pytest.mark.parametrize(
    "name",
    ["urllib3.connection", "urllib3.connectionpool", "urllib3.util.retry", "vcr.stubs", "vcr.cassette"],
)
def test_a_warning_with_a_traceback_has_no_secret(everything: pytest.LogCaptureFixture, name: str) -> None:
    with without_secrets():
        failure = ValueError(f"https://x.example{SIGNED}")
        logging.getLogger(name).warning("Failed to parse headers (url=%s)", SIGNED, exc_info=failure)
    assert "ValueError: https://x.example/file?…" in everything.text
    assert "4711" not in everything.text


def test_a_record_that_cannot_be_written_is_left_to_logging(everything: pytest.LogCaptureFixture) -> None:
    seen: list[logging.LogRecord] = []
    logger = logging.getLogger("urllib3.connectionpool")
    logger.addFilter(keep := lambda record: bool(seen.append(record)))
    try:
        with without_secrets():
            logger.warning("%d", "no number")
    finally:
        logger.removeFilter(keep)
    assert seen[0].args == ("no number",)


def test_an_ice_password_in_sdp_is_not_shown(everything: pytest.LogCaptureFixture) -> None:
    logging.getLogger("aiortc.rtcpeerconnection").debug("setRemoteDescription(%s)\n%s", "offer", SDP)
    assert "a=ice-pwd:…" in everything.text
    assert "a=ice-ufrag:abcd" in everything.text
    assert "4711" not in everything.text
