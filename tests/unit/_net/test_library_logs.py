"""Log records of other libraries: those about our requests lose their secrets; all others stay unchanged."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import requests
import websocket
from odyssey_models import Answer

from odyssey_proto._base.clock import Deadline, MonotonicClock
from odyssey_proto._net.http_exchange import HttpClient, HttpRequest
from odyssey_proto._net.library_logs import without_secrets
from tests.support.hearing import Heard, connected
from tests.support.servers import Connection, HttpServer, SignalingServer, answer

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNED = "/file?X-Amz-Signature=4711"
SDP = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:password4711\r\n"


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Capture everything that `logging.basicConfig(level=logging.DEBUG)` would show."""
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


@pytest.mark.parametrize(
    "query", ["4711", "a[]=1&sig=4711", "f(x)=1&sig=4711", "n='x'&sig=4711", 'r={1}^"<>&sig=4711', "a=b?c=4711"]
)
def test_a_query_is_hidden_whatever_is_in_it(everything: pytest.LogCaptureFixture, query: str) -> None:
    clock = MonotonicClock()
    with HttpServer({"GET /file": answer(b"x")}) as server:
        http = HttpClient(clock)
        request = HttpRequest(operation="download", method="GET", url=f"{server.url}/file?{query}")
        with http.call(Deadline(30, clock)) as call:
            http.exchange(request, call)
        http.close()
        assert server.requests[0].target == f"/file?{query}"
    assert '"GET /file?… HTTP/1.1" 200' in everything.text
    assert "4711" not in everything.text


@pytest.fixture
def traced() -> Iterator[None]:
    """Turn on the trace of websocket-client; afterwards, remove the handler that `enableTrace` added."""
    logger = logging.getLogger("websocket")
    before, level = list(logger.handlers), logger.level
    websocket.enableTrace(True, logging.NullHandler())
    yield
    websocket.enableTrace(False)
    logger.handlers[:] = before
    logger.setLevel(level)


@pytest.mark.usefixtures("traced")
def test_the_trace_of_websocket_client_has_neither_the_token_nor_ice_passwords(
    everything: pytest.LogCaptureFixture,
) -> None:
    def script(connection: Connection) -> None:
        connection.send_frame(json.dumps({"type": "offer", "sdp": SDP}))
        connection.hang()

    heard = Heard()
    with SignalingServer(script) as server, connected(server, heard) as connection:
        heard.next()
        connection.send(Answer(sdp=SDP))
        connection.close()
    traces = "\n".join(record.getMessage() for record in everything.records if record.name == "websocket")
    assert "GET /client/s-1?… HTTP/1.1" in traces
    assert "ice-pwd:…" in traces
    assert "password4711" not in traces
    assert "token" not in traces


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
