"""The telemetry of a client's connections, at a raw-socket server; it never delays or fails anything."""

from __future__ import annotations

import contextlib
import platform
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import __version__
from odyssey_proto._base import errors
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.event_loop import BackgroundLoop
from odyssey_proto._live import commands
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi
from odyssey_proto._rest.telemetry import Telemetry
from odyssey_proto.session import Session
from tests.support.clocks import Time
from tests.support.leaks import nothing_left
from tests.support.servers import HttpServer, answer
from tests.support.systems import NEEDS_FORK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "ody_live_secret-key"


class Rig:
    """Telemetry of a client of ``server``, and sessions that were never connected."""

    def __init__(self, server: HttpServer, **config: Any) -> None:
        self.server = server
        self.config = ClientConfig(**{"api_key": KEY, "api_url": server.url, "enable_telemetry": True, **config})
        self.api = ServiceApi(self.config, MonotonicClock())
        self.clock = Time()
        self.telemetry = Telemetry(self.config, self.api, self.clock)

    def session(self) -> Session:
        driver = commands.session_driver(self.config, self.api, BackgroundLoop(), self.clock, None)
        return Session(driver, has_handlers=False)

    def connect(self, live: Session, error: BaseException | None = None, took: float = 0.0) -> None:
        with self.telemetry.connecting(live):
            self.clock.at += took
            if error is not None:
                raise error

    def told(self) -> list[dict[str, Any]]:
        """Close, and return the events that arrived."""
        thread = self.telemetry._thread
        self.telemetry.close()
        if thread is not None:
            thread.join(10)  # closing does not wait for this, but the test does
        return [event for request in self.server.received("POST /telemetry") for event in request.json()["events"]]


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with nothing_left(), HttpServer({"POST /telemetry": answer(status="202 Accepted")}) as made:
        yield made


@pytest.fixture
def make_rig(server: HttpServer) -> Iterator[Callable[..., Rig]]:
    with contextlib.ExitStack() as made:

        def make(**config: Any) -> Rig:
            rig = Rig(server, **config)
            made.callback(rig.api.close)
            made.callback(rig.telemetry.close)
            return rig

        yield make


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


# --- off


def test_it_is_off_by_default() -> None:
    assert ClientConfig(api_key=KEY).enable_telemetry is False


