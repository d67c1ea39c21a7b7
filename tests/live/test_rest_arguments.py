"""Every wrong argument of every call without a connection: a typed error, and not one byte leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from odyssey_proto import Odyssey, OdysseyConfigError
from tests.faults.servers import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Wrong: TypeAlias = dict[str, list[tuple[Any, type[Exception]]]]
VALUE, TYPE = OdysseyConfigError, TypeError
START = {"timestamp_ms": 0, "start": {"prompt": "A cat"}}

IDS: list[tuple[Any, type[Exception]]] = [
    (None, TYPE),
    (7, TYPE),
    (b"s-1", TYPE),
    ("", VALUE),
    ("  ", VALUE),
    (".", VALUE),
    ("..", VALUE),
    ("a\nb", VALUE),
    ("a\0b", VALUE),
    ("a" * 1000, VALUE),
]
TIMEOUTS: list[tuple[Any, type[Exception]]] = [("30", TYPE), (True, TYPE), (-1, VALUE), (float("nan"), VALUE)]
LIMITS: list[tuple[Any, type[Exception]]] = [("10", TYPE), (1.5, TYPE), (True, TYPE), (0, VALUE), (101, VALUE)]
OFFSETS: list[tuple[Any, type[Exception]]] = [("0", TYPE), (1.0, TYPE), (False, TYPE), (-1, VALUE)]
FLAGS: list[tuple[Any, type[Exception]]] = [(1, TYPE), ("yes", TYPE)]
STATUSES: list[tuple[Any, type[Exception]]] = [("running", VALUE), ("", VALUE), (7, TYPE), (["pending"], TYPE)]
POLLS: list[tuple[Any, type[Exception]]] = [
    ("5", TYPE),
    (None, TYPE),
    (True, TYPE),
    (-1, VALUE),
    (float("inf"), VALUE),
    (float("nan"), VALUE),
]
FUNCTIONS: list[tuple[Any, type[Exception]]] = [("print", TYPE), (7, TYPE)]
SCRIPTS: list[tuple[Any, type[Exception]]] = [("A cat", TYPE), ({}, TYPE), (7, TYPE), ([], VALUE), ([{}], VALUE)]
SOURCES = ("script", "scripts", "script_url")  # of which there is one at a time
WAITING: Wrong = {"timeout": TIMEOUTS, "poll": POLLS, "on_update": FUNCTIONS, "cancel_on_timeout": FLAGS}
SIMULATING: Wrong = {
    "script": [*SCRIPTS, (None, VALUE)],
    "scripts": [("A cat", TYPE), ([], VALUE), ([[]], VALUE)],
    "script_url": [(7, TYPE), ("", VALUE), ("x.json", VALUE)],
    "portrait": FLAGS,
    "bypass_prompt_expansion": FLAGS,
}

# Call, arguments that work, and for each argument what does not.
CALLS: dict[str, tuple[dict[str, Any], Wrong]] = {
    "get_recording": ({"stream_id": "s-1"}, {"stream_id": IDS, "timeout": TIMEOUTS}),
    "list_stream_recordings": ({}, {"limit": LIMITS, "offset": OFFSETS, "timeout": TIMEOUTS}),
    "iter_stream_recordings": ({}, {"page_size": LIMITS, "timeout": TIMEOUTS}),
    "download_recording": (
        {"stream_id": "s-1", "directory": "new"},
        {
            "stream_id": [*IDS, ("a/b", VALUE), ("a\\b", VALUE), (".a", VALUE), ("é", VALUE)],
            "directory": [(None, TYPE), (7, TYPE), ("", VALUE), ("a\0b", VALUE), (__file__, VALUE)],
            "artifacts": [("video", TYPE), (None, TYPE), (7, TYPE), (["audio"], VALUE), ([7], TYPE)],
            "on_progress": FUNCTIONS,
            "resume": FLAGS,
            "timeout": TIMEOUTS,
        },
    ),
    "simulate": ({"script": [START]}, {**SIMULATING, "timeout": TIMEOUTS}),
    "get_simulate_status": ({"job_id": "j-1"}, {"job_id": IDS, "timeout": TIMEOUTS}),
    "list_simulations": (
        {},
        {"status": STATUSES, "active": FLAGS, "limit": LIMITS, "offset": OFFSETS, "timeout": TIMEOUTS},
    ),
    "iter_simulations": (
        {},
        {"status": STATUSES, "active": FLAGS, "page_size": LIMITS, "timeout": TIMEOUTS},
    ),
    "cancel_simulation": ({"job_id": "j-1"}, {"job_id": IDS, "timeout": TIMEOUTS}),
    "wait_for_simulation": ({"job_id": "j-1"}, {"job_id": IDS, **WAITING}),
    "wait_for_simulations": (
        {"job_ids": ["j-1"]},
        {"job_ids": [("j-1", TYPE), (7, TYPE), (["j-1", ""], VALUE), ([7], TYPE)], **WAITING},
    ),
    "simulate_and_wait": ({"script": [START]}, {**SIMULATING, **WAITING}),
    "create_client_credentials": ({}, {"timeout": TIMEOUTS}),
}
ROWS = [
    pytest.param(
        call, {**({} if name in SOURCES else works), name: wrong}, error, id=f"{call}-{name}-{wrong!r:.20}"
    )
    for call, (works, arguments) in CALLS.items()
    for name, values in arguments.items()
    for wrong, error in values
]


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with HttpServer() as made:
        yield made


@pytest.fixture(scope="module")
def client(server: HttpServer) -> Iterator[Odyssey]:
    with Odyssey("ody_key", api_url=server.url) as made:
        yield made


@pytest.mark.parametrize(("call", "arguments", "error"), ROWS)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    client: Odyssey,
    server: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    arguments: dict[str, Any],
    error: type[Exception],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        getattr(client, call)(**arguments)
    assert type(caught.value) is error
    assert "\n" not in str(caught.value)
    assert (server.accepted, list(tmp_path.iterdir())) == (0, [])
