"""The access token: when and by which thread it is fetched, and when it is renewed."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from odyssey_proto._base.abort import Abort
from odyssey_proto._base.clock import MonotonicClock
from odyssey_proto._base.errors import OdysseyAuthError, OdysseyConnectionError
from odyssey_proto._model.config import ClientConfig
from odyssey_proto._net.service_api import ServiceApi
from tests.support.apis import made_api, until
from tests.support.clocks import Time
from tests.support.processes import PATIENCE_S, eventually, is_waited_for
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer


def test_a_token_is_used_until_a_minute_before_its_end(server: HttpServer) -> None:
    clock = Time()
    with made_api(server, clock=clock) as api:
        api.access_token(until())
        clock.at += 3539
        api.access_token(until())
        assert len(server.requests) == 1
        clock.at += 2
        api.access_token(until())
        assert len(server.requests) == 2


def test_a_token_without_a_lifetime_lasts_an_hour(server: HttpServer) -> None:
    server.routes["POST /auth/token"] = json_answer({"access_token": "at"})
    clock = Time()
    with made_api(server, clock=clock) as api:
        api.access_token(until())
        clock.at += 3539
        api.access_token(until())
        assert len(server.requests) == 1
        clock.at += 2
        api.access_token(until())
        assert len(server.requests) == 2


def test_a_token_that_hardly_lasts_is_fetched_for_each_call(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /auth/token"] = json_answer({"access_token": "at", "expires_in": 60})
    api.session_token("s-1", until())
    api.session_token("s-1", until())
    assert len(server.received("POST /auth/token")) == 2


def test_threads_that_need_a_token_at_once_fetch_one(server: HttpServer, api: ServiceApi) -> None:
    together = threading.Barrier(8)

    def slowly(connection: Connection, _: Request) -> None:
        connection.pause(0.2)
        connection.send(json_answer({"access_token": "at", "expires_in": 3600}))

    server.routes["POST /auth/token"] = slowly

    def ask(_: int) -> str:
        together.wait(10)
        return api.access_token(until())

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {"at"}
    assert len(server.requests) == 1


def test_a_thread_that_waits_for_anothers_token_takes_over_when_that_one_gives_up(
    server: HttpServer, api: ServiceApi
) -> None:
    asked, abort = threading.Event(), Abort()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = [hang, json_answer({"access_token": "at"})]
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(api.access_token, until(), abort=abort)
        assert asked.wait(10)
        second = pool.submit(api.access_token, until())
        eventually(lambda: is_waited_for(api._token._changed))
        abort.abort()
        assert isinstance(first.exception(PATIENCE_S), OdysseyConnectionError)
        assert second.result(PATIENCE_S) == "at"


def test_a_thread_that_waits_for_anothers_token_keeps_its_own_deadline(
    server: HttpServer, api: ServiceApi
) -> None:
    asked, abort = threading.Event(), Abort()

    def hang(connection: Connection, _: Request) -> None:
        asked.set()
        connection.hang()

    server.routes["POST /auth/token"] = hang
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(api.access_token, until(), abort=abort)
        assert asked.wait(10)
        with pytest.raises(TimeoutError):
            api.access_token(until(0.1))
        abort.abort()
        assert first.exception(10) is not None


def test_a_token_that_is_revoked_early_is_renewed_once(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /auth/token"] = [json_answer({"access_token": name}) for name in ("old", "new")]
    refused = json_answer({"detail": "token revoked"}, "401 Unauthorized")
    granted = json_answer({"session_id": "s-1", "signalling_url": "wss://x.example"})
    server.routes["POST /sessions/request"] = [refused, granted]
    assert api.request_session(until()).session_id == "s-1"
    bearers = [request.headers["authorization"] for request in server.received("POST /sessions/request")]
    assert bearers == ["Bearer old", "Bearer new"]


def test_a_token_that_is_refused_twice_is_an_error(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /sessions/token"] = json_answer({"detail": "no such token"}, "401 Unauthorized")
    with pytest.raises(
        OdysseyAuthError, match="POST /sessions/token: the access token was refused: no such token"
    ):
        api.session_token("s-1", until())
    assert len(server.received("POST /sessions/token")) == 2
    assert len(server.received("POST /auth/token")) == 2


def test_a_refused_key_is_not_tried_again(server: HttpServer, api: ServiceApi) -> None:
    server.routes["POST /auth/token"] = answer(status="401 Unauthorized")
    with pytest.raises(OdysseyAuthError):
        api.access_token(until())
    assert len(server.requests) == 1


@pytest.mark.parametrize("key", [None, "", "  ", "ody_with blank", "ody_\n", "ody_ü"])
def test_nothing_is_sent_without_a_usable_key(
    server: HttpServer, key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ODYSSEY_API_KEY", raising=False)
    config = ClientConfig(api_key=key, api_url=server.url)
    with contextlib.closing(ServiceApi(config, MonotonicClock())) as api, pytest.raises(OdysseyAuthError):
        api.access_token(until())
    assert server.accepted == 0
