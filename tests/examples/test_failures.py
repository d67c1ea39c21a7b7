"""The failures that the documentation describes, provoked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from odyssey_proto import (
    AdvancedConfig,
    ConcurrentLimitReachedError,
    ConnectionStatus,
    Odyssey,
    OdysseyAuthError,
    OdysseyConnectionError,
    OdysseyStreamError,
)
from odyssey_proto.emulator._faults.script import Fault
from tests.support.documentation import example_of
from tests.support.processes import PATIENCE_S, eventually

if TYPE_CHECKING:
    from odyssey_proto import Session
    from odyssey_proto.emulator._server import Emulator
    from tests.conftest import MakeEmulator


@example_of("sdk/python/types", "Fatal vs Non-Fatal Errors")
def test_fatal_and_non_fatal_errors(emulator: Emulator) -> None:
    told: list[tuple[Exception, bool]] = []
    again: list[Session] = []
    connected_again = threading.Event()
    problem = ValueError("mine")

    def on_error(error: Exception, fatal: bool) -> None:
        told.append((error, fatal))
        if fatal:  # "Connection cannot continue": "Reconnect or exit"
            again.append(client.connect())
            connected_again.set()

    def on_stream_started(stream_id: str) -> None:
        raise problem

    with Odyssey("ody_your_api_key_here", api_url=emulator.api_url) as client:
        session = client.connect(on_error=on_error, on_stream_started=on_stream_started)
        client.start_stream("A cat")
        eventually(lambda: told)
        assert told == [(problem, False)]  # "Recoverable error": "May retry or notify user"
        client.interact("Pet the cat")

        emulator.faults.add(Fault(step="stream update", action="error", reason="streamer_disconnected"))
        with pytest.raises(OdysseyStreamError):
            client.interact("Feed the cat")
        assert connected_again.wait(PATIENCE_S)
        error, fatal = told[1]
        assert (type(error), fatal) == (OdysseyConnectionError, True)
        assert session.status is ConnectionStatus.FAILED
        assert again[0].is_connected


@attrs.frozen
class Case:
    """A documented error, its cause, and the error that this library raises."""

    documented: str
    raised: type[Exception]
    begins: str
    api_key: Any = "ody_your_api_key_here"
    queue_timeout_s: float = 30
    streamers: int = 1
    others: int = 0
    """Number of sessions that the key has already."""
    fault: Fault | None = None


def start(api_key: Any, api_url: str, advanced: AdvancedConfig) -> None:
    with Odyssey(api_key, api_url=api_url, advanced=advanced) as client:
        client.connect()
        client.start_stream("A cat")


def provoke(case: Case, make_emulator: MakeEmulator) -> Exception:
    """Connect and start a stream under the conditions of a case; return the outcome."""
    emulator = make_emulator(streamers=case.streamers)
    if case.fault is not None:
        emulator.faults.add(case.fault)
    advanced = AdvancedConfig(queue_timeout_s=case.queue_timeout_s, max_retries=0)
    others = [Odyssey(case.api_key, api_url=emulator.api_url) for _ in range(case.others)]
    try:
        for other in others:
            other.connect()
        with pytest.raises(case.raised) as caught:
            start(case.api_key, emulator.api_url, advanced)
    finally:
        for other in others:
            other.close()
    return caught.value


COMMON = [
    Case("OdysseyAuthError", OdysseyAuthError, "", api_key="ody_invalid_key"),
    Case(
        "OdysseyConnectionError: No streamers available",
        OdysseyConnectionError,
        "No streamers available",
        streamers=0,
        queue_timeout_s=0,
    ),
    Case(
        "OdysseyConnectionError: Timed out waiting for a streamer",
        OdysseyConnectionError,
        "Timed out waiting for a streamer",
        streamers=0,
        queue_timeout_s=0.5,
    ),
]


@pytest.mark.parametrize("case", COMMON, ids=lambda case: case.documented)
@example_of("sdk/python/types", "Common Errors")
def test_common_errors(case: Case, make_emulator: MakeEmulator) -> None:
    assert str(provoke(case, make_emulator)).startswith(case.begins)
    with pytest.raises(OdysseyStreamError, match=r"^Cannot start stream: client is disconnected"):
        Odyssey("ody_your_api_key_here").start_stream("A cat")


# Some texts differ from JavaScript's: for a missing or wrong argument, Python has its own, and so has the service.
JAVASCRIPT = [
    Case(
        "Odyssey: apiKey is required and must be a string...",
        TypeError,
        "api_key must be a string",
        api_key=12345,
    ),
    Case("Odyssey: apiKey cannot be empty...", OdysseyAuthError, "The API key is empty", api_key=""),
    Case("Invalid API key", OdysseyAuthError, "Invalid API key", api_key="ody_invalid_key"),
    Case("Invalid API key format...", OdysseyAuthError, "Invalid API key format", api_key="your_api_key_here"),
    Case("API key access denied", OdysseyAuthError, "API key access denied", api_key="ody_suspended_key"),
    Case(
        "Maximum concurrent sessions (N) reached",
        ConcurrentLimitReachedError,
        "You have 1 active session(s), the limit is 1",
        streamers=2,
        others=1,
    ),
    Case(
        "No available sessions",
        OdysseyConnectionError,
        "No streamers available",
        streamers=0,
        queue_timeout_s=0,
    ),
    Case(
        "Streamer not available",
        OdysseyConnectionError,
        "Streamer not available",
        fault=Fault(step="signaling offer", action="error", reason="streamer_not_available"),
    ),
    Case(
        "Streamer disconnected",
        OdysseyStreamError,
        "The connection ended before the answer: Streamer disconnected",
        fault=Fault(step="stream start", action="error", reason="streamer_disconnected"),
    ),
    Case(
        "Timed out waiting for a streamer",
        OdysseyConnectionError,
        "Timed out waiting for a streamer",
        streamers=0,
        queue_timeout_s=0.5,
    ),
]


@pytest.mark.parametrize("case", JAVASCRIPT, ids=lambda case: case.documented)
@example_of("sdk/javascript/types", "Common Error Messages")
def test_common_error_messages(case: Case, make_emulator: MakeEmulator) -> None:
    assert str(provoke(case, make_emulator)).startswith(case.begins)
