"""What shows the variables of every frame of an error: crash reporters, ``pytest --showlocals``, loguru, rich.

An error of this library may pass through any of them, so no frame of it or of its causes shows a secret.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

import pytest

from odyssey_proto import Odyssey, OdysseyError, connect_to_stream
from tests.support.apis import reset
from tests.support.servers import Connection, HttpServer, Request, answer, json_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KEY: Final = "ody_unseen"
SPECTATOR_TOKEN: Final = "spectator-unseen"
NOWHERE: Final = "http://127.0.0.1:9"  # nobody listens there
SECRETS: Final = ("unseen", "at-secret-1", "st-secret-1", "ice-pwd:")
OF_THE_TEST: Final = ("<lambda>", "test_")


def variables(error: BaseException) -> Iterator[str]:
    """Yield each variable of the frames of ``error`` and of its causes, with its place."""
    waiting = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    while waiting:
        link = waiting.pop()
        waiting += [more for more in (link.__cause__, link.__context__) if more is not None]
        for frame in link.stack:
            if not frame.name.startswith(OF_THE_TEST):
                for name, value in (frame.locals or {}).items():
                    yield f"{frame.filename}, {frame.name}: {name} = {value}"


def cut(connection: Connection, _: Request) -> None:
    connection.send(answer(b"abc", length=100))


def silent(connection: Connection, _: Request) -> None:
    connection.hang()


def listing(url: str) -> None:
    with Odyssey(KEY, api_url=url) as client:
        client.list_stream_recordings(timeout=0.5)


@pytest.mark.parametrize(
    "fail",
    [
        pytest.param(lambda url: listing(NOWHERE), id="nobody listens"),
        pytest.param(lambda url: listing("http://service.invalid"), id="no such host"),
        pytest.param(lambda url: listing(url), id="reset"),
        pytest.param(lambda url: Odyssey(KEY, api_url=url).get_recording("cut", timeout=1), id="cut short"),
        pytest.param(lambda url: Odyssey(KEY, api_url=url).get_recording("slow", timeout=0.5), id="in time"),
        pytest.param(lambda url: Odyssey(KEY, api_url=url).get_recording("none"), id="refused"),
        pytest.param(lambda url: connect_to_stream(NOWHERE, SPECTATOR_TOKEN, timeout=5), id="watch, dead"),
        pytest.param(lambda url: connect_to_stream(url, SPECTATOR_TOKEN, timeout=5), id="watch, refused"),
    ],
)
def test_the_variables_behind_an_error_hold_no_secret(fail: Callable[[str], None]) -> None:
    routes = {
        "GET /stream-recordings": reset,
        "GET /recordings/cut": cut,
        "GET /recordings/slow": silent,
    }
    with HttpServer(routes) as server, pytest.raises(OdysseyError) as caught:
        fail(server.url)
    assert not [line for line in variables(caught.value) if any(secret in line for secret in SECRETS)]


def test_the_variables_behind_a_failed_download_hold_no_signature(tmp_path: Path) -> None:
    signed = {"stream_id": "s-1", "video_url": f"{NOWHERE}/video.mp4?signature=unseen"}
    with (
        HttpServer({"GET /recordings/s-1": json_answer(signed)}) as server,
        Odyssey(KEY, api_url=server.url) as client,
        pytest.raises(OdysseyError) as caught,
    ):
        client.download_recording("s-1", tmp_path, ("video",), timeout=0.5)
    assert not [line for line in variables(caught.value) if any(secret in line for secret in SECRETS)]


def test_an_error_keeps_its_cause() -> None:
    with pytest.raises(OdysseyError) as caught:
        listing(NOWHERE)
    assert isinstance(caught.value.__cause__, ConnectionRefusedError)


def test_a_client_whose_settings_are_refused_can_be_shown() -> None:
    with pytest.raises(OdysseyError) as caught:
        Odyssey(KEY, api_url="ftp://nowhere.example")
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    assert not [known for known in frames if KEY in repr(known.get("api_key"))]
