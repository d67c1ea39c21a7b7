"""A cassette as a plan: which answer belongs to which request, and what is not played."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from odyssey_proto import CassetteError, OdysseyConfigError
from odyssey_proto._model import cassette
from odyssey_proto.emulator._replay.tape import Closed, Cue, Picture, Said, Tape

if TYPE_CHECKING:
    from pathlib import Path

    from odyssey_proto.emulator._replay.tape import Item


def client(kind: str, place: str = "clientToStreamer", **fields: Any) -> bytes:
    return message("client", place, {"type": kind, **fields})


def service(kind: str, place: str = "streamerToClient", **fields: Any) -> bytes:
    return message("service", place, {"type": kind, **fields})


def message(sender: str, place: str, data: Any) -> bytes:
    head = {"kind": "message", "at_ms": 0, "place": place, "from": sender}
    return cassette.encode(head, data if isinstance(data, bytes) else json.dumps(data).encode())


def frame(**fields: Any) -> bytes:
    return cassette.encode({"kind": "frame", "at_ms": 0, "codec": "vp8", "timestamp": 9, **fields}, b"data")


def tape(folder: Path, *records: bytes) -> Tape:
    path = folder / "a.cast"
    path.write_bytes(cassette.BEGINNING + b"".join(records))
    opened = Tape(path)
    opened.close()
    return opened


def shown(item: Item) -> str:
    match item:
        case Cue():
            return f"> {item.request}"
        case Said():
            return f"< {item.type}" + (f" to {item.answers.request}" if item.answers else "")
        case Picture():
            return f"picture {item.number}"
        case Closed():
            return f"closed {item.code}"


def test_each_answer_belongs_to_its_request(tmp_path: Path) -> None:
    found = tape(
        tmp_path,
        service("offer", "signaling"),
        service("ice_candidate", "signaling"),
        client("answer", "signaling"),
        client("keepalive", "signaling"),
        client("interactive_stream_start", "signaling", broadcast=True),
        service("stream_started"),
        service("broadcast_ready"),
        frame(key=True),
        client("update"),
        frame(),
        client("update"),
        service("interactive_stream_error"),
        service("update_acknowledged"),
        service("update_acknowledged"),
        client("interactive_stream_end"),
        frame(),
        service("stream_ended"),
        service("error", "signaling"),
        message("service", "streamerToClient", b"broken"),
        cassette.encode({"kind": "closed", "at_ms": 1, "code": 1011}),
        cassette.encode({"kind": "closed", "at_ms": 1, "code": None}),
        cassette.encode({"kind": "of the future", "at_ms": 1}),
    )
    assert [shown(item) for item in found.items] == [
        "> start",
        "< stream_started to start",
        "< broadcast_ready",
        "picture 0",
        "> update",
        "picture 1",
        "> update",
        "< interactive_stream_error to update",
        "< update_acknowledged to update",
        "< update_acknowledged",
        "> end",
        "picture 2",
        "< stream_ended to end",
        "< error",
        "< ",
        "closed 1011",
        "closed None",
    ]
    assert found.codec == "vp8"
    cues = found.cues_from(5)
    assert [(place, cue.request) for place, cue in cues] == [(6, "update"), (10, "end")]
    assert [said.type for said in found.said_from(13)] == ["error", ""]
    first = found.items[0]
    assert isinstance(first, Cue)
    assert first.broadcast
    assert not found.items[3].record.head.get("is_key")  # type: ignore[union-attr]


def test_calls_are_found_with_their_answers(tmp_path: Path) -> None:
    head = {
        "kind": "call",
        "at_ms": 0,
        "method": "GET",
        "path": "/x",
        "status": 200,
        "query": {"b": "2", "a": "1"},
    }
    (call,) = tape(tmp_path, cassette.encode(head, b'{"request": null, "answer": "{}"}')).calls
    assert (call.method, call.path, call.query, call.status, call.answer) == (
        "GET",
        "/x",
        (("a", "1"), ("b", "2")),
        200,
        "{}",
    )
    (call,) = tape(tmp_path, cassette.encode({**head, "query": 7}, b"broken")).calls
    assert (call.query, call.answer) == ((), "")


@pytest.mark.parametrize(
    "record",
    [
        frame(codec="av1"),
        frame(timestamp="9"),
        frame(timestamp=2**60),
        cassette.encode({"kind": "call", "at_ms": 0, "method": "GET", "path": "/x", "status": 1000}),
        cassette.encode({"kind": "call", "at_ms": 0, "method": "GET", "path": "/x"}),
        cassette.encode({"kind": "call", "at_ms": 0, "method": "GET", "status": 200}),
    ],
)
def test_a_record_that_lacks_what_it_needs_is_damaged(tmp_path: Path, record: bytes) -> None:
    with pytest.raises(CassetteError) as caught:
        tape(tmp_path, record)
    assert caught.value.code == "damaged"


def test_a_file_that_is_not_there_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(OdysseyConfigError, match=r"b\.cast.*No such file"):
        Tape(tmp_path / "b.cast")


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"\x00\x00\x00 ftypisom", "not_a_cassette"), (cassette.BEGINNING + bytes(12) + b"{}", "damaged")],
)
def test_an_error_names_the_file(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "cat.mp4"
    path.write_bytes(content)
    with pytest.raises(CassetteError, match=r"^replay '.*cat\.mp4': ") as caught:
        Tape(path)
    assert caught.value.code == code


def test_twenty_thousand_requests_without_an_answer_are_passed_in_one_go(tmp_path: Path) -> None:
    # Looking through all of them at each message would take many minutes.
    found = tape(tmp_path, *[client("update")] * 20_000, *[service("stream_ended")] * 20_000, client("start"))
    assert not any(item.answers for item in found.items if isinstance(item, Said))
    assert next(found.cues_from(19_999))[0] == 19_999


def test_an_error_answers_the_earliest_request_that_it_can(tmp_path: Path) -> None:
    start = client("interactive_stream_start")
    error = service("interactive_stream_error")
    found = tape(tmp_path, client("update"), client("interactive_stream_end"), start, error, error, error)
    assert [shown(item) for item in found.items[3:]] == [
        "< interactive_stream_error to update",
        "< interactive_stream_error to start",
        "< interactive_stream_error",
    ]
