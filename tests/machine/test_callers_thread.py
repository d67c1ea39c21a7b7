"""The iterables and callbacks that a program passes to a call run, and may raise, on the calling thread."""

from __future__ import annotations

import sqlite3
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import pytest

from odyssey_proto import Odyssey, OdysseyConnectionError
from tests.support.servers import HttpServer, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENDED: Final = {"status": "completed"}


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as server:
        for job in ("j-1", "j-2"):
            server.routes[f"GET /simulation-jobs/{job}"] = json_answer({"job_id": job, **ENDED})
        server.routes["GET /simulation-jobs"] = json_answer({"jobs": [], "total": 0})
        recording = {"stream_id": "st-1", "video_url": f"{server.url}/video"}
        server.routes["GET /recordings/st-1"] = json_answer(recording)
        server.routes["GET /video"] = answer(b"\x00\x00\x00\x18ftypmp42" + bytes(1000))
        yield server


@pytest.fixture
def database() -> Iterator[sqlite3.Connection]:
    """A database that only the thread of the test may use."""
    database = sqlite3.connect(":memory:")
    yield database
    database.close()


def rows(database: sqlite3.Connection, *values: str) -> Iterator[Any]:
    """Read ``values`` from the database, one at a time."""
    for value in values:
        yield from database.execute("SELECT ?", (value,)).fetchone()


def test_iterables_are_read_on_the_thread_of_the_call(
    server: HttpServer, database: sqlite3.Connection, tmp_path: Path
) -> None:
    servers = ({"urls": rows(database, url)} for url in rows(database, "stun:127.0.0.1:9"))
    with Odyssey("ody_key", api_url=server.url, ice_servers=servers) as client:
        jobs = client.wait_for_simulations(rows(database, "j-1", "j-2"))
        assert [job.job_id for job in jobs] == ["j-1", "j-2"]
        files = client.download_recording("st-1", tmp_path, rows(database, "video", "thumbnail"))
        assert [*files] == ["video"]


def test_callbacks_have_the_context_of_the_call(server: HttpServer) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")
    own = threading.local()
    tenant.set("red")
    own.value = 5
    seen = []

    def update(_: object) -> None:
        seen.append((tenant.get(), own.value))
        tenant.set("blue")

    with Odyssey("ody_key", api_url=server.url) as client:
        client.wait_for_simulation("j-1", on_update=update)
    assert seen == [("red", 5)]
    assert tenant.get() == "blue"


@pytest.mark.parametrize(
    "error",
    [OdysseyConnectionError("of the user", code="dropped", recoverable=True), StopIteration("of the user")],
    ids=lambda error: type(error).__name__,
)
def test_what_on_update_raises_is_no_failure_of_the_service(server: HttpServer, error: Exception) -> None:
    def update(_: object) -> None:
        raise error

    with Odyssey("ody_key", api_url=server.url) as client:
        with pytest.raises(type(error)) as caught:
            client.wait_for_simulation("j-1", on_update=update, poll=0.1)
        with pytest.raises(type(error)):
            client.wait_for_simulations(["j-1", "j-2"], on_update=update, poll=0.1)
    assert caught.value is error