def test_off_means_no_request_and_no_thread(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(enable_telemetry=False)
    live = rig.session()
    rig.connect(live)
    rig.telemetry.ended(live)
    rig.telemetry.disconnected()
    with pytest.raises(errors.OdysseyConnectionError):
        rig.connect(live, errors.OdysseyConnectionError("x"))
    assert rig.telemetry._thread is None
    assert rig.told() == []
    assert rig.server.accepted == 0


# --- events


def test_a_session_is_reported_with_its_connect_time_in_whole_ms_but_without_its_length(rig: Rig) -> None:
    live = rig.session()
    rig.connect(live, took=0.2504)
    rig.clock.at += 2  # less than a call may take
    rig.telemetry.ended(live)
    connecting, connected, disconnected = rig.told()
    assert connecting["event"] == "session_connecting"
    assert (connected["event"], connected["connect_duration_ms"]) == ("session_connected", 250)
    assert type(connected["connect_duration_ms"]) is int
    assert disconnected["event"] == "session_disconnected"
    assert "session_duration_seconds" not in disconnected


def test_every_event_says_which_client_it_is_of_and_nothing_secret(rig: Rig) -> None:
    rig.connect(rig.session())
    for event in rig.told():
        assert (event["sdk_version"], event["sdk_platform"]) == (__version__, "python")
        assert event["api_key_prefix"] == KEY[:8]
        system, release, version = platform.system(), platform.release(), platform.python_version()
        assert event["platform_info"] == f"{system} {release} / Python {version}"
    assert not any(b"secret" in request.body for request in rig.server.requests)


@pytest.mark.parametrize(("key", "beginning"), [("ody_5678", "ody_5678"), ("ody_56789", "ody_5678")])
def test_the_beginning_of_a_key_is_its_first_eight_characters(
    make_rig: Callable[..., Rig], key: str, beginning: str
) -> None:
    rig = make_rig(api_key=key)
    rig.connect(rig.session())
    assert {event["api_key_prefix"] for event in rig.told()} == {beginning}


@pytest.mark.parametrize("key", [None, "", "ody_567"])
def test_without_a_key_of_eight_characters_there_is_no_beginning_of_one(
    make_rig: Callable[..., Rig], key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    rig = make_rig(api_key=key)
    rig.connect(rig.session())
    assert not any("api_key_prefix" in event for event in rig.told())


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.OdysseyAuthError("x"), "auth"),
        (errors.usage_error("MONTHLY_LIMIT_REACHED", "x"), "usage"),
        (errors.OdysseyStreamError("x"), "stream"),
        (errors.OdysseyConnectionError("x"), "connection"),
        (errors.OdysseyConnectionTimeoutError("x"), "connection"),
        (errors.MalformedMessageError("x"), "connection"),
        (errors.OdysseyConfigError("x"), "unknown"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_failure_is_reported_by_its_kind_and_still_raised(
    rig: Rig, error: errors.OdysseyError, kind: str
) -> None:
    with pytest.raises(type(error)) as caught:
        rig.connect(rig.session(), error)
    assert caught.value is error
    assert [event.get("error_type") for event in rig.told()] == [None, kind]


def test_a_failure_is_reported_with_all_known_details(rig: Rig) -> None:
    error = errors.OdysseyConnectionError("m" * 3000, code="no_streamers", session_id="s-1")
    with pytest.raises(errors.OdysseyConnectionError):
        rig.connect(rig.session(), error)
    event = rig.told()[-1]
    assert (event["error_code"], event["session_id"], event["connection_status"]) == (
        "no_streamers",
        "s-1",
        "disconnected",
    )
    assert event["error_message"] == error.message
    assert "event" not in event


def test_what_is_no_error_of_ours_is_nobodys_business(rig: Rig) -> None:
    with pytest.raises(KeyboardInterrupt):
        rig.connect(rig.session(), KeyboardInterrupt())
    assert [event.get("event") for event in rig.told()] == ["session_connecting"]


# --- the end of a session


def names(told: list[dict[str, Any]]) -> list[str]:
    return [event["event"].removeprefix("session_") for event in told]


def test_an_end_is_reported_once(rig: Rig) -> None:
    live = rig.session()
    rig.connect(live)
    rig.telemetry.ended(live)
    rig.telemetry.ended(live)
    assert names(rig.told()) == ["connecting", "connected", "disconnected"]


def test_a_session_that_was_never_connected_has_no_end(rig: Rig) -> None:
    rig.telemetry.ended(rig.session())
    assert rig.told() == []


def test_every_disconnect_is_reported_with_the_session_whose_end_was_not_reported_yet(rig: Rig) -> None:
    live = rig.session()
    rig.connect(live)
    rig.telemetry._connected = rig.telemetry._connected and (rig.telemetry._connected[0], "s-1")
    rig.telemetry.disconnected()
    rig.telemetry.ended(live)
    rig.telemetry.disconnected()
    _, _, first, second = rig.told()
    assert (first["event"], first["session_id"]) == ("session_disconnected", "s-1")
    assert second["event"] == "session_disconnected"
    assert "session_id" not in second


def test_the_end_of_an_earlier_session_is_not_that_of_the_last(rig: Rig) -> None:
    first, second = rig.session(), rig.session()
    rig.connect(first)
    rig.connect(second)
    rig.telemetry.ended(first)
    assert names(rig.told()) == ["connecting", "connected"] * 2


def test_a_session_is_not_kept_alive(rig: Rig) -> None:
    import weakref

    live = rig.session()
    rig.connect(live)
    there = weakref.ref(live)
    del live
    assert there() is None


# --- it never delays or fails anything


@pytest.mark.parametrize(
    "reply", [answer(status="500 Oops"), b"garbage", lambda connection, _: connection.reset()]
)
def test_an_event_that_is_not_taken_is_dropped_and_the_next_goes_out(rig: Rig, reply: Any) -> None:
    rig.server.routes["POST /telemetry"] = [reply, answer(status="202 Accepted")]
    rig.connect(rig.session())
    assert names(rig.told()) == ["connecting", "connected"]


def test_closing_ends_the_thread_and_can_be_repeated(rig: Rig) -> None:
    rig.connect(rig.session())
    thread = rig.telemetry._thread
    assert thread is not None
    rig.telemetry.close()
    rig.telemetry.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_client_that_is_closed_takes_the_thread_with_it(rig: Rig) -> None:
    rig.server.routes["POST /telemetry"] = lambda connection, _: connection.hang()
    rig.connect(rig.session())
    thread = rig.telemetry._thread
    assert thread is not None
    rig.api.close()
    thread.join(10)
    assert not thread.is_alive()


def test_a_system_without_threads_is_no_failure(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(rig.telemetry, "_start", refuse)
    rig.connect(rig.session())
    assert rig.told() == []


FORKING = """
import os, sys
from odyssey_proto import Odyssey

client = Odyssey("ody_key", api_url=sys.argv[1], enable_telemetry=True)
if os.fork() == 0:
    telemetry = client._account.telemetry
    telemetry.disconnected()
    os._exit(0 if telemetry._thread is None else 7)
status = os.waitstatus_to_exitcode(os.wait()[1])
client.close()
sys.exit(status)
"""


@NEEDS_FORK
def test_a_forked_child_reports_nothing(server: HttpServer) -> None:
    script = [sys.executable, "-c", FORKING, server.url]
    assert subprocess.run(script, timeout=60, check=False).returncode == 0
    assert server.accepted == 0
